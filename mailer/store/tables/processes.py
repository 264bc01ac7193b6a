"""How it runs: senders, leases, switches."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    Float,
    Integer,
    Table,
)

from mailer.store.tables.columns import Id, Instant, Text, key, metadata

sender = Table(
    "sender",
    metadata,
    key(),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("journal", Text, nullable=False, server_default=""),  # its name, see files/journal.py
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

pace = Table(  # how far one limit is used up, over all senders: core.pacing.Bucket
    "pace",
    metadata,
    Column("key", Text, primary_key=True),  # a recipients' domain, or a relay
    Column("empty_at", Float, nullable=False),  # seconds since the epoch, the database's clock, as below
    Column("share", Float, nullable=False, server_default="1"),
    Column("slowed_at", Float, nullable=False, server_default="0"),
)

pace_slot = Table(  # mails of a limit a sender may have under way; senders that are gone do not count
    "pace_slot",
    metadata,
    Column("key", Text, primary_key=True),
    Column("sender_id", Id, primary_key=True),
    Column("slots", Integer, nullable=False),
)

relay_answer = Table(  # what each relay answered so far, over all senders, for monitoring
    "relay_answer",
    metadata,
    Column("relay", Text, primary_key=True),  # core.relays.Relay.key
    Column("answer", Text, primary_key=True),  # core.metrics.ANSWERS
    Column("count", Id, nullable=False),
)

warm_day = Table(  # how many commercial mails of a warm-up's day are taken
    "warm_day",
    metadata,
    Column("day", Date, primary_key=True),
    Column("used", Integer, nullable=False),
)

switch = Table(  # halt
    "switch",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
)
