"""Codes, and the mails that remind of them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Index,
    Integer,
    Table,
    text,
)

from mailer.store.tables.columns import Instant, Text, key, locked_reference, metadata, reference

coupon = Table(
    "coupon",
    metadata,
    key(),
    Column("code", Text, nullable=False),
    Column("kind", Text, nullable=False),  # generated, pool, static
    Column("pool", Text),
    Column("campaign", Text),
    Column("state", Text, nullable=False),  # core.coupon.CouponState
    Column("once_key", Text),
    locked_reference("delivery_id", "delivery.id", index=True),
    locked_reference("customer_id", "customer.id", index=True),
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
    Index(
        "ix_coupon_pool_state",
        "pool",
        "state",
        sqlite_where=text("pool is not null"),
        postgresql_where=text("pool is not null"),
    ),
    Index("ix_coupon_campaign_state", "campaign", "state"),
)

coupon_reminder = Table(  # mails that show a coupon their customer was given by an earlier one
    "coupon_reminder",
    metadata,
    reference("delivery_id", "delivery.id", primary_key=True),
    reference("coupon_id", "coupon.id", nullable=False),
)
