"""Planners that write at the same time, each a process of its own: budgets and pools stay exact."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

from mailer.store.engine import Database
from mailer.store.tables import delivery
from tests import started
from tests.store.planned import codes, counted, customers, fill, in_pool

PATIENCE = 60.0

GENERATED = {"kind": "generated", "prefix": "SS", "percent": 15}
POOL = {"kind": "pool", "pool": "shop", "percent": 15}


def together(url: str, planners: Sequence[tuple[str, str, dict[str, Any], int, int]]) -> None:
    """Start a planner for each (campaign, occurrence, coupon, first and last customer), let them go at once."""
    waiting, go = os.pipe()
    planning = [
        started.start(
            ["-m", "tests.store.planner_process", url, campaign, occurrence,
             json.dumps(reserve), str(first), str(last)],
            cwd=started.ROOT, env=started.environment(), given=waiting,
        )
        for campaign, occurrence, reserve, first, last in planners
    ]  # fmt: skip
    os.close(waiting)
    try:
        for each in planning:
            assert each.line() == "ready\n", each.communicate(timeout=PATIENCE)
    finally:
        os.close(go)
    for each in planning:
        _out, err = each.communicate(timeout=PATIENCE)
        assert each.returncode == 0, err


async def reasons(database: Database) -> Counter[tuple[str, str | None]]:
    async with database.read() as connection:
        rows = (await connection.execute(select(delivery.c.state, delivery.c.reason))).all()
    return Counter((row.state, row.reason) for row in rows)


@pytest.mark.parametrize("runs", ["one run", "a run each"])
async def test_a_budget_is_exact(database: Database, database_url: str, runs: str) -> None:
    people = await customers(database, 150)
    spec = {**GENERATED, "budget": 100}
    if runs == "one run":  # three planners, the same trigger
        together(database_url, [("offer", "o", spec, people[0], people[-1])] * 3)
    else:
        parts = [people[:50], people[50:100], people[100:]]
        together(database_url, [("offer", f"o{part[0]}", spec, part[0], part[-1]) for part in parts])
    assert await reasons(database) == {("queued", None): 100, ("skipped", "budget"): 50}
    assert await counted(database) == 100
    assert len({row["code"] for row in await codes(database)}) == 100


async def test_a_pool_is_exact_whoever_takes_from_it(database: Database, database_url: str) -> None:
    people = await customers(database, 80)
    await fill(database, "shop", [f"C{number}" for number in range(50)])
    together(
        database_url,
        [
            ("offer", "o1", POOL, people[0], people[-1]),
            ("offer", "o2", POOL, people[0], people[-1]),
            ("autumn", "o1", {**POOL, "budget": 20}, people[0], people[-1]),
        ],
    )
    found = await reasons(database)
    assert found["queued", None] == 50
    assert sum(found.values()) == 240
    assert await in_pool(database, "shop") == {"reserved": 50}
    given = await codes(database) + await codes(database, "autumn")
    assert len({row["delivery_id"] for row in given}) == len({row["code"] for row in given}) == 50
    assert await counted(database, "autumn") <= 20
