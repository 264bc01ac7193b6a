from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from mailer.store.dialect import clock
from mailer.store.engine import Database
from mailer.store.leases import IMPORT, LONGEST, PLANNER, Leases
from mailer.store.switches import Switches
from mailer.store.tables import lease
from tests.store.rows import NOW


async def test_one_owner_at_a_time(database: Database) -> None:
    leases = Leases(database)
    assert await leases.acquire(PLANNER, "a", 30)
    assert not await leases.acquire(PLANNER, "b", 30)
    assert await leases.acquire(IMPORT, "b", 30), "another lease"
    assert await leases.holder(PLANNER) == "a"
    assert await leases.acquire(PLANNER, "a", 30), "its own again"
    await leases.release(PLANNER, "b")
    assert await leases.holder(PLANNER) == "a", "nobody releases another's"
    await leases.release(PLANNER, "a")
    assert await leases.holder(PLANNER) is None
    assert await leases.acquire(PLANNER, "b", 30)


async def test_a_lease_that_ran_out_is_free_and_cannot_be_renewed(database: Database) -> None:
    leases = Leases(database)
    assert await leases.acquire(PLANNER, "a", 30)
    assert await leases.renew(PLANNER, "a", 0.05)
    await asyncio.sleep(0.1)
    assert await leases.holder(PLANNER) is None
    assert not await leases.renew(PLANNER, "a", 30)
    assert await leases.acquire(PLANNER, "b", 30)
    assert not await leases.renew(PLANNER, "a", 30)


async def _is_free_within(database: Database, seconds: float) -> bool:
    """Whether the planner's lease ends so soon."""
    async with database.read() as connection:
        left = await connection.scalar(select(lease.c.until - clock()).where(lease.c.name == PLANNER))
    return left is not None and left <= seconds


async def test_a_lease_of_before_the_clock_was_set_back_keeps_nobody_waiting_for_long(
    database: Database,
) -> None:
    leases = Leases(database)
    assert await leases.acquire(PLANNER, "dead", 3_600)
    assert not await leases.acquire(PLANNER, "b", 30), "it may still live"
    assert await _is_free_within(database, LONGEST)
    assert await leases.acquire(PLANNER, "dead", 3_600)
    assert await leases.holder(PLANNER) == "dead"
    assert await _is_free_within(database, LONGEST)
    assert await leases.renew(PLANNER, "dead", 30), "it does, and keeps it"


@pytest.mark.parametrize("askers", [8])
async def test_many_ask_at_once_and_one_gets_it(database: Database, askers: int) -> None:
    leases = Leases(database)
    taken = await asyncio.gather(*(leases.acquire(PLANNER, f"o{n}", 30) for n in range(askers)))
    assert sum(taken) == 1


async def test_halting_twice_keeps_the_first_instant(database: Database) -> None:
    switches = Switches(database)
    assert await switches.halted_at() is None
    await switches.halt(NOW, "wrong price")
    await switches.halt(NOW.replace(hour=20))
    assert await switches.halted_at() == NOW
    await switches.unhalt()
    await switches.unhalt()
    assert await switches.halted_at() is None
