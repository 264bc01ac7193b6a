"""Coupons written with the deliveries that promise them, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.coupon import CouponState
from mailer.core.delivery import Skip, State
from mailer.core.run import Reserve
from mailer.store.dialect import insert, slices
from mailer.store.tables import coupon, delivery

NewCode = Callable[[str], str]  # prefix → a code nobody can guess


@dataclass(frozen=True, slots=True)
class Promise:
    """A coupon a queued delivery needs."""

    delivery_id: int
    customer_key: int
    once_key: str
    reserve: Reserve


async def keep_promises(
    conn: AsyncConnection, campaign: str, promises: Sequence[Promise], now: datetime, new_code: NewCode
) -> None:
    """A coupon for each: the one its once-key had before, else a new one."""
    left = {promise.once_key: promise for promise in promises}
    for part in slices(list(left)):
        kept = await conn.execute(
            update(coupon)
            .where(coupon.c.once_key.in_(part), coupon.c.state == CouponState.RELEASED)
            .values(state=CouponState.RESERVED)
            .returning(coupon.c.id, coupon.c.once_key)
        )
        for found in kept.all():
            promise = left.pop(found.once_key)
            # Its mail never left, so nobody has seen it: the code stays, what it is worth is what is promised now.
            values = {"delivery_id": promise.delivery_id, **_worth(promise.reserve)}
            await conn.execute(update(coupon).where(coupon.c.id == found.id).values(values))
    made = {key: promise for key, promise in left.items() if promise.reserve.kind != "pool"}
    while made:
        made = await _write_codes(conn, campaign, made, now, new_code)
    pooled = [promise for promise in left.values() if promise.reserve.kind == "pool"]
    if pooled:
        await _take_from_pool(conn, campaign, pooled, now)


async def _write_codes(
    conn: AsyncConnection, campaign: str, wanted: Mapping[str, Promise], now: datetime, new_code: NewCode
) -> dict[str, Promise]:
    """Write a code for each; returns those whose code somebody has already, to be tried with another."""
    values = [
        {
            "code": promise.reserve.code or new_code(promise.reserve.prefix),
            "kind": promise.reserve.kind,
            "created_at": now,
            **_reserved(campaign, promise),
        }
        for promise in wanted.values()
    ]
    statement = insert(conn, coupon).on_conflict_do_nothing().returning(coupon.c.once_key)
    written = set((await conn.scalars(statement, values)).all())
    standing: set[str] = set()
    left = [key for key in wanted if key not in written]
    for part in slices(left):
        standing.update(await conn.scalars(select(coupon.c.once_key).where(coupon.c.once_key.in_(part))))
    return {key: wanted[key] for key in left if key not in standing}


async def _take_from_pool(
    conn: AsyncConnection, campaign: str, wanted: Sequence[Promise], now: datetime
) -> None:
    """One code of the pool for each; deliveries the pool has none for are skipped(pool_empty)."""
    free = (
        await conn.scalars(
            select(coupon.c.id)
            .where(coupon.c.pool == wanted[0].reserve.pool, coupon.c.state == CouponState.AVAILABLE)
            .order_by(coupon.c.id)
            .limit(len(wanted))
            .with_for_update(skip_locked=True)
        )
    ).all()
    for coupon_id, promise in zip(free, wanted, strict=False):
        await conn.execute(
            update(coupon).where(coupon.c.id == coupon_id).values(_reserved(campaign, promise))
        )
    for part in slices([promise.delivery_id for promise in wanted[len(free) :]]):
        await conn.execute(
            update(delivery)
            .where(delivery.c.id.in_(part))
            .values(state=State.SKIPPED, reason=Skip.POOL_EMPTY, updated_at=now)
        )


def _reserved(campaign: str, promise: Promise) -> dict[str, Any]:
    return {
        "campaign": campaign,
        "state": CouponState.RESERVED,
        "once_key": promise.once_key,
        "delivery_id": promise.delivery_id,
        "customer_id": promise.customer_key,
        **_worth(promise.reserve),
    }


def _worth(reserve: Reserve) -> dict[str, Any]:
    return {
        "percent": reserve.percent,
        "amount_e4": reserve.amount_e4,
        "currency": reserve.currency,
        "valid_until": reserve.valid_until,
    }
