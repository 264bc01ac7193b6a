"""Planning as short as a test can say it: rows of a campaign with a coupon, written the way the planner does."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import func, insert, select

from mailer.core.coupon import COUNTED, make_code
from mailer.core.run import NewDelivery, NewRun, Reserve, RunState
from mailer.store.engine import Database
from mailer.store.runs import Runs
from mailer.store.tables import coupon, customer, delivery
from tests.store.rows import NOW, a_version

_numbers = count(1)


def runs_of(database: Database) -> Runs:
    return Runs(database, lambda prefix: make_code(prefix, secrets.randbelow))


def a_row(customer_key: int, reserve: Reserve, **values: Any) -> NewDelivery:
    address = f"p{customer_key}@shop.example"
    given: dict[str, Any] = {"once_key": f"{reserve.kind}:{customer_key}"} | values
    return NewDelivery(
        customer_key=customer_key, email=address, email_key=address, due_at=NOW, not_before=NOW,
        coupon=reserve, **given,
    )  # fmt: skip


async def customers(database: Database, wanted: int) -> list[int]:
    """So many customers' numbers."""
    names = [f"p{next(_numbers)}" for _ in range(wanted)]
    async with database.write() as connection:
        await connection.execute(
            insert(customer),
            [
                {"ext_id": name, "email": f"{name}@shop.example", "email_key": f"{name}@shop.example",
                 "stored_at": NOW, "updated_at": NOW, "services": [], "attributes": {}, "consent": "yes"}
                for name in names
            ],
        )  # fmt: skip
        found = await connection.execute(
            select(customer.c.id).where(customer.c.ext_id.in_(names)).order_by(customer.c.id)
        )
        return list(found.scalars())


async def plan(
    database: Database, rows: Sequence[NewDelivery], campaign: str = "offer", *, now: datetime = NOW
) -> int:
    """A run of these deliveries; its number."""
    book = runs_of(database)
    budgets = [row.coupon.budget for row in rows if row.coupon is not None]
    definition = {"coupon": {"budget": budgets[0]}} if budgets and budgets[0] is not None else {}
    version = await a_version(database, campaign, definition=definition)  # trying again looks there
    new = NewRun(
        campaign=campaign, occurrence=f"o{next(_numbers)}", version_id=version,
        purpose="commercial", priority=40, due_at=NOW, closes_at=NOW, state=RunState.PLANNING,
    )  # fmt: skip
    run_id = (await book.open(new, now)).id
    await book.add(run_id, [replace(row, once_key=f"{campaign}:{row.once_key}") for row in rows], now)
    await book.release(run_id, now)
    return run_id


async def fates(database: Database, run_id: int) -> list[tuple[str, str | None]]:
    """State and reason of a run's deliveries, in the order they were written."""
    async with database.read() as connection:
        rows = await connection.execute(
            select(delivery.c.state, delivery.c.reason)
            .where(delivery.c.run_id == run_id)
            .order_by(delivery.c.customer_id)
        )
        return [(row.state, row.reason) for row in rows]


async def codes(database: Database, campaign: str = "offer") -> list[dict[str, Any]]:
    """Every coupon of a campaign."""
    async with database.read() as connection:
        wanted = select(coupon).where(coupon.c.campaign == campaign).order_by(coupon.c.customer_id)
        return [dict(row) for row in (await connection.execute(wanted)).mappings()]


async def in_pool(database: Database, pool: str) -> dict[str, int]:
    """A pool's codes by state."""
    async with database.read() as connection:
        rows = await connection.execute(
            select(coupon.c.state, func.count().label("n"))
            .where(coupon.c.pool == pool)
            .group_by(coupon.c.state)
        )
        return {row.state: row.n for row in rows}


async def counted(database: Database, campaign: str = "offer") -> int:
    """Codes that use up the campaign's budget."""
    return sum(row["state"] in COUNTED for row in await codes(database, campaign))


async def fill(database: Database, pool: str, texts: Sequence[str]) -> None:
    """Put codes into a pool, past every check."""
    async with database.write() as connection:
        await connection.execute(
            insert(coupon),
            [
                {"code": text, "kind": "pool", "pool": pool, "state": "available", "created_at": NOW,
                 "changed_at": NOW}
                for text in texts
            ],
        )  # fmt: skip
