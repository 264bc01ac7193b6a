"""Orders that mails may have led to: those that used a code, and those that followed a click."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.attribution import WINDOW, Order, Touch
from mailer.core.cell import CellFault, money_of
from mailer.core.event import By, EventKind
from mailer.core.segment_facts import PLACED, REFUNDED
from mailer.store.dialect import InOrder, later, slices
from mailer.store.engine import Database, streamed
from mailer.store.tables import coupon, customer_event, delivery, delivery_event

_Mark = tuple[int, str]  # customer.id and the shop's reference, or our own number of the event


@dataclass(slots=True)
class Bought:
    """An order, and the mails that may have led to it."""

    order: Order
    codes: list[Touch] = field(default_factory=list)
    clicks: list[Touch] = field(default_factory=list)


class Revenue:
    """Reads orders of customers who used a code or clicked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def bought(self, since: datetime | None = None) -> list[Bought]:
        """Every such order: by a code whenever, by a click placed at `since` or later. Told several times it is one."""
        async with self._database.read() as connection:
            found = await self._clicked(connection, since)
            await _redeemed(connection, found)
            await _refunded(connection, found)
        return list(found.values())

    async def _clicked(self, connection: AsyncConnection, since: datetime | None) -> dict[_Mark, Bought]:
        clicked, at = delivery_event.c.at, customer_event.c.at
        question = (
            select(
                *_ORDER, delivery.c.run_id, func.max(clicked, type_=clicked.type).label("clicked"),
            )
            .select_from(
                InOrder(
                    InOrder(delivery_event, delivery, delivery.c.id == delivery_event.c.delivery_id),
                    customer_event,
                    customer_event.c.customer_id == delivery.c.customer_id,
                )
            )
            .where(
                delivery_event.c.kind == EventKind.CLICKED,
                delivery_event.c.detail["by"].as_string() == By.HUMAN,
                customer_event.c.name == PLACED,
                at >= clicked,
                at <= later(clicked, WINDOW, self._database.dialect),
                *([at >= since] if since is not None else []),
            )
            .group_by(*_ORDER, delivery.c.run_id)
        )  # fmt: skip
        found: dict[_Mark, Bought] = {}
        async with streamed(connection, question) as rows:
            async for row in rows:
                bought = _add(found, row)
                bought.clicks.append(Touch(row.run_id, row.clicked))
        return found


async def _redeemed(connection: AsyncConnection, found: dict[_Mark, Bought]) -> None:
    """Add the orders that used a code. One of which only its redemption tells came to what that says.

    A code says by itself which mail it is of, so nothing follows from when: a shop's clock may be hours behind.
    """
    facts = await _redemptions(connection)
    orders: dict[_Mark, Bought] = {}
    for part in slices(sorted({fact.holder for fact in facts if fact.holder and fact.order})):
        mine = select(*_ORDER).where(customer_event.c.customer_id.in_(part), customer_event.c.name == PLACED)
        for row in await connection.execute(mine):
            _add(orders, row)
    by_reference = {mark[1]: mark for mark in found}
    for number, fact in enumerate(facts):
        mark: _Mark = (fact.holder or 0, fact.order) if fact.order else (0, f"code {number}")
        if mark not in found and fact.order in by_reference:  # another customer used it, and had clicked too
            mark = by_reference[fact.order]
        bought = found.get(mark) or orders.get(mark) or Bought(Order(fact.at, fact.net_e4, fact.currency))
        if bought.order.net_e4 is None:
            bought.order = replace(bought.order, net_e4=fact.net_e4)
        bought.codes.append(Touch(fact.run_id, fact.at))
        found[mark] = bought


async def _refunded(connection: AsyncConnection, found: Mapping[_Mark, Bought]) -> None:
    """Take off what was given back."""
    event = customer_event.c
    for part in slices(sorted({customer for customer, _reference in found if customer})):
        given_back = (
            select(
                event.customer_id, event.order_ref, func.sum(func.abs(event.net_e4)).label("net"),
                (func.count() - func.count(event.net_e4)).label("whole"),
            )
            .where(event.customer_id.in_(part), event.name == REFUNDED, event.order_ref.is_not(None))
            .group_by(event.customer_id, event.order_ref)
        )  # fmt: skip
        for row in await connection.execute(given_back):
            bought = found.get((row.customer_id, row.order_ref))
            if bought is not None:
                bought.order = replace(
                    bought.order, refunded_e4=int(row.net or 0), refunded_whole=row.whole > 0
                )


@dataclass(frozen=True, slots=True)
class _Redemption:
    run_id: int
    holder: int | None
    at: datetime
    order: str | None
    net_e4: int | None
    currency: str | None


async def _redemptions(connection: AsyncConnection) -> list[_Redemption]:
    rows = await connection.execute(
        select(
            delivery.c.run_id, delivery.c.customer_id, delivery_event.c.at, delivery_event.c.detail,
            coupon.c.redeemed_order, coupon.c.redeemed_net_e4,
        )
        .join(delivery, delivery.c.id == delivery_event.c.delivery_id)
        # What a first word of it left open, a later one may have filled in. A shared code's orders are facts each.
        .outerjoin(coupon, and_(coupon.c.delivery_id == delivery.c.id, coupon.c.kind != "static"))
        .where(delivery_event.c.kind == EventKind.REDEEMED)
        .order_by(delivery_event.c.at, delivery_event.c.id)
    )  # fmt: skip
    found = []
    for row in rows:
        said: Mapping[str, Any] = row.detail or {}
        order, net = said.get("order"), _amount(said.get("net"))
        order = row.redeemed_order if order is None else order
        found.append(
            _Redemption(
                row.run_id, row.customer_id, row.at, str(order) if order is not None else None,
                row.redeemed_net_e4 if net is None else net, said.get("currency"),
            )
        )  # fmt: skip
    return found


def _amount(text: Any) -> int | None:
    try:
        return money_of(text)
    except CellFault:
        return None


def _add(found: dict[_Mark, Bought], row: Any) -> Bought:
    """The order of this event; told before, it keeps its first instant and the most it came to."""
    mark = (row.customer_id, row.order_ref if row.order_ref is not None else f"event {row.id}")
    known = found.get(mark)
    if known is None:
        known = found[mark] = Bought(Order(row.at, row.net_e4, row.currency))
    else:
        before = known.order
        known.order = replace(
            before, at=min(before.at, row.at), net_e4=_most(before.net_e4, row.net_e4),
            currency=before.currency or row.currency,
        )  # fmt: skip
    return known


def _most(one: int | None, other: int | None) -> int | None:
    return max((each for each in (one, other) if each is not None), default=None)


_ORDER = (
    customer_event.c.id, customer_event.c.customer_id, customer_event.c.order_ref, customer_event.c.at,
    customer_event.c.net_e4, customer_event.c.currency,
)  # fmt: skip
