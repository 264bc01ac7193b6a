"""Who we may write to, and what they did."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    UniqueConstraint,
    text,
)

from mailer.store.tables.columns import Id, Instant, Json, Text, key, metadata, reference

customer = Table(
    "customer",
    metadata,
    key(),  # in order of first import: the lowest is the oldest record
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
    reference("customer_id", "customer.id", primary_key=True),
    Column("attr", Text, primary_key=True),
    Column("month", SmallInteger, nullable=False),
    Column("day", SmallInteger, nullable=False),
    Column("year", SmallInteger),
    Column("set_at", Instant, nullable=False),  # when this value was stored: `set_before` counts from here
    Column("placeholder", Boolean, nullable=False),
    Index(None, "attr", "month", "day"),
)

#: An event whose word on consent is dated ahead and has not counted yet. Written out wherever it is asked, so that the
#: partial index serves.
WORD_AHEAD = "customer_event.ahead"

customer_event = Table(
    "customer_event",
    metadata,
    key(),
    Column("ext_id", Text, nullable=False, unique=True),
    reference("customer_id", "customer.id"),  # null: about the shop
    Column("name", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("stored_at", Instant, nullable=False),
    Column("properties", Json, nullable=False),
    Column("order_ref", Text),  # properties.order, for orders and refunds
    Column("net_e4", BigInteger),  # properties.net in ten-thousandths of the currency's unit
    Column("currency", Text),
    Column("ahead", Boolean, nullable=False, server_default=text("false")),  # see WORD_AHEAD
    Index(None, "name", "at"),
    Index(None, "customer_id", "name", "at"),
    Index("ix_customer_event_ahead", "at", sqlite_where=text("ahead"), postgresql_where=text("ahead")),
)

consent_entry = Table(  # append-only
    "consent_entry",
    metadata,
    key(),
    reference("customer_id", "customer.id", index=True),  # null: they were erased
    Column("email_key", Text, nullable=False),  # of somebody erased: store.erasure.bar_key
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
    key(),
    Column("name", Text, nullable=False, unique=True),
    Column("loaded_at", Instant, nullable=False),
)

list_member = Table(
    "list_member",
    metadata,
    reference("list_id", "named_list.id", primary_key=True),
    reference("customer_id", "customer.id", primary_key=True, index=True),
)

service_point = Table(
    "service_point",
    metadata,
    key(),
    reference("customer_id", "customer.id", nullable=False),
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
    key(),
    Column("scored_at", Instant, nullable=False),
    Column("last_event", BigInteger, nullable=False),  # customer_event.id: later ones are not in the scores
    Column("customers", Integer, nullable=False),
    Column("whole", Boolean, nullable=False),
)

customer_score = Table(  # core.rfm
    "customer_score",
    metadata,
    Column("round_id", Id, ForeignKey("score_round.id", ondelete="CASCADE"), primary_key=True),
    reference("customer_id", "customer.id", primary_key=True),
    Column("r", SmallInteger, nullable=False),
    Column("f", SmallInteger, nullable=False),
    Column("m", SmallInteger, nullable=False),
)
