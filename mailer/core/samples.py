"""Customers and occasions that try a template: the ordinary ones, and those that break careless ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mailer.core.campaign import Campaign
from mailer.core.coupon import ReminderCoupon, sample_code
from mailer.core.customer import Customer
from mailer.core.handoff import CouponView, SendJob
from mailer.core.incident import CLOSED, IncidentState
from mailer.core.scene import Sender, scene
from mailer.core.standing import Kind
from mailer.core.trigger import EventTrigger, IncidentTrigger

SOME_DAY = datetime(2027, 3, 1, 9, tzinfo=UTC)

CUSTOMERS = (
    Customer(id="1", email="ayse@kardelen.example", first_name="Ayşe", last_name="Yılmaz", locale="tr",
             postal_code="34710", attributes={"birthday": "1990-05-10"}),
    Customer(id="2", email="nobody@kardelen.example"),
    Customer(id="3", email="x@kardelen.example", first_name="<script>alert(1)</script>",
             last_name="{{7*7}}\"' onmouseover=x", locale="en"),
    Customer(id="4", email="long@kardelen.example", first_name="Ä" * 200, last_name="ß" * 200, locale="de-CH"),
)  # fmt: skip

_WHO = {
    "1": "a customer",
    "2": "a customer without a name",
    "3": "a name full of markup",
    "4": "a very long name",
}
_PLANNED = ("scheduled", "reminded", "in_progress", "completed", "rescheduled")


_POSTS = (
    ("Yeni sezon geldi", "https://kardelen.example/yeni", "Bahar koleksiyonundan ilk parçalar raflarda."),
    ("Çay & kahve: <demleme> rehberi", "https://kardelen.example/rehber", "Kaç derece, kaç dakika?"),
)


def sample_coupon(
    campaign: Campaign, day: datetime = SOME_DAY, of: Campaign | None = None
) -> CouponView | None:
    """What a preview shows in place of a code; none is used up. `of` is the campaign a reminder reminds of."""
    spec = campaign.coupon
    if spec is None:
        return None
    if isinstance(spec, ReminderCoupon):
        given = sample_coupon(of, day) if of is not None and of.name == spec.of else None
        given = given or CouponView(sample_code(""), 20, None, None, None)
        return replace(given, valid_until=day.date() + timedelta(days=3))
    prefix = getattr(spec, "prefix", "") or getattr(spec, "code", "")
    currency = (spec.currency or "TRY") if spec.amount is not None else None
    valid_until = (day + spec.valid.elapsed()).date() if spec.valid else None
    return CouponView(sample_code(prefix), spec.percent, spec.amount_e4, currency, valid_until)


def reminded(campaign: Campaign, campaigns: Mapping[str, Campaign]) -> Campaign | None:
    """The campaign whose coupon this one reminds of."""
    return campaigns.get(campaign.coupon.of) if isinstance(campaign.coupon, ReminderCoupon) else None


def sample_job(
    campaign: Campaign,
    customer: Customer,
    *,
    state: str = "",
    kind: str = "",
    day: datetime = SOME_DAY,
    of: Campaign | None = None,
) -> SendJob:
    """A delivery that nobody planned."""
    context: dict[str, Any] = {}
    content: dict[str, Any] = {}
    if isinstance(campaign.trigger, EventTrigger):
        context = {"event": campaign.trigger.event, "properties": _properties(campaign.trigger.event)}
    if campaign.content is not None:
        content["posts"] = [
            {"title": title, "url": url, "summary": summary, "at": day.isoformat()}
            for title, url, summary in _POSTS
        ]
    if isinstance(campaign.trigger, IncidentTrigger):
        content["incident"] = _incident(state or "investigating")
        context["points"] = [{"id": "p1", "service": "fibre", "postal_code": "34710", "label": "Ev"}]
    return SendJob(
        delivery_id=0, run_id=0, version_id=0, campaign=campaign.name, purpose=campaign.purpose,
        occurrence=_occurrence(campaign, day), kind=kind or ("first" if content.get("incident") else ""),
        email=customer.email, due_at=SOME_DAY, attempts=0, message_id=None, customer=customer, customer_key=0,
        planned_at=SOME_DAY, context=context, content=content, coupon=sample_coupon(campaign, day, of),
    )  # fmt: skip


def vetting_scenes(
    campaign: Campaign,
    sender: Sender,
    locales: Iterable[str] = (),
    customers: Iterable[Customer] = (),
    of: Campaign | None = None,
) -> list[tuple[str, str, dict[str, Any]]]:
    """(who, locale, scene) of everybody a template is tried on.

    Sample customers in every locale it is written in, real customers, and everything an incident can have to say: each
    state to those who hear of it first and to those who knew, its end, and that one is not affected any more.
    """
    names = {"survey": "s", "confirm": "k"}
    if campaign.purpose == "commercial":
        names |= {"unsubscribe": "u", "preferences": "p"}
    links = {name: f"https://kardelen.example/{path}/x" for name, path in names.items()}
    tried = [(_WHO[each.id], each, sample_job(campaign, each, of=of)) for each in CUSTOMERS]
    for locale in locales:
        tried += [
            (f"{who}, {locale}", replace(each, locale=locale), job)
            for who, each, job in tried[: len(CUSTOMERS)]
        ]
    tried += [(f"customer {each.id}", each, sample_job(campaign, each, of=of)) for each in customers]
    if isinstance(campaign.trigger, IncidentTrigger):
        for what, state, kind in _notices():
            job = sample_job(campaign, CUSTOMERS[0], state=state, kind=kind)
            tried += [
                (f"{what}, {locale or 'no locale'}", replace(CUSTOMERS[0], locale=locale), job)
                for locale in {"", *locales}
            ]
    return [
        (who, each.locale, scene(replace(job, customer=each), campaign.description, sender, links))
        for who, each, job in tried
    ]


def _notices() -> Iterator[tuple[str, str, str]]:
    """(what, state, kind) of each. Plain text: templates take no other."""
    for state in IncidentState:
        word = state.value
        if state in CLOSED:  # nobody hears of an incident first when it is over
            yield word, word, Kind.CLOSURE.value
        else:
            yield word, word, Kind.UPDATE.value
            yield f"first notice, {word}", word, Kind.FIRST.value
    yield "not affected any more", IncidentState.IDENTIFIED.value, Kind.UNAFFECTED.value


def _occurrence(campaign: Campaign, day: datetime) -> str:
    """In the form the trigger gives it: whoever takes an event's id for a date has to hear of it beforehand."""
    if isinstance(campaign.trigger, EventTrigger):
        return "event-1001"
    return "1:1" if isinstance(campaign.trigger, IncidentTrigger) else day.date().isoformat()


def _properties(event: str) -> dict[str, Any]:
    if event.startswith("order."):
        return {"order": "A-1001", "net": "1249.90", "currency": "TRY"}
    return {"score": 10} if event == "survey.answered" else {}


def _incident(state: str) -> dict[str, Any]:
    later = (SOME_DAY + timedelta(hours=2)).isoformat()
    planned = state in _PLANNED
    return {
        "id": 1, "title": "Fiber kesintisi", "state": state, "update": 1, "message": "Kablo hasarı.",
        "titles": {"en": "Fibre outage"}, "messages": {"en": "A cable was damaged."},
        "started_at": SOME_DAY.isoformat(), "eta": later, "next_update": None, "reference": "INC-1",
        "planned": planned, "starts_at": SOME_DAY.isoformat() if planned else None,
        "ends_at": later if planned else None, "services": ["fibre"],
        "resolved_at": later if state in CLOSED else None,
    }  # fmt: skip
