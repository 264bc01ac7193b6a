"""The leaves of a rule as conditions on `customer`. Each is true or false, never null; values are bound.

What hangs on a customer is asked for by EXISTS along an index, so that the cost grows with the customers
looked at: all of them for a count, one for an event.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
)

from mailer.core.calendar import aged_before, instant, local_date
from mailer.core.consent import BARRING
from mailer.core.delivery import State
from mailer.core.duration import Duration
from mailer.core.incident import CLOSED
from mailer.core.ranges import Days
from mailer.core.segment_eval import GIVEN, celebrated_within
from mailer.core.segment_facts import EVERYONE, LOW, OWN_TEXT, SPACE, SPREAD
from mailer.core.segment_leaves import (
    AreaRule,
    CouponRule,
    DateRule,
    EventRule,
    IncidentRule,
    SentRule,
    ServicesRule,
)
from mailer.core.segment_value import ValueTest, ValueTests
from mailer.store.affected import pointless, under, uses
from mailer.store.segment_context import SegmentContext, origin
from mailer.store.segment_orders import orders, spend, within
from mailer.store.segment_signs import engaged, scored
from mailer.store.segment_value import json_value, text_value
from mailer.store.tables import (
    coupon,
    customer,
    customer_date,
    customer_event,
    delivery,
    incident,
    incident_recipient,
    list_member,
    named_list,
    service_point,
    suppression,
)


def attributes(tests: ValueTests, context: SegmentContext) -> ColumnElement[bool]:
    """Customers whose own fields and attributes pass every test."""
    return and_(*(_attribute(name, test, context) for name, test in tests.items()))


def _attribute(name: str, test: ValueTest, context: SegmentContext) -> ColumnElement[bool]:
    if name == "created_at":
        return _joined(test, context)
    if name == "services":
        return json_value(customer.c.services, None, context.dialect).passes(test)
    if name in OWN_TEXT:
        column = customer.c["ext_id" if name == "id" else name]
        return text_value(column, context.dialect).passes(test)
    return json_value(customer.c.attributes, name, context.dialect).passes(test)


def _joined(test: ValueTest, context: SegmentContext) -> ColumnElement[bool]:
    """`created_at` against days of the tenant: from the day's first instant to the next day's."""
    column = customer.c.created_at

    def begins(day: Any, later: int = 0) -> datetime:
        start = datetime.combine(date.fromisoformat(day) + timedelta(days=later), time())
        return instant(start, context.tenant_zone)

    def on(days: Iterable[Any]) -> ColumnElement[bool]:
        return or_(false(), *(and_(known, column >= begins(day), column < begins(day, 1)) for day in days))

    known = column.is_not(None)
    meanings: dict[str, Callable[[Any], ColumnElement[bool]]] = {
        "equals": lambda day: on([day]),
        "is_not": lambda day: ~on([day]),
        "one_of": on,
        "gt": lambda day: and_(known, column >= begins(day, 1)),
        "gte": lambda day: and_(known, column >= begins(day)),
        "lt": lambda day: and_(known, column < begins(day)),
        "lte": lambda day: and_(known, column < begins(day, 1)),
        "missing": lambda missing: ~known if missing else known,
    }
    asked = ((meaning, getattr(test, part)) for part, meaning in meanings.items())
    return and_(*(meaning(wanted) for meaning, wanted in asked if wanted is not None))


def celebrates(rule: DateRule, context: SegmentContext) -> ColumnElement[bool]:
    """Customers whose date comes round in the days asked for, on their own calendar or the tenant's."""
    if rule.tz == "tenant":
        return _comes_round(rule, local_date(context.now, context.tenant_zone), context)
    return _by_own_day(lambda day: _comes_round(rule, day, context), context)


def _by_own_day(holds: Callable[[date], ColumnElement[bool]], context: SegmentContext) -> ColumnElement[bool]:
    """What holds on a day, asked of each customer for the day it is where they live."""
    here = local_date(context.now, context.tenant_zone)
    zone = func.coalesce(customer.c.zone, "")
    elsewhere = context.elsewhere()
    there = [and_(zone.in_(names), holds(day)) for day, names in elsewhere.items()]
    others = [name for names in elsewhere.values() for name in names]
    return or_(and_(zone.not_in(others), holds(here)), *there)


def _comes_round(rule: DateRule, today: date, context: SegmentContext) -> ColumnElement[bool]:
    columns = customer_date.c
    days = celebrated_within(today, rule.in_days or Days(0, 0), rule.leap or context.leap_day)
    found = select(columns.customer_id).where(columns.attr == rule.attr, ~columns.placeholder, _on(days))
    if rule.set_before is not None:
        old = aged_before(context.now, rule.set_before, context.tenant_zone)
        found = found.where(columns.set_at < old)
    # The few who celebrate are found by their day's index; going through all customers would take longer.
    return customer.c.id.in_(found)


