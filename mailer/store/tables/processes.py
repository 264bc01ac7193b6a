"""How it runs: senders, leases, switches."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Float,
    Integer,
    Table,
    Text,
)

from mailer.store.tables.columns import Instant, key, metadata

sender = Table(
    "sender",
    metadata,
    key(),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("journal", Text, nullable=False, server_default=""),  # the name of its journal, see files/journal.py
    Column("lease_until", Float, nullable=False, index=True),  # seconds since the epoch, the database's clock
    sqlite_autoincrement=True,  # an id is a fence: a later sender must never be taken for a dead one
)

lease = Table(  # one planner at a time; planning waits for an open import
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("until", Float, nullable=False),  # seconds since the epoch, the database's clock
)

switch = Table(  # halt
    "switch",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
)
