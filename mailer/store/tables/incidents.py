"""Outages, and what each affected customer was told."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    Table,
    text,
)

from mailer.store.tables.columns import Instant, Json, Text, key, metadata, reference

#: An incident that marketing waits for (core.incident.HOLDS_MARKETING). Written out wherever it is asked, so that the
#: partial index serves: senders ask it for each wave, and nearly always there is none.
HOLDS_MARKETING = (
    "incident.state in ('identified', 'in_progress', 'investigating', 'monitoring', 'reopened')"
    " and incident.published_at is not null"
)

_TROUBLED = HOLDS_MARKETING.partition(" and ")[0].replace("incident.", "")

incident = Table(
    "incident",
    metadata,
    key(),
    Column("title", Text, nullable=False),
    Column("state", Text, nullable=False),  # core.incident.IncidentState
    Column("planned", Boolean, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("published_at", Instant),
    Column("published_by", Text),
    Column("resolved_at", Instant),
    Column("starts_at", Instant),
    Column("ends_at", Instant),
    Column("lead", Text),
    Column("services", Json, nullable=False),
    Column("postal", Json, nullable=False),  # patterns
    Column("lists", Json, nullable=False),  # named lists
    Column("exclusions", Json, nullable=False),
    Column("last_update", Integer, nullable=False, server_default="0"),
    Column(
        "alarmed_update", Integer, nullable=False, server_default="0"
    ),  # whose promise was seen to be broken
    Index(
        "ix_incident_holds",
        "id",
        sqlite_where=text(_TROUBLED),
        postgresql_where=text(_TROUBLED),
    ),
)

incident_update = Table(  # immutable
    "incident_update",
    metadata,
    reference("incident_id", "incident.id", primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("message", Text, nullable=False, server_default=""),
    Column(
        "titles", Json, nullable=False, server_default=text("'{}'")
    ),  # language → text, beside the plain one
    Column("messages", Json, nullable=False, server_default=text("'{}'")),  # the same
    Column("eta", Instant),
    Column("next_update", Instant),
    Column("area", Json, nullable=False),  # core.area.Area as of this update
    Column("starts_at", Instant),
    Column("ends_at", Instant),
    Column("lead", Text),
    Column("urgent", Boolean, nullable=False, server_default=text("false")),
    Column("at", Instant, nullable=False),
    Column("by", Text, nullable=False),
    Column("request_key", Text, unique=True),  # a program's Idempotency-Key, and a digest of what it asked
    Column("request_said", Text),
)

incident_recipient = Table(
    "incident_recipient",
    metadata,
    reference("incident_id", "incident.id", primary_key=True),
    reference("customer_id", "customer.id", primary_key=True),
    Column("state", Text, nullable=False),  # affected, left, unreachable, duplicate
    Column("points", Json, nullable=False),
    Column("first_message_id", Text),  # the thread: In-Reply-To and References
    Column("joined_at", Instant, nullable=False),
)
