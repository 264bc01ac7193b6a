"""What came back about mails, each once."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, Table, UniqueConstraint, text

from mailer.store.tables.columns import Instant, Text, key, metadata, reference

returned = Table(  # append-only
    "returned",
    metadata,
    key(),
    Column("kind", Text, nullable=False),  # core.bounce.Kind
    Column("source", Text, nullable=False),  # dsn, arf, text, or the provider
    Column("ext_id", Text, unique=True),  # the provider's id of the event; null: what it is about tells
    reference("delivery_id", "delivery.id"),  # null: a provider named an address only
    Column("attempt", Integer),
    reference("run_id", "run.id", index=True),
    Column("email_key", Text, nullable=False, index=True),
    Column("fault", Text),  # core.bounce.Fault
    Column("status", Text, nullable=False, server_default=""),
    Column("diagnostic", Text, nullable=False, server_default=""),
    Column("at", Instant, nullable=False),
    Column("spent", Boolean, nullable=False, server_default=text("false")),  # it has had its effect
    UniqueConstraint("delivery_id", "attempt", "kind"),
)
