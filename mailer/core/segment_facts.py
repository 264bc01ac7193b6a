"""What a rule is looked at with: the moment, and everything known of one customer that a rule may ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from mailer.core.calendar import LeapDay, local_date, subtract_duration, zone_named
from mailer.core.customer import Customer
from mailer.core.duration import Duration
from mailer.core.event import EventKind
from mailer.core.incident import CLOSED
from mailer.core.rfm import WINDOW, Purchases, Scores
from mailer.core.segment import Rule

PLACED, REFUNDED = "order.placed", "order.refunded"

#: The customer's own fields, which come before an attribute of the same name.
OWN_TEXT = ("id", "email", "first_name", "last_name", "locale", "timezone", "country", "postal_code")

SPREAD = 2_654_435_761  # Knuth's multiplicative hash: neighbouring numbers fall far apart
LOW, SPACE = 2**31, 2**32  # small enough for the product to fit 64 signed bits in a database
EVERYONE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalContext:
    """The moment a rule is looked at. Windows of days are calendar days of `tenant_zone`."""

    now: datetime
    tenant_zone: ZoneInfo
    segments: Mapping[str, Rule] = field(default_factory=dict)
    leap_day: LeapDay = "feb28"
    currency: str = ""  # the tenant's, for orders and rules that name none; empty: all are added up
    event_at: datetime | None = None  # of the event that sets a mail off; none: nothing does

    def up_to(self, until: str | None) -> datetime:
        """The end of a rule's window: now, or the event where the rule reaches only up to it."""
        return self.now if until is None or self.event_at is None else min(self.now, self.event_at)

    def back(self, duration: Duration) -> datetime:
        """The instant `duration` before now."""
        return subtract_duration(self.now, duration, self.tenant_zone)


@dataclass(frozen=True, slots=True)
class DateFact:
    """A date of the customer: its day, and when this value was stored."""

    month: int
    day: int
    set_at: datetime
    placeholder: bool = False


@dataclass(frozen=True, slots=True)
class EventFact:
    """Something the customer did. Money is in ten-thousandths of the currency's unit."""

    name: str
    at: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)
    order_ref: str | None = None
    net_e4: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class PointFact:
    """Where the customer uses a service."""

    service: str
    postal_code: str = ""


@dataclass(frozen=True, slots=True)
class IncidentFact:
    """An incident the customer is a recipient of."""

    state: str  # core.incident.IncidentState
    standing: str  # the recipient's: affected, left, unreachable
    published: bool = True

    @property
    def open(self) -> bool:
        """Whether it affects the customer now."""
        return self.published and self.standing != "left" and self.state not in CLOSED


@dataclass(frozen=True, slots=True)
class CouponFact:
    """A code that was made or taken for the customer."""

    campaign: str
    state: str  # core.coupon.CouponState
    valid_until: date | None = None  # the last local day it is good for


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """One customer as a rule sees them. `key` is our own number of them."""

    key: int
    customer: Customer
    zone: str | None = None  # IANA; none: the tenant's
    consent: str = "unknown"
    suppressed: frozenset[str] = frozenset()  # scopes that stand for the address
    dates: Mapping[str, DateFact] = field(default_factory=dict)
    events: tuple[EventFact, ...] = ()
    points: tuple[PointFact, ...] = ()
    lists: frozenset[str] = frozenset()
    sent: tuple[tuple[str, datetime], ...] = ()  # campaign, and when the relay accepted it
    coupons: tuple[CouponFact, ...] = ()
    incidents: tuple[IncidentFact, ...] = ()
    scores: Scores | None = None  # of the last round; none: nothing ordered in the window
    reactions: tuple[tuple[EventKind, datetime], ...] = ()  # what a person did with a mail: opened, clicked

    def clock(self, context: EvalContext) -> ZoneInfo:
        """The customer's time zone, or the tenant's where it is not known."""
        try:
            return zone_named(self.zone) if self.zone else context.tenant_zone
        except ValueError:
            return context.tenant_zone

    def value(self, name: str, context: EvalContext) -> Any:
        """The customer's own field or attribute `name`; `created_at` as the day it was for the tenant."""
        if name == "created_at":
            created = self.customer.created_at
            return None if created is None else local_date(created, context.tenant_zone).isoformat()
        if name == "services":
            return list(self.customer.services)
        if name in OWN_TEXT:
            return getattr(self.customer, name)
        return self.customer.attributes.get(name)


def in_share(key: int, parts: int) -> bool:
    """Whether the customer numbered `key` belongs to a stable share of `parts` millionths.

    Shares nest: whoever is in 10% is in 20%. `store/segment_leaves.py` says the same in SQL.
    """
    return (key % LOW) * SPREAD % SPACE * EVERYONE < parts * SPACE


@dataclass(frozen=True, slots=True)
class OrderTotals:
    """How many orders, and what they came to after refunds, in ten-thousandths."""

    count: int = 0
    net_e4: int = 0


def order_totals(
    facts: CustomerFacts, context: EvalContext, *, since: datetime | None, until: datetime, currency: str
) -> OrderTotals:
    """Orders first placed in (since, until], less every refund up to now.

    Events of one order reference are one order, worth its largest `net`. A refund without a `net` is of the
    whole order; an order refunded in full is no order. `currency` empty: all of them.
    """
    count = net = 0
    for placed, refunds in _orders(facts, context, currency):
        first, left = _first(placed), _left(placed, refunds)
        if left is not None and first <= until and (since is None or first > since):
            count, net = count + 1, net + left
    return OrderTotals(count, net)


def purchases(facts: CustomerFacts, context: EvalContext) -> Purchases | None:
    """What the customer's scores are made of: orders first placed within `rfm.WINDOW`, in whatever currency.

    None: there is none, and so there are no scores.
    """
    since, last, count, net = context.back(WINDOW), None, 0, 0
    for placed, refunds in _orders(facts, context, ""):
        first, left = _first(placed), _left(placed, refunds)
        if left is None or not since < first <= context.now:
            continue
        last, count = max(first, last or first), count + 1
        ours = [event for event in placed if _in_currency(event, context.currency, context)]
        net += (_left(ours, refunds) or 0) if ours else 0
    return None if last is None else Purchases(last, count, net)


def _orders(
    facts: CustomerFacts, context: EvalContext, currency: str
) -> Iterator[tuple[Sequence[EventFact], Sequence[EventFact]]]:
    """Each order's events in a currency, and its refunds, up to now."""
    placed: dict[object, list[EventFact]] = {}
    refunds: dict[str, list[EventFact]] = {}
    for place, event in enumerate(facts.events):
        if event.at > context.now:
            continue
        if event.name == PLACED and _in_currency(event, currency, context):
            placed.setdefault(event.order_ref or place, []).append(event)
        elif event.name == REFUNDED and event.order_ref:
            refunds.setdefault(event.order_ref, []).append(event)
    for order in placed.values():
        yield order, refunds.get(order[0].order_ref or "", [])


def _in_currency(event: EventFact, currency: str, context: EvalContext) -> bool:
    return currency in ("", event.currency or context.currency)


def _first(placed: Iterable[EventFact]) -> datetime:
    return min(event.at for event in placed)


def _left(placed: Iterable[EventFact], refunds: Sequence[EventFact]) -> int | None:
    """What is left of an order after its refunds; None where nothing is."""
    left = max(event.net_e4 or 0 for event in placed)
    if any(event.net_e4 is None for event in refunds):
        left = 0
    left -= sum(abs(event.net_e4 or 0) for event in refunds)
    return None if refunds and left <= 0 else left
