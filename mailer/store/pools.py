"""Uploaded codes: taking them in, and how many of each pool are left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.coupon import COUNTED, CouponState
from mailer.core.importing import RowFault
from mailer.core.merge import Fate, Noted
from mailer.core.pool import PoolCode, Stock
from mailer.store.dialect import insert
from mailer.store.engine import Database
from mailer.store.tables import coupon


class Pools:
    """Pools of codes on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, pool: str, rows: Sequence[PoolCode], now: datetime) -> list[Fate | Noted | RowFault]:
        """What became of each code, in one transaction; one that the pool has already changes nothing."""
        async with self._database.write() as connection:
            known = await _known(connection, [row.code for row in rows])
            fates, new = _judge(pool, rows, known)
            if new:
                await connection.execute(
                    insert(connection, coupon).on_conflict_do_nothing(),
                    [
                        {
                            "code": code, "kind": "pool", "pool": pool, "state": CouponState.AVAILABLE,
                            "created_at": now, "changed_at": now,
                        }
                        for code in new
                    ],
                )  # fmt: skip
        return fates

    async def all(self) -> list[Stock]:
        """Every pool, its codes counted by state."""
        states = [func.sum(case((coupon.c.state == state, 1), else_=0)) for state in CouponState]
        wanted = (
            select(coupon.c.pool, *states)
            .where(coupon.c.pool.is_not(None))
            .group_by(coupon.c.pool)
            .order_by(coupon.c.pool)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(wanted)).all()
        return [
            Stock(pool, dict(zip(CouponState, (int(count) for count in counts), strict=True)))
            for pool, *counts in rows
        ]

    async def empty(self, pool: str) -> bool:
        """Whether no code is left that nobody was given."""
        left = select(coupon.c.id).where(coupon.c.pool == pool, coupon.c.state == CouponState.AVAILABLE)
        async with self._database.read() as connection:
            return await connection.scalar(left.order_by(coupon.c.id).limit(1)) is None

    async def used(self, campaign: str) -> int:
        """How many codes of a campaign count towards its budget."""
        wanted = select(func.count()).where(coupon.c.campaign == campaign, coupon.c.state.in_(COUNTED))
        async with self._database.read() as connection:
            return int(await connection.scalar(wanted) or 0)


async def _known(
    connection: AsyncConnection, codes: Sequence[str]
) -> dict[str, tuple[str | None, str | None]]:
    """Pool and campaign of the codes that are there."""
    rows = await connection.execute(
        select(coupon.c.code, coupon.c.pool, coupon.c.campaign).where(coupon.c.code.in_(set(codes)))
    )
    return {row.code: (row.pool, row.campaign) for row in rows}


def _judge(
    pool: str, rows: Sequence[PoolCode], known: dict[str, tuple[str | None, str | None]]
) -> tuple[list[Fate | Noted | RowFault], list[str]]:
    fates: list[Fate | Noted | RowFault] = []
    new: dict[str, None] = {}
    for row in rows:
        where = known.get(row.code)
        if row.code in new or (where is not None and where[0] == pool):
            again = RowFault(row.line, "code", f"The code {row.code!r} is in the pool already.")
            fates.append(Noted(Fate.UNCHANGED, again))
        elif where is not None:
            place = f"in the pool {where[0]}" if where[0] else f"a code of the campaign {where[1]}"
            fates.append(RowFault(row.line, "code", f"The code {row.code!r} is {place} already."))
        else:
            new[row.code] = None
            fates.append(Fate.CREATED)
    return fates, list(new)
