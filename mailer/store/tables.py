"""The tables. One definition for SQLite and PostgreSQL; what differs between them is in `dialect.py`.

Instants are stored in UTC; every one is written by the program, from its clock, never by the database,
except leases, which run on the database's own clock so that machines need not agree about time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware instant. `timestamptz` on PostgreSQL; sortable UTC text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive values; SQLite has no zone to keep."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs its time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Always UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Id = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER PRIMARY KEY counts up by itself on SQLite
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def _id() -> Column[int]:
    return Column("id", Id, primary_key=True)


def _ref(name: str, target: str, **options: Any) -> Column[int]:
    return Column(name, Id, ForeignKey(target), **options)


# Who we may write to -------------------------------------------------------------------------------------

customer = Table(
    "customer",
    metadata,
    _id(),  # in order of first import: the lowest is the oldest record
    Column("ext_id", Text, nullable=False, unique=True),  # the shop's id
    Column("email", Text, nullable=False, server_default=""),
    Column("email_key", Text, nullable=False, server_default="", index=True),  # normalise_address(email)
    Column("first_name", Text, nullable=False, server_default=""),
    Column("last_name", Text, nullable=False, server_default=""),
    Column("locale", Text, nullable=False, server_default=""),
    Column("timezone", Text, nullable=False, server_default=""),  # as given
    Column("zone", Text, index=True),  # IANA zone resolved from timezone or country; null: the tenant's
    Column("country", Text, nullable=False, server_default=""),
    Column("postal_code", Text, nullable=False, server_default="", index=True),
    Column("created_at", Instant),  # as the shop says
    Column("stored_at", Instant, nullable=False),  # first imported
    Column("updated_at", Instant, nullable=False),
    Column("services", Json, nullable=False),  # list of text
    Column("attributes", Json, nullable=False),  # object
    Column(
        "consent", Text, nullable=False, server_default="unknown"
    ),  # folded from consent_entry: yes, no, unknown
    Column("consent_at", Instant),
)

customer_date = Table(
    "customer_date",
    metadata,
    _ref("customer_id", "customer.id", primary_key=True),
    Column("attr", Text, primary_key=True),
    Column("month", SmallInteger, nullable=False),
    Column("day", SmallInteger, nullable=False),
    Column("year", SmallInteger),
    Column("set_at", Instant, nullable=False),  # when this value was stored: `set_before` counts from here
    Column("placeholder", Boolean, nullable=False),
    Index(None, "attr", "month", "day"),
)

customer_event = Table(
    "customer_event",
    metadata,
    _id(),
    Column("ext_id", Text, nullable=False, unique=True),
    _ref("customer_id", "customer.id"),  # null: about the shop
    Column("name", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("stored_at", Instant, nullable=False),
    Column("properties", Json, nullable=False),
    Column("order_ref", Text),  # properties.order, for orders and refunds
    Column("net_e4", BigInteger),  # properties.net in ten-thousandths of the currency's unit
    Column("currency", Text),
    Index(None, "name", "at"),
    Index(None, "customer_id", "name", "at"),
)

consent_entry = Table(  # append-only
    "consent_entry",
    metadata,
    _id(),
    _ref("customer_id", "customer.id", nullable=False, index=True),
    Column("email_key", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("action", Text, nullable=False),  # granted, revoked
    Column("source", Text, nullable=False),
    Column(
        "via", Text, nullable=False, server_default="person"
    ),  # core.consent.Via: what an import may not lift
    Column("text_version", Text),
    Column("at", Instant, nullable=False),
    Column("stored_at", Instant, nullable=False),
    Column("proof", Json),
    Column("registry_status", Text),
)

suppression = Table(
    "suppression",
    metadata,
    Column("email_key", Text, primary_key=True),
    Column("scope", Text, primary_key=True),  # all: a dead address; commercial: an unsubscribe or a complaint
    Column("reason", Text, nullable=False),  # unsubscribed, complaint, bounced, manual, …
    Column("source", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

named_list = Table(
    "named_list",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("loaded_at", Instant, nullable=False),
)

list_member = Table(
    "list_member",
    metadata,
    _ref("list_id", "named_list.id", primary_key=True),
    _ref("customer_id", "customer.id", primary_key=True, index=True),
)

service_point = Table(
    "service_point",
    metadata,
    _id(),
    _ref("customer_id", "customer.id", nullable=False),
    Column("ext_id", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("postal_code", Text, nullable=False, server_default="", index=True),
    Column("lat", Float),
    Column("lon", Float),
    Column("label", Text, nullable=False, server_default=""),
    Column("stored_at", Instant, nullable=False),
    UniqueConstraint("customer_id", "ext_id"),
)

score_round = Table(  # one time that all customers were scored; the newest whole one counts
    "score_round",
    metadata,
    _id(),
    Column("scored_at", Instant, nullable=False),
    Column("last_event", BigInteger, nullable=False),  # customer_event.id: later ones are not in the scores
    Column("customers", Integer, nullable=False),
    Column("whole", Boolean, nullable=False),
)

customer_score = Table(  # core.rfm
    "customer_score",
    metadata,
    Column("round_id", Id, ForeignKey("score_round.id", ondelete="CASCADE"), primary_key=True),
    _ref("customer_id", "customer.id", primary_key=True, index=True),
    Column("r", SmallInteger, nullable=False),
    Column("f", SmallInteger, nullable=False),
    Column("m", SmallInteger, nullable=False),
)

# What goes out -------------------------------------------------------------------------------------------

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
    _id(),
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
    _ref("customer_id", "customer.id", primary_key=True),
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
    _id(),
    Column("campaign", Text, nullable=False),
    Column("occurrence", Text, nullable=False),
    _ref("version_id", "campaign_version.id"),
    Column("state", Text, nullable=False),  # core.run.RunState
    Column("reason", Text),
    Column("purpose", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("due_at", Instant, nullable=False),  # the first instant any member is due
    Column("closes_at", Instant, nullable=False),  # the last; the run cannot finish before it
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("content", Json),  # posts of a newsletter issue
    _ref("incident_id", "incident.id"),
    Column("incident_update", Integer),
    UniqueConstraint("campaign", "occurrence"),
    Index(None, "state"),
)

#: A delivery a sender may claim. Written out wherever it is asked, so that the partial index serves.
WAITING = "delivery.state in ('queued', 'deferred') and delivery.sender_id is null"

_WAITING = WAITING.replace("delivery.", "")
_HOLDING = "state in ('queued', 'sending', 'deferred', 'sent', 'in_doubt')"

delivery = Table(
    "delivery",
    metadata,
    _id(),
    _ref("run_id", "run.id", nullable=False),
    _ref("customer_id", "customer.id", nullable=False, index=True),
    Column("campaign", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("once_key", Text, nullable=False),
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
    _ref("sender_id", "sender.id"),  # who holds it; null: nobody
    UniqueConstraint("run_id", "customer_id"),
    Index(
        "uq_delivery_once_key",
        "once_key",
        unique=True,
        sqlite_where=text(_HOLDING),
        postgresql_where=text(_HOLDING),
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
    Index("ix_delivery_campaign_customer", "campaign", "customer_id"),
)

cap_slot = Table(  # a commercial mail's place on a customer's local day; the row decides between senders
    "cap_slot",
    metadata,
    _ref("customer_id", "customer.id", primary_key=True),
    Column("local_day", Date, primary_key=True),
    Column("slot", SmallInteger, primary_key=True),  # from 0
    _ref("delivery_id", "delivery.id", nullable=False, unique=True),
)

delivery_event = Table(  # append-only facts about a delivery
    "delivery_event",
    metadata,
    _id(),
    _ref("delivery_id", "delivery.id", nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("detail", Json),
)

coupon = Table(
    "coupon",
    metadata,
    _id(),
    Column("code", Text, nullable=False),
    Column("kind", Text, nullable=False),  # generated, pool, static
    Column("pool", Text),
    Column("campaign", Text),
    Column("state", Text, nullable=False),  # core.coupon.CouponState
    Column("once_key", Text),
    _ref("delivery_id", "delivery.id", index=True),
    _ref("customer_id", "customer.id", index=True),
    Column("percent", Integer),
    Column("amount_e4", BigInteger),
    Column("currency", Text),
    Column("valid_until", Date),  # the last local day it is good for
    Column("created_at", Instant, nullable=False),
    Column("issued_at", Instant),
    Column("redeemed_at", Instant),
    Column("redeemed_order", Text),
    Column("redeemed_net_e4", BigInteger),
    Column("changed_at", Instant, nullable=False),  # its last step, for exports
    # Nobody shares a code; the one static code of a campaign is meant to be shared.
    Index(
        "uq_coupon_code",
        "code",
        unique=True,
        sqlite_where=text("kind != 'static'"),
        postgresql_where=text("kind != 'static'"),
    ),
    # One coupon an occasion: a once-key that is planned again gets the code it had.
    Index(
        "uq_coupon_once_key",
        "once_key",
        unique=True,
        sqlite_where=text("once_key is not null"),
        postgresql_where=text("once_key is not null"),
    ),
    Index(
        "ix_coupon_static",
        "code",
        "customer_id",
        sqlite_where=text("kind = 'static'"),
        postgresql_where=text("kind = 'static'"),
    ),
    Index("ix_coupon_pool_state", "pool", "state"),
    Index("ix_coupon_campaign_state", "campaign", "state"),
)

coupon_reminder = Table(  # mails that show a coupon their customer was given by an earlier one
    "coupon_reminder",
    metadata,
    _ref("delivery_id", "delivery.id", primary_key=True),
    _ref("coupon_id", "coupon.id", nullable=False),
)

# Outages -------------------------------------------------------------------------------------------------

incident = Table(
    "incident",
    metadata,
    _id(),
    Column("title", Text, nullable=False),
    Column("state", Text, nullable=False),  # core.incident.IncidentState
    Column("planned", Boolean, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("published_at", Instant),
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
)

incident_update = Table(  # immutable
    "incident_update",
    metadata,
    _ref("incident_id", "incident.id", primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("message", Text, nullable=False, server_default=""),
    Column("eta", Instant),
    Column("next_update", Instant),
    Column("area", Json, nullable=False),  # core.area.Area as of this update
    Column("starts_at", Instant),
    Column("ends_at", Instant),
    Column("lead", Text),
    Column("urgent", Boolean, nullable=False, server_default=text("false")),
    Column("at", Instant, nullable=False),
    Column("by", Text, nullable=False),
)

incident_recipient = Table(
    "incident_recipient",
    metadata,
    _ref("incident_id", "incident.id", primary_key=True),
    _ref("customer_id", "customer.id", primary_key=True),
    Column("state", Text, nullable=False),  # affected, left, unreachable, duplicate
    Column("points", Json, nullable=False),
    Column("first_message_id", Text),  # the thread: In-Reply-To and References
    Column("joined_at", Instant, nullable=False),
)

# How it runs ---------------------------------------------------------------------------------------------

sender = Table(
    "sender",
    metadata,
    _id(),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
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
