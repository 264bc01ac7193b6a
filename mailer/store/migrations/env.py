"""What Alembic runs: the revisions, on the connection and in the transaction it is given."""

from __future__ import annotations

from alembic import context

from mailer.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # true on SQLite as well: our driver does not commit behind our back
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
