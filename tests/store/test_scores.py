"""Scoring on both databases: the one statement says what the pure function says."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select

from mailer.core.rfm import Scores as Standing
from mailer.core.rfm import score
from mailer.core.segment_facts import EvalContext, purchases
from mailer.store import scores, tables
from mailer.store.engine import Database
from mailer.store.segments import read_facts
from tests.store.rows import a_customer_row, add
from tests.store.segment_base import NOW, a_base, store

ISTANBUL = ZoneInfo("Europe/Istanbul")
CONTEXT = EvalContext(now=NOW, tenant_zone=ISTANBUL, currency="TRY")
HOUR = timedelta(hours=1)


class UndoneError(Exception):
    """Ends a transaction whose rows are to leave no trace."""


@settings(
    max_examples=8,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(
    seed=st.integers(0, 2**32), currency=st.sampled_from(["TRY", "EUR", ""]), old=st.sampled_from([0, 0, 364])
)
async def test_the_statement_scores_as_the_reference_does(
    database: Database, seed: int, currency: str, old: int
) -> None:
    context = EvalContext(now=NOW + timedelta(days=old), tenant_zone=ISTANBUL, currency=currency)
    with suppress(UndoneError):
        async with database.write() as connection:
            await store(connection, a_base(seed))
            rows = (await connection.execute(select(tables.customer))).all()
            bought = {row.id: purchases(await read_facts(connection, row), context) for row in rows}
            wanted = score({key: one for key, one in bought.items() if one is not None})
            rows = (await connection.execute(scores.scores(context, database.dialect))).all()
            assert {row.customer_id: Standing(row.r, row.f, row.m) for row in rows} == wanted
            assert wanted or old
            raise UndoneError


async def order(database: Database, who: int, at: datetime = NOW - HOUR, net: int = 1) -> None:
    number = await count(database, tables.customer_event)
    await add(database, tables.customer_event, ext_id=f"e{number}", customer_id=who, name="order.placed", at=at,
              stored_at=NOW, properties={}, order_ref=f"o{number}", net_e4=net * 10_000, currency="TRY")  # fmt: skip


async def count(database: Database, table: tables.Table) -> int:
    async with database.read() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


async def standing(database: Database) -> list[tuple[int, int, int]]:
    columns = tables.customer_score.c
    async with database.read() as connection:
        rows = await connection.execute(select(columns.r, columns.f, columns.m).order_by(columns.customer_id))
        return [(row.r, row.f, row.m) for row in rows]


async def test_a_round_takes_the_place_of_the_one_before(database: Database) -> None:
    kept = scores.Scores(database)
    assert await kept.last() is None
    people = [await a_customer_row(database) for _ in range(5)]
    for place, who in enumerate(people):
        for _ in range(place + 1):
            await order(database, who, NOW - HOUR * (5 - place), net=place)
    await kept.score(CONTEXT)
    last = await kept.last()
    assert last is not None
    assert (last.scored_at, last.customers, last.orders_since) == (NOW, 5, 0)
    assert await standing(database) == [(n, n, n) for n in range(1, 6)]
    await order(database, people[0], net=100)
    last = await kept.last()
    assert last is not None
    assert last.orders_since == 1
    await kept.score(CONTEXT)
    assert (await standing(database))[0] == (4, 1, 5)
    assert await count(database, tables.score_round) == 1
    assert await count(database, tables.customer_score) == 5


async def test_a_round_that_broke_off_is_never_seen_and_leaves_nothing(database: Database) -> None:
    kept = scores.Scores(database)
    who = await a_customer_row(database)
    await order(database, who)
    await kept.score(CONTEXT)
    broken = await add(
        database, tables.score_round, scored_at=NOW + HOUR, last_event=0, customers=0, whole=False
    )
    async with database.write() as connection:
        await connection.execute(
            insert(tables.customer_score).values(round_id=broken, customer_id=who, r=5, f=5, m=5)
        )
    last = await kept.last()
    assert last is not None
    assert last.scored_at == NOW
    await kept.score(CONTEXT)
    assert await standing(database) == [(1, 1, 1)]


async def test_a_round_that_was_overtaken_gives_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "CHUNK", 2)
    for _ in range(9):
        await order(database, await a_customer_row(database))
    await asyncio.gather(*(scores.Scores(database).score(CONTEXT) for _ in range(3)))
    assert await standing(database) == [(1, 1, 1)] * 9
    assert await count(database, tables.score_round) == 1


async def test_nobody_to_score_is_a_round_too(database: Database) -> None:
    await a_customer_row(database)
    await scores.Scores(database).score(CONTEXT)
    last = await scores.Scores(database).last()
    assert last is not None
    assert (last.customers, last.orders_since) == (0, 0)
