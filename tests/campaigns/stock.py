"""Deliveries of the stock campaigns for tests: real ones, and the worst a customer file can bring."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from mailer.core.customer import Customer
from mailer.core.handoff import CouponView, SendJob
from mailer.core.scene import Sender, scene

SIX = ("welcome", "offer", "referral", "newsletter", "birthday", "outage")
REWARDS = ("anniversary", "spend-reward")  # written, and switched off until somebody wants them
ALL = (*SIX, *REWARDS)
COMMERCIAL = tuple(name for name in ALL if name != "outage")
LINKS = {"unsubscribe": "https://mail.example/u/one.two", "preferences": "https://mail.example/p/one.two"}
SHOP = Sender(
    name="Kardelen",
    from_="Kardelen <merhaba@kardelen.example>",
    postal_address="Lale Sokak 12, 34710 Kadıköy/İstanbul",
    currency="TRY",
    country="TR",
    locale="tr",
    website="https://kardelen.example",
)
PERCENTS = {"welcome": 10, "offer": 15, "birthday": 20, "anniversary": 15, "spend-reward": None}
POSTS = [
    {
        "title": "Kış sofrasına üç çorba",
        "url": "https://kardelen.example/yazilar/corba",
        "summary": "Üçü de kolay.",
        "at": "2026-11-22T07:00:00+00:00",
    },
    {
        "title": "Keten nasıl yıkanır?",
        "url": "https://kardelen.example/yazilar/keten",
        "at": "2026-11-20T07:00:00+00:00",
    },
]
POINTS = [
    {"id": "ev", "service": "fibre", "postal_code": "34710", "label": "Ev"},
    {"id": "is", "service": "fibre", "postal_code": "34722", "label": ""},
]

CUSTOMERS = {
    "named": Customer("K1", "ayse@posta.example", "Ayşe", "Yılmaz", locale="tr"),
    "nameless": Customer("K2", "gul@posta.example"),
    "long": Customer("K3", "uzun@posta.example", "Abdurrahmangazi" * 13, "Ğ" * 200),
    "hostile": Customer(
        "K4", "x@posta.example", "<script>alert(1)</script>", '"><img src=x onerror=y>{{7*7}}'
    ),
}


def an_incident(**facts: Any) -> dict[str, Any]:
    """An outage as a run's content has it."""
    return {
        "id": 7,
        "reference": "INC-7",
        "title": "Kadıköy fiber hat arızası",
        "state": "investigating",
        "update": 1,
        "message": "",
        "started_at": "2026-11-21T14:05:00Z",
        "eta": None,
        "next_update": None,
        "planned": False,
        "starts_at": None,
        "ends_at": None,
        "services": ["fibre"],
        "resolved_at": None,
    } | facts


def a_job(campaign: str, customer: Customer, *, kind: str = "", **changed: Any) -> SendJob:
    """A delivery of `campaign` as a sender claims it."""
    percent, coded = PERCENTS.get(campaign), campaign in PERCENTS
    content: Mapping[str, Any] = {}
    context: Mapping[str, Any] = {}
    if campaign == "newsletter":
        content = {"posts": POSTS}
    elif campaign == "outage":
        content, context = {"incident": an_incident()}, {"points": POINTS}
    elif campaign == "referral":
        context = {"event": "order.delivered", "properties": {"order": "K-20401"}}
    facts: dict[str, Any] = {
        "delivery_id": 1,
        "run_id": 1,
        "version_id": 1,
        "campaign": campaign,
        "occurrence": "2026-11-24",
        "purpose": "commercial" if campaign in COMMERCIAL else "service",
        "kind": kind,
        "email": customer.email,
        "due_at": datetime(2026, 11, 24, 7, tzinfo=UTC),
        "attempts": 0,
        "message_id": None,
        "customer": customer,
        "customer_key": 1,
        "planned_at": datetime(2026, 11, 24, 7, tzinfo=UTC),
        "content": content,
        "context": context,
        "coupon": CouponView("XX-7KXQ9MBTRW", percent, valid_until=date(2026, 12, 8)) if coded else None,
    } | changed
    return SendJob(**facts)


def a_scene(campaign: str, customer: Customer, *, kind: str = "", **changed: Any) -> dict[str, Any]:
    """What the template of `campaign` sees, made as a sender makes it."""
    job = a_job(campaign, customer, kind=kind, **changed)
    return scene(job, "", SHOP, LINKS if campaign in COMMERCIAL else {})
