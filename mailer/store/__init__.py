"""What is kept, in SQLite or PostgreSQL."""

from mailer.store import untallied

untallied.set_up()