def _on(days: Collection[tuple[int, int]]) -> ColumnElement[bool]:
    """The days as stretches within each month, which an index can follow."""
    stretches: list[tuple[int, int, int]] = []
    for month, day in sorted(days):
        if stretches and stretches[-1][0] == month and stretches[-1][2] == day - 1:
            stretches[-1] = (month, stretches[-1][1], day)
        else:
            stretches.append((month, day, day))
    columns = customer_date.c
    return or_(
        false(),
        *(and_(columns.month == month, columns.day.between(first, last)) for month, first, last in stretches),
    )


def event(rule: EventRule, context: SegmentContext) -> ColumnElement[bool]:
    """Customers to whom something happened as often as `rule` asks."""
    columns = customer_event.c
    found = _window(
        select(columns.id).where(columns.customer_id == customer.c.id, columns.name == rule.name),
        columns.at, rule.within, context, rule.until,
    )  # fmt: skip
    for name, test in (rule.where or {}).items():
        found = found.where(json_value(columns.properties, name, context.dialect).passes(test))
    found = found.correlate(customer, origin)
    wanted = rule.wanted
    if (wanted.low, wanted.high) == (1, None):
        return exists(found)
    if wanted.high == 0:
        return ~exists(found)
    return within(found.with_only_columns(func.count()).scalar_subquery(), wanted)


def _window(
    found: Select[Any],
    at: ColumnElement[Any],
    length: Duration | None,
    context: SegmentContext,
    until: str | None = None,
) -> Select[Any]:
    """Only what happened in (now - length, now], or no later than what sets the mail off."""
    found = found.where(context.not_after(at, until))
    return found if length is None else found.where(at > context.back(length))


def affected(services: Sequence[str], postal: Sequence[str], dialect: str) -> ColumnElement[bool]:
    """Customers with at least one point, or their own record, that has one of `services` within `postal`.

    No services means any service, no patterns means anywhere.
    """
    point = exists().where(
        service_point.c.customer_id == customer.c.id,
        service_point.c.service.in_(services) if services else true(),
        under(service_point.c.postal_code, postal, dialect) if postal else true(),
    )
    own = and_(
        under(customer.c.postal_code, postal, dialect) if postal else true(),
        uses(services, dialect) if services else true(),
        pointless(),
    )
    return or_(point, own)


def _area(rule: AreaRule, context: SegmentContext) -> ColumnElement[bool]:
    return affected((), rule.postal, context.dialect)


def _services(rule: ServicesRule, context: SegmentContext) -> ColumnElement[bool]:
    return affected((rule.has,), (), context.dialect)


def _consent(_rule: str, _context: SegmentContext) -> ColumnElement[bool]:
    suppressed = exists().where(
        suppression.c.email_key == customer.c.email_key, suppression.c.scope.in_(BARRING)
    )
    return and_(customer.c.consent == "yes", ~suppressed)


def _sent(rule: SentRule, context: SegmentContext) -> ColumnElement[bool]:
    found = select(delivery.c.id).where(
        delivery.c.campaign == rule.campaign,
        delivery.c.customer_id == customer.c.id,
        delivery.c.state == State.SENT,
    )
    return exists(_window(found, delivery.c.sent_at, rule.within, context).correlate(customer))


def _coupon(rule: CouponRule, context: SegmentContext) -> ColumnElement[bool]:
    states = (rule.state,) if rule.state else GIVEN
    days = rule.expires_in
    return exists().where(
        coupon.c.customer_id == customer.c.id,
        coupon.c.campaign == rule.campaign,
        coupon.c.state.in_(states),
        true() if days is None else _by_own_day(lambda today: _ends(days, today), context),
    )


def _ends(days: Days, today: date) -> ColumnElement[bool]:
    low, high = (today + timedelta(days=end or 0) for end in (days.low, days.high))
    return coupon.c.valid_until.between(low, high)


def _incident(rule: IncidentRule, _context: SegmentContext) -> ColumnElement[bool]:
    found = exists().where(
        incident_recipient.c.customer_id == customer.c.id,
        incident_recipient.c.state != "left",
        incident.c.id == incident_recipient.c.incident_id,
        incident.c.state.not_in(sorted(CLOSED)),
        incident.c.published_at.is_not(None),
    )
    return found if rule.open else ~found


def _list(rule: str, _context: SegmentContext) -> ColumnElement[bool]:
    return exists().where(
        list_member.c.customer_id == customer.c.id,
        list_member.c.list_id == named_list.c.id,
        named_list.c.name == rule,
    )


def _random(rule: int, _context: SegmentContext) -> ColumnElement[bool]:
    spread = literal(SPREAD, BigInteger)
    return (customer.c.id % LOW) * spread % SPACE * EVERYONE < literal(rule * SPACE, BigInteger)


LEAVES: dict[str, Callable[[Any, SegmentContext], ColumnElement[bool]]] = {
    "attr": attributes, "date": celebrates, "event": event, "orders": orders, "spend": spend, "rfm": scored,
    "engaged": engaged, "area": _area, "services": _services, "consent": _consent, "sent": _sent, "coupon": _coupon,
    "incident": _incident, "list": _list, "random": _random,
}  # fmt: skip
