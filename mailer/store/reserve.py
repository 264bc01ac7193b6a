"""Coupons written with the deliveries that promise them, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.coupon import COUNTED, CouponState
from mailer.core.delivery import Skip, State
from mailer.core.run import NewDelivery, Reserve
from mailer.store.bulk import among, rows_of
from mailer.store.dialect import insert, slices
from mailer.store.tables import coupon, coupon_reminder, delivery

NewCode = Callable[[str], str]  # prefix → a code nobody can guess

_TURN = 7_021_003  # our class among PostgreSQL's advisory locks of two numbers: budgets and pools

#: What codes written together differ in.
_CODE = (
    "code", "kind", "once_key", "delivery_id", "customer_id", "percent", "amount_e4", "currency",
    "valid_until",
)  # fmt: skip

#: What a reserved code says of its delivery, and what it is worth.
_RESERVED = (
    "campaign", "state", "once_key", "delivery_id", "customer_id", "percent", "amount_e4", "currency",
    "valid_until", "changed_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Promise:
    """A coupon a queued delivery needs."""

    delivery_id: int
    customer_key: int
    once_key: str
    reserve: Reserve


async def take_turns(conn: AsyncConnection, campaign: str, rows: Iterable[NewDelivery]) -> None:
    """Until this transaction ends nobody else spends these rows' budget or takes from their pools.

    To be called before anything is written that another planner could be waiting for. SQLite has one writer.
    """
    wanted = [row.coupon for row in rows if row.coupon is not None]
    names = {f"budget {campaign}" for each in wanted if each.budget is not None}
    names |= {f"pool {each.pool}" for each in wanted if each.pool is not None}
    await _lock(conn, names)


async def _lock(conn: AsyncConnection, names: Iterable[str]) -> None:
    if conn.dialect.name != "postgresql":
        return
    for name in sorted(names):
        await conn.execute(
            text("select pg_advisory_xact_lock(cast(:turn as int), hashtext(:name))"),
            {"turn": _TURN, "name": name},
        )


async def keep_promises(
    conn: AsyncConnection, campaign: str, promises: Sequence[Promise], now: datetime, new_code: NewCode
) -> None:
    """A coupon for each: the one its once-key had before, else a new one.

    Whom budget or pool leave none for, their deliveries are skipped.
    """
    own = [promise for promise in promises if promise.reserve.kind != "reminder"]
    refused = await _remind(conn, [promise for promise in promises if promise.reserve.kind == "reminder"])
    had = await _had(conn, own)
    room = await _room(conn, campaign, own)
    again: list[tuple[int, Promise]] = []
    fresh: list[Promise] = []
    for promise in own:
        before = had.get(promise.once_key)
        if before is not None and before.state == CouponState.REDEEMED:
            refused[promise.delivery_id] = Skip.NOT_ELIGIBLE
            continue
        if before is None or before.state not in COUNTED:
            if room == 0:
                refused[promise.delivery_id] = Skip.BUDGET
                continue
            room = None if room is None else room - 1
        if before is None:
            fresh.append(promise)
        else:
            # Its mail never left, so nobody has seen it: the code stays, what it is worth is what is promised now.
            again.append((before.id, promise))
    await _assign(conn, campaign, again, now)
    made = {promise.once_key: promise for promise in fresh if promise.reserve.kind != "pool"}
    while made:
        made = await _write_codes(conn, campaign, made, now, new_code)
    pooled = [promise for promise in fresh if promise.reserve.kind == "pool"]
    short = await _take_from_pool(conn, campaign, pooled, now) if pooled else ()
    refused |= {promise.delivery_id: Skip.POOL_EMPTY for promise in short}
    await _leave_out(conn, refused, now)


async def reserve_again(
    conn: AsyncConnection,
    delivery_id: int,
    campaign: str,
    budget: int | None,
    now: datetime,
    valid_until: date | None = None,
) -> bool:
    """A delivery goes out after all: the code its once-key had is its own again; False: the budget is used up.

    Nobody has had the code, so it is good until `valid_until` now.
    """
    if budget is not None:
        await _lock(conn, [f"budget {campaign}"])
    key = select(delivery.c.once_key).where(delivery.c.id == delivery_id).scalar_subquery()
    kept = (
        await conn.execute(
            select(coupon.c.id).where(coupon.c.once_key == key, coupon.c.state == CouponState.RELEASED)
        )
    ).one_or_none()
    if kept is None:
        return True
    if budget is not None and await _used(conn, campaign) >= budget:
        return False
    await conn.execute(
        update(coupon)
        .where(coupon.c.id == kept.id)
        .values(state=CouponState.RESERVED, delivery_id=delivery_id, valid_until=valid_until, changed_at=now)
    )
    return True


async def _had(conn: AsyncConnection, promises: Sequence[Promise]) -> dict[str, Any]:
    """The codes these once-keys had. Their deliveries are over, or the once-keys would still be held."""
    wanted = select(coupon.c.id, coupon.c.once_key, coupon.c.state).where(
        among(coupon.c.once_key, [promise.once_key for promise in promises], conn.dialect.name)
    )
    return {row.once_key: row for row in await conn.execute(wanted)} if promises else {}


async def _room(conn: AsyncConnection, campaign: str, promises: Sequence[Promise]) -> int | None:
    """How many codes the budget has left; None: it has no bound."""
    budgets = [promise.reserve.budget for promise in promises if promise.reserve.budget is not None]
    return max(min(budgets) - await _used(conn, campaign), 0) if budgets else None


async def _used(conn: AsyncConnection, campaign: str) -> int:
    wanted = select(func.count()).where(coupon.c.campaign == campaign, coupon.c.state.in_(COUNTED))
    return int(await conn.scalar(wanted) or 0)


async def _write_codes(
    conn: AsyncConnection, campaign: str, wanted: Mapping[str, Promise], now: datetime, new_code: NewCode
) -> dict[str, Promise]:
    """Write a code for each; returns those whose code somebody has already, to be tried with another."""
    values = [
        (
            promise.reserve.code or new_code(promise.reserve.prefix),
            promise.reserve.kind,
            promise.once_key,
            promise.delivery_id,
            promise.customer_key,
            promise.reserve.percent,
            promise.reserve.amount_e4,
            promise.reserve.currency,
            promise.reserve.valid_until,
        )
        for promise in wanted.values()
    ]
    same = {"campaign": campaign, "state": CouponState.RESERVED, "created_at": now, "changed_at": now}
    columns = rows_of(conn, coupon, _CODE, values, same)
    statement = insert(conn, coupon).from_select(*columns).on_conflict_do_nothing()
    written = set((await conn.scalars(statement.returning(coupon.c.once_key))).all())
    left = [key for key in wanted if key not in written]
    if not left:
        return {}
    standing = set(
        (
            await conn.scalars(
                select(coupon.c.once_key).where(among(coupon.c.once_key, left, conn.dialect.name))
            )
        ).all()
    )
    return {key: wanted[key] for key in left if key not in standing}


async def _take_from_pool(
    conn: AsyncConnection, campaign: str, wanted: Sequence[Promise], now: datetime
) -> Sequence[Promise]:
    """One code of the pool for each, the first loaded first; returns those the pool has none for."""
    free = (
        await conn.scalars(
            select(coupon.c.id)
            .where(coupon.c.pool == wanted[0].reserve.pool, coupon.c.state == CouponState.AVAILABLE)
            .order_by(coupon.c.id)
            .limit(len(wanted))
        )
    ).all()
    await _assign(conn, campaign, list(zip(free, wanted, strict=False)), now)
    return wanted[len(free) :]


async def _assign(
    conn: AsyncConnection, campaign: str, pairs: Sequence[tuple[int, Promise]], now: datetime
) -> None:
    """Give codes that are there, by their numbers."""
    if pairs:
        await conn.execute(
            _ASSIGN, [{"b_id": number, **_reserved(campaign, promise, now)} for number, promise in pairs]
        )


async def _remind(conn: AsyncConnection, promises: Sequence[Promise]) -> dict[int, Skip]:
    """Let each show the customer's coupon that ends first and is still good; the deliveries without any."""
    if not promises:
        return {}
    held: dict[int, list[tuple[int, date | None]]] = {}
    for part in slices([promise.customer_key for promise in promises]):
        rows = await conn.execute(
            select(coupon.c.id, coupon.c.customer_id, coupon.c.valid_until)
            .where(
                coupon.c.customer_id.in_(part),
                coupon.c.campaign == promises[0].reserve.of,
                coupon.c.state == CouponState.ISSUED,
            )
            .order_by(coupon.c.valid_until.is_(None), coupon.c.valid_until, coupon.c.id)
        )
        for row in rows:
            held.setdefault(row.customer_id, []).append((row.id, row.valid_until))
    shown = []
    for promise in promises:
        day = promise.reserve.day
        for number, valid_until in held.get(promise.customer_key, ()):
            if day is None or valid_until is None or valid_until >= day:
                shown.append({"delivery_id": promise.delivery_id, "coupon_id": number})
                break
    if shown:
        await conn.execute(insert(conn, coupon_reminder), shown)
    reminded = {each["delivery_id"] for each in shown}
    return {
        promise.delivery_id: Skip.NOT_ELIGIBLE for promise in promises if promise.delivery_id not in reminded
    }


async def _leave_out(conn: AsyncConnection, refused: Mapping[int, Skip], now: datetime) -> None:
    for reason in sorted(set(refused.values())):
        for part in slices([number for number, why in refused.items() if why is reason]):
            await conn.execute(
                update(delivery)
                .where(delivery.c.id.in_(part))
                .values(state=State.SKIPPED, reason=reason, updated_at=now)
            )


def _reserved(campaign: str, promise: Promise, now: datetime) -> dict[str, Any]:
    reserve = promise.reserve
    return {
        "campaign": campaign,
        "state": CouponState.RESERVED,
        "once_key": promise.once_key,
        "delivery_id": promise.delivery_id,
        "customer_id": promise.customer_key,
        "percent": reserve.percent,
        "amount_e4": reserve.amount_e4,
        "currency": reserve.currency,
        "valid_until": reserve.valid_until,
        "changed_at": now,
    }


_ASSIGN = (
    update(coupon)
    .where(coupon.c.id == bindparam("b_id"))
    .values({name: bindparam(name) for name in _RESERVED})
)
