"""What goes out: campaigns as they were released, runs, deliveries."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    SmallInteger,
    Table,
    UniqueConstraint,
    text,
)

from mailer.store.tables.columns import (
    Instant,
    Json,
    Numbers,
    Text,
    key,
    locked_reference,
    metadata,
    reference,
)

campaign_state = Table(
    "campaign_state",
    metadata,
    Column("name", Text, primary_key=True),
    Column("first_seen_at", Instant, nullable=False),  # nothing due before this is caught up
    Column("planned_at", Instant),  # the last planning pass that completed
    Column("baseline_at", Instant),  # when its segment's first members were noted, and not mailed
    Column("baseline_of", Text),  # core.mentions.fingerprint of the rule they were found by
    Column("paused", Boolean, nullable=False, server_default=text("false")),
)

campaign_version = Table(  # what a run was released with: the definition and its published template
    "campaign_version",
    metadata,
    key(),
    Column("campaign", Text, nullable=False),
    Column("digest", Text, nullable=False),  # SHA-256 over definition and parts
    Column("definition", Json, nullable=False),
    Column("parts", Json, nullable=False),  # published template parts, see render/publish.py
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("campaign", "digest"),
)

segment_member = Table(  # who was in a segment when its campaign last looked
    "segment_member",
    metadata,
    Column("campaign", Text, primary_key=True),
    reference("customer_id", "customer.id", primary_key=True),
    Column("entered_at", Instant, nullable=False),
    Column("owed", Boolean, nullable=False),  # a mail for having entered, not planned yet
    Index(
        "ix_segment_member_owed",
        "campaign",
        "entered_at",
        "customer_id",
        sqlite_where=text("owed"),
        postgresql_where=text("owed"),
    ),
)

run = Table(
    "run",
    metadata,
    key(),
    Column("campaign", Text, nullable=False),
    Column("occurrence", Text, nullable=False),
    reference("version_id", "campaign_version.id"),
    Column("state", Text, nullable=False),  # core.run.RunState
    Column("reason", Text),
    Column("purpose", Text, nullable=False),
    Column("topic", Text),  # what it is about, where customers may choose
    Column("priority", Integer, nullable=False),
    Column("due_at", Instant, nullable=False),  # the first instant any member is due
    Column("closes_at", Instant, nullable=False),  # the last; the run cannot finish before it
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("content", Json),  # posts of a newsletter issue
    Column("by_hand", Boolean, nullable=False, server_default=text("false")),  # a person started it
    Column("seen", Json),  # core.breaker.Figures when a person last let it go on
    reference("incident_id", "incident.id"),
    Column("incident_update", Integer),
    UniqueConstraint("campaign", "occurrence"),
    Index(None, "state"),
)

#: A delivery that has not begun. Written out wherever it is asked, so that the partial index serves.
WAITING = "delivery.state in ('queued', 'deferred') and delivery.sender_id is null"

_WAITING = WAITING.replace("delivery.", "")
#: A commercial delivery that has not left. Written out wherever it is asked, so that the partial index serves.
UNSENT = "delivery.purpose = 'commercial' and delivery.state in ('queued', 'deferred')"

_UNSENT = UNSENT.replace("delivery.", "")
_HELD = "once_key is not null and state in ('queued', 'sending', 'deferred', 'sent', 'in_doubt')"

delivery = Table(
    "delivery",
    metadata,
    key(),
    locked_reference("run_id", "run.id", nullable=False),
    locked_reference("customer_id", "customer.id"),  # null: they were erased
    Column("campaign", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("once_key", Text),  # core.campaign.Campaign.keyed; null: its run is all there is to hold
    Column("email", Text, nullable=False),  # as it stood when planned
    Column("email_key", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("kind", Text, nullable=False, server_default=""),  # incidents: first, update, closure, unaffected
    Column("context", Json),  # what the trigger brought: an event's properties, an incident's points
    Column("due_at", Instant, nullable=False),
    Column("not_before", Instant, nullable=False),  # due, or later: quiet hours, the next attempt
    Column("expires_at", Instant),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("render_kills", Integer, nullable=False, server_default="0"),  # senders killed while rendering it
    Column("message_id", Text),  # the same on every attempt
    Column("reply", Text),
    Column("phase", Text),  # how far the last attempt got
    Column("sent_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    locked_reference("sender_id", "sender.id"),  # who is sending it
    # A run is of one campaign: nobody is in it twice, and what somebody got of a campaign is found by it, too.
    UniqueConstraint("customer_id", "campaign", "run_id"),
    Index(
        "uq_delivery_once_key",
        "once_key",
        unique=True,
        sqlite_where=text(_HELD),
        postgresql_where=text(_HELD),
    ),
    # By run: what is paused, still being planned, or due much later, is never walked through to find the rest.
    Index(
        "ix_delivery_claim",
        "run_id",
        "not_before",
        "id",
        sqlite_where=text(_WAITING),
        postgresql_where=text(_WAITING),
    ),
    Index(
        "ix_delivery_sender",
        "sender_id",
        sqlite_where=text("sender_id is not null"),
        postgresql_where=text("sender_id is not null"),
    ),
    Index("ix_delivery_run_state", "run_id", "state"),
    # What waits for a customer, found without walking through all that they ever got.
    Index(
        "ix_delivery_unsent",
        "customer_id",
        sqlite_where=text(_UNSENT),
        postgresql_where=text(_UNSENT),
    ),
)

# What senders took up and have not begun, a row for each sender: a delivery's own row is large and in many indexes, and
# is not written for it.
claim = Table(
    "claim",
    metadata,
    locked_reference("sender_id", "sender.id", primary_key=True, autoincrement=False),
    Column("deliveries", Numbers, nullable=False),
)

cap_slot = Table(  # a commercial mail's place on a customer's local day; the row decides between senders
    "cap_slot",
    metadata,
    locked_reference("customer_id", "customer.id", primary_key=True, autoincrement=False),
    Column("local_day", Date, primary_key=True),
    Column("slot", SmallInteger, primary_key=True),  # from 0
    locked_reference("delivery_id", "delivery.id", nullable=False, unique=True),
)

delivery_event = Table(  # append-only facts about a delivery
    "delivery_event",
    metadata,
    key(),
    reference("delivery_id", "delivery.id", nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("detail", Json),
    Column("ext_id", Text),  # of clicks and openings: each is written once, however often it is tried
    Index(
        "uq_delivery_event_ext_id",
        "ext_id",
        unique=True,
        sqlite_where=text("ext_id is not null"),
        postgresql_where=text("ext_id is not null"),
    ),
)
