"""Scoring all customers at once: `core.segment_facts.purchases` and `core.rfm.score` as one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Text,
    and_,
    case,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    true,
    update,
)

from mailer.core.rfm import HIGHEST, LOWEST, OUTGROWN, WINDOW, Round
from mailer.core.segment_facts import PLACED, REFUNDED, EvalContext
from mailer.store.customers import still_here
from mailer.store.engine import Database, streamed
from mailer.store.segment_signs import last_round
from mailer.store.tables import Id, customer_event, customer_score, score_round

CHUNK = 5_000  # customers written at a time: some tens of milliseconds of the one writer's time


class Scores:
    """Rounds of scores. A round is seen when it is whole, and then takes the place of the one before."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def last(self) -> Round | None:
        """The newest whole round, and how many orders and refunds have been stored since."""
        async with self._db.read() as conn:
            found = (
                await conn.execute(select(score_round).where(score_round.c.id == last_round()))
            ).one_or_none()
            if found is None:
                return None
            later = (
                select(customer_event.c.id)
                .where(customer_event.c.id > found.last_event, customer_event.c.name.in_([PLACED, REFUNDED]))
                .limit(found.customers // OUTGROWN + 1)
            )
            since = await conn.scalar(select(func.count()).select_from(later.subquery()))
        return Round(found.scored_at, found.customers, int(since or 0))

    async def score(self, context: EvalContext) -> None:
        """Score everybody as of `context.now`. Of several at once one stands, and the others give up."""
        number, written = await self._begin(context), 0
        async with self._db.read() as conn, streamed(conn, scores(context, self._db.dialect)) as found:
            async for rows in found.partitions(CHUNK):
                if not await self._add(number, rows):
                    return
                written += len(rows)
        async with self._db.write() as conn:
            await conn.execute(
                update(score_round).where(score_round.c.id == number).values(customers=written, whole=True)
            )
        await self._clear(number)

    async def _begin(self, context: EvalContext) -> int:
        """Write a round down, before anything is read: what is stored from now on is counted as later."""
        async with self._db.write() as conn:
            newest = await conn.scalar(select(func.max(customer_event.c.id)))
            values = {
                "scored_at": context.now, "last_event": newest or 0, "customers": 0, "whole": False,
            }  # fmt: skip
            found = await conn.execute(insert(score_round).values(values).returning(score_round.c.id))
            return int(found.scalar_one())

    async def _add(self, number: int, rows: Sequence[Row[Any]]) -> bool:
        """Write a part of a round; False where a newer one is whole, so that nobody needs this one."""
        async with self._db.write() as conn:
            mine = select(score_round.c.id).where(score_round.c.id == number)
            if await conn.scalar(mine.with_for_update(read=True, key_share=True)) is None:
                return False
            here = set(await still_here(conn, [row.customer_id for row in rows]))
            values = [
                {"round_id": number, "customer_id": row.customer_id, "r": row.r, "f": row.f, "m": row.m}
                for row in rows
                if row.customer_id in here
            ]
            if values:
                await conn.execute(insert(customer_score), values)
        return True

    async def _clear(self, number: int) -> None:
        """Remove the rounds before this one, a part at a time."""
        async with self._db.read() as conn:
            older = (await conn.scalars(select(score_round.c.id).where(score_round.c.id < number))).all()
        of = customer_score.c.round_id
        for old in older:
            some: Sequence[int] = [0]
            while some:
                async with self._db.write() as conn:
                    wanted = select(customer_score.c.customer_id).where(of == old).limit(CHUNK)
                    some = (await conn.scalars(wanted)).all()
                    await conn.execute(
                        delete(customer_score).where(of == old, customer_score.c.customer_id.in_(some))
                    )
            async with self._db.write() as conn:
                await conn.execute(delete(score_round).where(score_round.c.id == old))


def scores(context: EvalContext, dialect: str) -> Select[Any]:
    """customer_id, r, f, m of everybody who ordered in the window."""
    per_customer = _per_customer(context, dialect).subquery("bought")
    everybody = func.count().over()

    def fifth(value: ColumnElement[Any]) -> ColumnElement[int]:
        below = func.rank().over(order_by=value) - 1  # whoever shares a value shares the lowest place
        return LOWEST + HIGHEST * below // everybody

    return select(
        per_customer.c.customer_id,
        fifth(per_customer.c.last).label("r"),
        fifth(per_customer.c.count).label("f"),
        fifth(per_customer.c.net).label("m"),
    ).order_by(per_customer.c.customer_id)  # written one behind the other, not here and there


def _per_customer(context: EvalContext, dialect: str) -> Select[Any]:
    """customer_id, last, count, net: `core.segment_facts.purchases`."""
    order, refund = _orders(context, dialect).subquery("ordered"), _refunds(context).subquery("given_back")
    given_back = func.coalesce(refund.c.net, 0)

    def left(worth: ColumnElement[Any]) -> ColumnElement[Any]:
        return case((refund.c.whole > 0, 0), else_=worth) - given_back

    refunded = refund.c.order_ref.is_not(None)
    ours = case(
        (order.c.ours.is_(None), 0),
        (and_(refunded, left(order.c.ours) <= 0), 0),
        else_=left(order.c.ours),
    )
    same = and_(refund.c.customer_id == order.c.customer_id, refund.c.order_ref == order.c.order_ref)
    return (
        select(
            order.c.customer_id,
            func.max(order.c.first).label("last"),
            func.count().label("count"),
            func.sum(ours).label("net"),
        )
        .select_from(order.outerjoin(refund, same))
        .where(order.c.first > context.back(WINDOW), or_(~refunded, left(order.c.net) > 0))
        .group_by(order.c.customer_id)
    )


def _orders(context: EvalContext, dialect: str) -> Select[Any]:
    """Every order up to now: when it was first placed, its worth, and that of its events in the tenant's currency."""
    event = customer_event.alias("placed")
    name: ColumnElement[Any] = event.c.name
    who: ColumnElement[Any] = event.c.customer_id
    if dialect == "sqlite":
        # Much of the table is asked for. Through an index each row would be fetched from somewhere else; a plus
        # before the columns makes SQLite read the table as it lies, which takes a third of the time.
        name, who = literal_column("+placed.name", Text), literal_column("+placed.customer_id", Id)
    net = func.coalesce(event.c.net_e4, 0)
    currency = or_(event.c.currency.is_(None), event.c.currency == context.currency)
    first = func.min(event.c.at, type_=event.c.at.type)
    return (
        select(
            event.c.customer_id,
            event.c.order_ref,
            first.label("first"),
            func.max(net).label("net"),
            func.max(case((currency if context.currency else true(), net))).label("ours"),
        )
        .where(who.is_not(None), name == PLACED, event.c.at <= context.now)
        # Without a reference every event is an order of its own.
        .group_by(
            event.c.customer_id,
            event.c.order_ref,
            case((event.c.order_ref.is_(None), event.c.id), else_=0),
        )
    )


def _refunds(context: EvalContext) -> Select[Any]:
    event = customer_event.alias("refunded")
    return (
        select(
            event.c.customer_id,
            event.c.order_ref,
            func.sum(func.abs(event.c.net_e4)).label("net"),
            (func.count() - func.count(event.c.net_e4)).label("whole"),  # those that name no amount
        )
        .where(
            event.c.customer_id.is_not(None), event.c.order_ref.is_not(None), event.c.name == REFUNDED,
            event.c.at <= context.now,
        )
        .group_by(event.c.customer_id, event.c.order_ref)
    )  # fmt: skip
