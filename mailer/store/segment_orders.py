"""What a customer ordered, in SQL: `core.segment_facts.order_totals` for every row of `customer` at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    cast,
    exists,
    func,
    or_,
    select,
    true,
)

from mailer.core.ranges import Range
from mailer.core.segment_facts import PLACED, REFUNDED
from mailer.core.segment_leaves import OrdersRule, SpendRule
from mailer.store.segment_context import SegmentContext, origin
from mailer.store.tables import customer, customer_event


def orders(rule: OrdersRule, context: SegmentContext) -> ColumnElement[bool]:
    """Customers whose orders in the window are as many, and came to as much, as `rule` asks."""
    since = None if rule.within is None else context.back(rule.within)
    left = _left(
        context, since, lambda at: context.not_after(at, rule.until), rule.counted_in(context.currency)
    )
    tests = [within(func.count(), rule.count)] if rule.count else []
    if rule.net:
        tests.append(within(func.coalesce(func.sum(left.c.net), 0), rule.net))
    if not tests:
        return exists().where(left.c.net.is_not(None))
    return _totals(left, and_(*tests))


def spend(rule: SpendRule, context: SegmentContext) -> ColumnElement[bool]:
    """Customers whose settled orders came to what `rule` asks."""
    until = context.now if rule.settled is None else context.back(rule.settled)
    left = _left(context, None, lambda at: at <= until, rule.currency or context.currency)
    return _totals(left, within(func.coalesce(func.sum(left.c.net), 0), rule.net))


def within(number: ColumnElement[Any], wanted: Range) -> ColumnElement[bool]:
    """Whether a number, never null, lies in a range."""
    tests: list[ColumnElement[bool]] = []
    if wanted.low is not None:
        tests.append(number >= cast(wanted.low, BigInteger))
    if wanted.high is not None:
        tests.append(number <= cast(wanted.high, BigInteger))
    return and_(true(), *tests)


def _totals(left: Subquery, test: ColumnElement[bool]) -> ColumnElement[bool]:
    # Without GROUP BY the sums stand in one row, also for a customer who never ordered.
    return select(test).select_from(left).scalar_subquery()


def _left(
    context: SegmentContext,
    since: datetime | None,
    ended: Callable[[ColumnElement[datetime]], ColumnElement[bool]],
    currency: str,
) -> Subquery:
    """One customer's orders first placed after `since` and not after the window `ended`, the refunded left out.

    `net` is what is left of each after its refunds.
    """
    event = customer_event.alias("placed")
    mine = [event.c.customer_id == customer.c.id, event.c.name == PLACED, event.c.at <= context.now]
    if currency:
        named = event.c.currency == currency
        same = or_(named, event.c.currency.is_(None)) if currency == context.currency else named
        mine.append(same)
    first = func.min(event.c.at, type_=event.c.at.type)
    window = [ended(first)]
    if since is not None:
        window.append(first > since)
    order = (
        select(event.c.order_ref, func.max(func.coalesce(event.c.net_e4, 0)).label("net"))
        .where(*mine)
        # Without a reference every event is an order of its own.
        .group_by(event.c.order_ref, case((event.c.order_ref.is_(None), event.c.id), else_=0))
        .having(and_(*window))
        .correlate(customer, origin)
        .subquery("ordered")
    )
    refund = _refunds(context).correlate(customer).subquery("given_back")
    net = case((refund.c.whole > 0, 0), else_=order.c.net) - func.coalesce(refund.c.net, 0)
    kept = or_(refund.c.order_ref.is_(None), net > 0)
    return (
        select(net.label("net"))
        .select_from(order.outerjoin(refund, refund.c.order_ref == order.c.order_ref))
        .where(kept)
        .subquery("kept")
    )


def _refunds(context: SegmentContext) -> Select[Any]:
    event = customer_event.alias("refunded")
    return (
        select(
            event.c.order_ref,
            func.sum(func.abs(event.c.net_e4)).label("net"),
            (func.count() - func.count(event.c.net_e4)).label("whole"),  # those that name no amount
        )
        .where(
            event.c.customer_id == customer.c.id, event.c.name == REFUNDED, event.c.at <= context.now,
            event.c.order_ref.is_not(None),
        )
        .group_by(event.c.order_ref)
    )  # fmt: skip
