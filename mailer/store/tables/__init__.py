"""The tables. One definition for SQLite and PostgreSQL; what differs between them is in `dialect.py`.

Instants are stored in UTC; every one is written by the program, from its clock, never by the database,
except leases, which run on the database's own clock so that machines need not agree about time.
"""

from mailer.store.tables.access import api_token
from mailer.store.tables.columns import Id, Instant, Json, Numbers, Text, metadata
from mailer.store.tables.coupons import coupon, coupon_reminder
from mailer.store.tables.incidents import HOLDS_MARKETING, incident, incident_recipient, incident_update
from mailer.store.tables.mail import (
    UNSENT,
    WAITING,
    campaign_state,
    campaign_version,
    cap_slot,
    claim,
    delivery,
    delivery_event,
    run,
    segment_member,
)
from mailer.store.tables.people import (
    WORD_AHEAD,
    consent_entry,
    customer,
    customer_date,
    customer_event,
    customer_score,
    list_member,
    named_list,
    score_round,
    service_point,
    suppression,
)
from mailer.store.tables.processes import lease, pace, pace_slot, relay_answer, sender, switch, warm_day
from mailer.store.tables.returned import returned

__all__ = [
    "HOLDS_MARKETING",
    "UNSENT",
    "WAITING",
    "WORD_AHEAD",
    "Id",
    "Instant",
    "Json",
    "Numbers",
    "Text",
    "api_token",
    "campaign_state",
    "campaign_version",
    "cap_slot",
    "claim",
    "consent_entry",
    "coupon",
    "coupon_reminder",
    "customer",
    "customer_date",
    "customer_event",
    "customer_score",
    "delivery",
    "delivery_event",
    "incident",
    "incident_recipient",
    "incident_update",
    "lease",
    "list_member",
    "metadata",
    "named_list",
    "pace",
    "pace_slot",
    "relay_answer",
    "returned",
    "run",
    "score_round",
    "segment_member",
    "sender",
    "service_point",
    "suppression",
    "switch",
    "warm_day",
]
