"""The first schema, written by `python -m mailer.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "r0001"
down_revision = None
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Instant = sa.DateTime(timezone=True)
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Numbers = sa.JSON().with_variant(ARRAY(sa.BigInteger), "postgresql")
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:  # noqa: PLR0915 (one statement for each table and index)
    """Make every table."""
    op.create_table(
        "api_token",
        sa.Column("id", Id, nullable=False),
        sa.Column("ident", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("digest", Text, nullable=False),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("revoked_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("ident", name=op.f("uq_api_token_ident")),
        sa.UniqueConstraint("name", name=op.f("uq_api_token_name")),
    )
    op.create_table(
        "campaign_state",
        sa.Column("name", Text, nullable=False),
        sa.Column("first_seen_at", Instant, nullable=False),
        sa.Column("planned_at", Instant, nullable=True),
        sa.Column("baseline_at", Instant, nullable=True),
        sa.Column("baseline_of", Text, nullable=True),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_campaign_state")),
    )
    op.create_table(
        "campaign_version",
        sa.Column("id", Id, nullable=False),
        sa.Column("campaign", Text, nullable=False),
        sa.Column("digest", Text, nullable=False),
        sa.Column("definition", Json, nullable=False),
        sa.Column("parts", Json, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_version")),
        sa.UniqueConstraint("campaign", "digest", name=op.f("uq_campaign_version_campaign_digest")),
    )
    op.create_table(
        "cap_slot",
        sa.Column("customer_id", Id, autoincrement=False, nullable=False),
        sa.Column("local_day", sa.Date(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("delivery_id", Id, nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "local_day", "slot", name=op.f("pk_cap_slot")),
        sa.UniqueConstraint("delivery_id", name=op.f("uq_cap_slot_delivery_id")),
    )
    op.create_table(
        "claim",
        sa.Column("sender_id", Id, autoincrement=False, nullable=False),
        sa.Column("deliveries", Numbers, nullable=False),
        sa.PrimaryKeyConstraint("sender_id", name=op.f("pk_claim")),
    )
    op.create_table(
        "coupon",
        sa.Column("id", Id, nullable=False),
        sa.Column("code", Text, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("pool", Text, nullable=True),
        sa.Column("campaign", Text, nullable=True),
        sa.Column("state", Text, nullable=False),
        sa.Column("once_key", Text, nullable=True),
        sa.Column("delivery_id", Id, nullable=True),
        sa.Column("customer_id", Id, nullable=True),
        sa.Column("percent", sa.Integer(), nullable=True),
        sa.Column("amount_e4", sa.BigInteger(), nullable=True),
        sa.Column("currency", Text, nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("issued_at", Instant, nullable=True),
        sa.Column("redeemed_at", Instant, nullable=True),
        sa.Column("redeemed_order", Text, nullable=True),
        sa.Column("redeemed_net_e4", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon")),
    )
    op.create_index("ix_coupon_campaign_state", "coupon", ["campaign", "state"], unique=False)
    op.create_index(op.f("ix_coupon_customer_id"), "coupon", ["customer_id"], unique=False)
    op.create_index(op.f("ix_coupon_delivery_id"), "coupon", ["delivery_id"], unique=False)
    op.create_index(
        "ix_coupon_pool_state",
        "coupon",
        ["pool", "state"],
        unique=False,
        sqlite_where=sa.text("pool is not null"),
        postgresql_where=sa.text("pool is not null"),
    )
    op.create_index(
        "ix_coupon_static",
        "coupon",
        ["code", "customer_id"],
        unique=False,
        sqlite_where=sa.text("kind = 'static'"),
        postgresql_where=sa.text("kind = 'static'"),
    )
    op.create_index(
        "uq_coupon_code",
        "coupon",
        ["code"],
        unique=True,
        sqlite_where=sa.text("kind != 'static'"),
        postgresql_where=sa.text("kind != 'static'"),
    )
    op.create_index(
        "uq_coupon_once_key",
        "coupon",
        ["once_key"],
        unique=True,
        sqlite_where=sa.text("once_key is not null"),
        postgresql_where=sa.text("once_key is not null"),
    )
    op.create_table(
        "customer",
        sa.Column("id", Id, nullable=False),
        sa.Column("ext_id", Text, nullable=False),
        sa.Column("email", Text, server_default="", nullable=False),
        sa.Column("email_key", Text, server_default="", nullable=False),
        sa.Column("first_name", Text, server_default="", nullable=False),
        sa.Column("last_name", Text, server_default="", nullable=False),
        sa.Column("locale", Text, server_default="", nullable=False),
        sa.Column("timezone", Text, server_default="", nullable=False),
        sa.Column("zone", Text, nullable=True),
        sa.Column("country", Text, server_default="", nullable=False),
        sa.Column("postal_code", Text, server_default="", nullable=False),
        sa.Column("created_at", Instant, nullable=True),
        sa.Column("stored_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.Column("services", Json, nullable=False),
        sa.Column("attributes", Json, nullable=False),
        sa.Column("consent", Text, server_default="unknown", nullable=False),
        sa.Column("consent_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
        sa.UniqueConstraint("ext_id", name=op.f("uq_customer_ext_id")),
    )
    op.create_index(op.f("ix_customer_email_key"), "customer", ["email_key"], unique=False)
    op.create_index(op.f("ix_customer_postal_code"), "customer", ["postal_code"], unique=False)
    op.create_index(op.f("ix_customer_zone"), "customer", ["zone"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", Id, nullable=False),
        sa.Column("run_id", Id, nullable=False),
        sa.Column("customer_id", Id, nullable=True),
        sa.Column("campaign", Text, nullable=False),
        sa.Column("purpose", Text, nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("once_key", Text, nullable=True),
        sa.Column("email", Text, nullable=False),
        sa.Column("email_key", Text, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("reason", Text, nullable=True),
        sa.Column("kind", Text, server_default="", nullable=False),
        sa.Column("context", Json, nullable=True),
        sa.Column("due_at", Instant, nullable=False),
        sa.Column("not_before", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("render_kills", sa.Integer(), server_default="0", nullable=False),
        sa.Column("message_id", Text, nullable=True),
        sa.Column("reply", Text, nullable=True),
        sa.Column("phase", Text, nullable=True),
        sa.Column("sent_at", Instant, nullable=True),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.Column("sender_id", Id, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint(
            "customer_id", "campaign", "run_id", name=op.f("uq_delivery_customer_id_campaign_run_id")
        ),
    )
    op.create_index(
        "ix_delivery_claim",
        "delivery",
        ["run_id", "not_before", "id"],
        unique=False,
        sqlite_where=sa.text("state in ('queued', 'deferred') and sender_id is null"),
        postgresql_where=sa.text("state in ('queued', 'deferred') and sender_id is null"),
    )
    op.create_index("ix_delivery_run_state", "delivery", ["run_id", "state"], unique=False)
    op.create_index(
        "ix_delivery_sender",
        "delivery",
        ["sender_id"],
        unique=False,
        sqlite_where=sa.text("sender_id is not null"),
        postgresql_where=sa.text("sender_id is not null"),
    )
    op.create_index(
        "ix_delivery_unsent",
        "delivery",
        ["customer_id"],
        unique=False,
        sqlite_where=sa.text("purpose = 'commercial' and state in ('queued', 'deferred')"),
        postgresql_where=sa.text("purpose = 'commercial' and state in ('queued', 'deferred')"),
    )
    op.create_index(
        "uq_delivery_once_key",
        "delivery",
        ["once_key"],
        unique=True,
        sqlite_where=sa.text(
            "once_key is not null and state in ('queued', 'sending', 'deferred', 'sent', 'in_doubt')"
        ),
        postgresql_where=sa.text(
            "once_key is not null and state in ('queued', 'sending', 'deferred', 'sent', 'in_doubt')"
        ),
    )
    op.create_table(
        "incident",
        sa.Column("id", Id, nullable=False),
        sa.Column("title", Text, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("planned", sa.Boolean(), nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("published_at", Instant, nullable=True),
        sa.Column("published_by", Text, nullable=True),
        sa.Column("resolved_at", Instant, nullable=True),
        sa.Column("starts_at", Instant, nullable=True),
        sa.Column("ends_at", Instant, nullable=True),
        sa.Column("lead", Text, nullable=True),
        sa.Column("services", Json, nullable=False),
        sa.Column("postal", Json, nullable=False),
        sa.Column("lists", Json, nullable=False),
        sa.Column("exclusions", Json, nullable=False),
        sa.Column("last_update", sa.Integer(), server_default="0", nullable=False),
        sa.Column("alarmed_update", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
    )
    op.create_index(
        "ix_incident_holds",
        "incident",
        ["id"],
        unique=False,
        sqlite_where=sa.text(
            "state in ('identified', 'in_progress', 'investigating', 'monitoring', 'reopened')"
        ),
        postgresql_where=sa.text(
            "state in ('identified', 'in_progress', 'investigating', 'monitoring', 'reopened')"
        ),
    )
    op.create_table(
        "lease",
        sa.Column("name", Text, nullable=False),
        sa.Column("owner", Text, nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "named_list",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("loaded_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_named_list")),
        sa.UniqueConstraint("name", name=op.f("uq_named_list_name")),
    )
    op.create_table(
        "pace",
        sa.Column("key", Text, nullable=False),
        sa.Column("empty_at", sa.Float(), nullable=False),
        sa.Column("share", sa.Float(), server_default="1", nullable=False),
        sa.Column("slowed_at", sa.Float(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_pace")),
    )
    op.create_table(
        "pace_slot",
        sa.Column("key", Text, nullable=False),
        sa.Column("sender_id", Id, nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", "sender_id", name=op.f("pk_pace_slot")),
    )
    op.create_table(
        "relay_answer",
        sa.Column("relay", Text, nullable=False),
        sa.Column("answer", Text, nullable=False),
        sa.Column("count", Id, nullable=False),
        sa.PrimaryKeyConstraint("relay", "answer", name=op.f("pk_relay_answer")),
    )
    op.create_table(
        "score_round",
        sa.Column("id", Id, nullable=False),
        sa.Column("scored_at", Instant, nullable=False),
        sa.Column("last_event", sa.BigInteger(), nullable=False),
        sa.Column("customers", sa.Integer(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_score_round")),
    )
    op.create_table(
        "sender",
        sa.Column("id", Id, nullable=False),
        sa.Column("host", Text, nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("journal", Text, server_default="", nullable=False),
        sa.Column("lease_until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sender")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_sender_lease_until"), "sender", ["lease_until"], unique=False)
    op.create_table(
        "suppression",
        sa.Column("email_key", Text, nullable=False),
        sa.Column("scope", Text, nullable=False),
        sa.Column("reason", Text, nullable=False),
        sa.Column("source", Text, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("email_key", "scope", name=op.f("pk_suppression")),
    )
    op.create_table(
        "switch",
        sa.Column("name", Text, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("note", Text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_switch")),
    )
    op.create_table(
        "warm_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_warm_day")),
    )
    op.create_table(
        "consent_entry",
        sa.Column("id", Id, nullable=False),
        sa.Column("customer_id", Id, nullable=True),
        sa.Column("email_key", Text, nullable=False),
        sa.Column("purpose", Text, nullable=False),
        sa.Column("action", Text, nullable=False),
        sa.Column("source", Text, nullable=False),
        sa.Column("via", Text, server_default="person", nullable=False),
        sa.Column("text_version", Text, nullable=True),
        sa.Column("at", Instant, nullable=False),
        sa.Column("stored_at", Instant, nullable=False),
        sa.Column("proof", Json, nullable=True),
        sa.Column("registry_status", Text, nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_consent_entry_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_entry")),
    )
    op.create_index(op.f("ix_consent_entry_customer_id"), "consent_entry", ["customer_id"], unique=False)
    op.create_table(
        "coupon_reminder",
        sa.Column("delivery_id", Id, nullable=False),
        sa.Column("coupon_id", Id, nullable=False),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupon.id"], name=op.f("fk_coupon_reminder_coupon_id")),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.id"], name=op.f("fk_coupon_reminder_delivery_id")
        ),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_coupon_reminder")),
    )
    op.create_table(
        "customer_date",
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("attr", Text, nullable=False),
        sa.Column("month", sa.SmallInteger(), nullable=False),
        sa.Column("day", sa.SmallInteger(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=True),
        sa.Column("set_at", Instant, nullable=False),
        sa.Column("placeholder", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_customer_date_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "attr", name=op.f("pk_customer_date")),
    )
    op.create_index(
        op.f("ix_customer_date_attr_month_day"), "customer_date", ["attr", "month", "day"], unique=False
    )
    op.create_table(
        "customer_event",
        sa.Column("id", Id, nullable=False),
        sa.Column("ext_id", Text, nullable=False),
        sa.Column("customer_id", Id, nullable=True),
        sa.Column("name", Text, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("stored_at", Instant, nullable=False),
        sa.Column("properties", Json, nullable=False),
        sa.Column("order_ref", Text, nullable=True),
        sa.Column("net_e4", sa.BigInteger(), nullable=True),
        sa.Column("currency", Text, nullable=True),
        sa.Column("ahead", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_customer_event_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_event")),
        sa.UniqueConstraint("ext_id", name=op.f("uq_customer_event_ext_id")),
    )
    op.create_index(
        "ix_customer_event_ahead",
        "customer_event",
        ["at"],
        unique=False,
        sqlite_where=sa.text("ahead"),
        postgresql_where=sa.text("ahead"),
    )
    op.create_index(
        op.f("ix_customer_event_customer_id_name_at"),
        "customer_event",
        ["customer_id", "name", "at"],
        unique=False,
    )
    op.create_index(op.f("ix_customer_event_name_at"), "customer_event", ["name", "at"], unique=False)
    op.create_table(
        "customer_score",
        sa.Column("round_id", Id, nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("r", sa.SmallInteger(), nullable=False),
        sa.Column("f", sa.SmallInteger(), nullable=False),
        sa.Column("m", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_customer_score_customer_id")),
        sa.ForeignKeyConstraint(
            ["round_id"], ["score_round.id"], name=op.f("fk_customer_score_round_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("round_id", "customer_id", name=op.f("pk_customer_score")),
    )
    op.create_table(
        "delivery_event",
        sa.Column("id", Id, nullable=False),
        sa.Column("delivery_id", Id, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("detail", Json, nullable=True),
        sa.Column("ext_id", Text, nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_delivery_event_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_event")),
    )
    op.create_index(op.f("ix_delivery_event_delivery_id"), "delivery_event", ["delivery_id"], unique=False)
    op.create_index(
        "uq_delivery_event_ext_id",
        "delivery_event",
        ["ext_id"],
        unique=True,
        sqlite_where=sa.text("ext_id is not null"),
        postgresql_where=sa.text("ext_id is not null"),
    )
    op.create_table(
        "incident_recipient",
        sa.Column("incident_id", Id, nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("points", Json, nullable=False),
        sa.Column("first_message_id", Text, nullable=True),
        sa.Column("joined_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_incident_recipient_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.id"], name=op.f("fk_incident_recipient_incident_id")
        ),
        sa.PrimaryKeyConstraint("incident_id", "customer_id", name=op.f("pk_incident_recipient")),
    )
    op.create_table(
        "incident_update",
        sa.Column("incident_id", Id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("title", Text, nullable=False),
        sa.Column("message", Text, server_default="", nullable=False),
        sa.Column("titles", Json, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("messages", Json, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("eta", Instant, nullable=True),
        sa.Column("next_update", Instant, nullable=True),
        sa.Column("area", Json, nullable=False),
        sa.Column("starts_at", Instant, nullable=True),
        sa.Column("ends_at", Instant, nullable=True),
        sa.Column("lead", Text, nullable=True),
        sa.Column("urgent", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("by", Text, nullable=False),
        sa.Column("request_key", Text, nullable=True),
        sa.Column("request_said", Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.id"], name=op.f("fk_incident_update_incident_id")
        ),
        sa.PrimaryKeyConstraint("incident_id", "number", name=op.f("pk_incident_update")),
        sa.UniqueConstraint("request_key", name=op.f("uq_incident_update_request_key")),
    )
    op.create_table(
        "list_member",
        sa.Column("list_id", Id, nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_list_member_customer_id")),
        sa.ForeignKeyConstraint(["list_id"], ["named_list.id"], name=op.f("fk_list_member_list_id")),
        sa.PrimaryKeyConstraint("list_id", "customer_id", name=op.f("pk_list_member")),
    )
    op.create_index(op.f("ix_list_member_customer_id"), "list_member", ["customer_id"], unique=False)
    op.create_table(
        "run",
        sa.Column("id", Id, nullable=False),
        sa.Column("campaign", Text, nullable=False),
        sa.Column("occurrence", Text, nullable=False),
        sa.Column("version_id", Id, nullable=True),
        sa.Column("state", Text, nullable=False),
        sa.Column("reason", Text, nullable=True),
        sa.Column("purpose", Text, nullable=False),
        sa.Column("topic", Text, nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("due_at", Instant, nullable=False),
        sa.Column("closes_at", Instant, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("finished_at", Instant, nullable=True),
        sa.Column("content", Json, nullable=True),
        sa.Column("by_hand", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("seen", Json, nullable=True),
        sa.Column("incident_id", Id, nullable=True),
        sa.Column("incident_update", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_run_incident_id")),
        sa.ForeignKeyConstraint(["version_id"], ["campaign_version.id"], name=op.f("fk_run_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint("campaign", "occurrence", name=op.f("uq_run_campaign_occurrence")),
    )
    op.create_index(op.f("ix_run_state"), "run", ["state"], unique=False)
    op.create_table(
        "segment_member",
        sa.Column("campaign", Text, nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("entered_at", Instant, nullable=False),
        sa.Column("owed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_segment_member_customer_id")),
        sa.PrimaryKeyConstraint("campaign", "customer_id", name=op.f("pk_segment_member")),
    )
    op.create_index(
        "ix_segment_member_owed",
        "segment_member",
        ["campaign", "entered_at", "customer_id"],
        unique=False,
        sqlite_where=sa.text("owed"),
        postgresql_where=sa.text("owed"),
    )
    op.create_table(
        "service_point",
        sa.Column("id", Id, nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("ext_id", Text, nullable=False),
        sa.Column("service", Text, nullable=False),
        sa.Column("postal_code", Text, server_default="", nullable=False),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("label", Text, server_default="", nullable=False),
        sa.Column("stored_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_service_point_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_point")),
        sa.UniqueConstraint("customer_id", "ext_id", name=op.f("uq_service_point_customer_id_ext_id")),
    )
    op.create_index(op.f("ix_service_point_postal_code"), "service_point", ["postal_code"], unique=False)
    op.create_table(
        "returned",
        sa.Column("id", Id, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("source", Text, nullable=False),
        sa.Column("ext_id", Text, nullable=True),
        sa.Column("delivery_id", Id, nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("run_id", Id, nullable=True),
        sa.Column("email_key", Text, nullable=False),
        sa.Column("fault", Text, nullable=True),
        sa.Column("status", Text, server_default="", nullable=False),
        sa.Column("diagnostic", Text, server_default="", nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("spent", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_returned_delivery_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_returned_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_returned")),
        sa.UniqueConstraint(
            "delivery_id", "attempt", "kind", name=op.f("uq_returned_delivery_id_attempt_kind")
        ),
        sa.UniqueConstraint("ext_id", name=op.f("uq_returned_ext_id")),
    )
    op.create_index(op.f("ix_returned_email_key"), "returned", ["email_key"], unique=False)
    op.create_index(op.f("ix_returned_run_id"), "returned", ["run_id"], unique=False)
