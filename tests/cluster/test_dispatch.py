"""What every dispatcher promises, tried on each: on SQLite, on PostgreSQL in one process, and over Procrastinate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from mailer.core.delivery import State
from mailer.core.run import RunState
from mailer.errors import Fenced
from mailer.store.engine import Database
from mailer.store.senders import Senders
from mailer.store.switches import Switches
from mailer.store.tables import delivery, run, sender
from tests.cluster.dispatching import SIZE, Site, site, taken, taken_by_all
from tests.store.rows import NOW, a_delivery, a_run, a_sender, add_many, claimed_by, one


@pytest.fixture(params=["sqlite", "postgresql", "procrastinate"])
def place(request: pytest.FixtureRequest) -> tuple[str, bool]:
    """A database, and whether shards go over Procrastinate."""
    kind = "sqlite" if request.param == "sqlite" else "postgresql"
    return str(request.getfixturevalue(f"{kind}_url")), request.param == "procrastinate"


@pytest.fixture
async def at(place: tuple[str, bool]) -> AsyncIterator[Site]:
    url, queued = place
    database = await Database.connect(url)
    async with site(database, url, queued=queued) as opened:
        yield opened
    await database.close()


async def test_everything_due_is_handed_out_once(at: Site) -> None:
    first, second = await at.dispatcher(), await at.dispatcher()
    runs = [await a_run(at.database, priority=priority) for priority in (20, 40)]
    for of in runs:
        await add_many(at.database, of, 3 * SIZE + 1)
    await at.look()
    one_sender, other = await a_sender(at.database), await a_sender(at.database)
    mine, theirs = await taken_by_all([(first, one_sender), (second, other)], 2 * (3 * SIZE + 1))
    assert len(mine + theirs) == len({*mine, *theirs}) == 2 * (3 * SIZE + 1)
    for ids, who in ((mine, one_sender), (theirs, other)):
        assert all([await claimed_by(at.database, each) == who for each in ids[:3]])
    assert {(await one(at.database, run, of))["state"] for of in runs} == {RunState.RUNNING}


async def test_what_is_urgent_goes_first(at: Site) -> None:
    low, high = [await a_run(at.database, priority=priority) for priority in (20, 100)]
    await add_many(at.database, low, 2 * SIZE)
    await add_many(at.database, high, SIZE)
    wanted = await at.dispatcher()
    await at.look()
    ids = await taken(wanted, await a_sender(at.database), 3 * SIZE)
    first = [(await one(at.database, delivery, each))["run_id"] for each in ids[: SIZE + 1]]
    assert first == [high] * SIZE + [low]
    assert len(ids) == 3 * SIZE


async def test_a_share_may_be_taken_in_bites(at: Site) -> None:
    await add_many(at.database, await a_run(at.database), SIZE + 3)
    wanted = await at.dispatcher()
    await at.look()
    mine = await a_sender(at.database)
    assert [len(await taken(wanted, mine, 4, limit=4, most=4)) for _ in range(2)] == [4, 4]
    assert len(await taken(wanted, mine, SIZE + 3 - 8, limit=4)) == SIZE + 3 - 8


@pytest.mark.parametrize("how", ["paused", "halted", "planning", "later"])
async def test_what_may_not_go_is_handed_out_when_it_may(at: Site, how: str) -> None:
    of, when = await a_run(at.database), NOW + timedelta(hours=1)
    found = await a_delivery(at.database, of, not_before=when if how == "later" else NOW)
    held = {"paused": RunState.PAUSED, "planning": RunState.PLANNING}.get(how, RunState.QUEUED)
    wanted = await at.dispatcher()
    await at.look()  # its shard is ready before the order comes
    async with at.database.write() as connection:
        await connection.execute(update(run).values(state=held))
    if how == "halted":
        await Switches(at.database).halt(NOW, "")
    mine = await a_sender(at.database)
    await at.look()
    assert await taken(wanted, mine) == []
    async with at.database.write() as connection:
        await connection.execute(update(run).values(state=RunState.QUEUED))
    await Switches(at.database).unhalt()
    await at.look(when)
    assert await taken(wanted, mine, 1, now=when) == [found]


async def test_a_reserved_slot_takes_service_mail_only(at: Site) -> None:
    await add_many(at.database, await a_run(at.database, priority=90), SIZE)
    urgent = await at.dispatcher(urgent=True)
    await at.look()
    mine = await a_sender(at.database)
    assert await taken(urgent, mine) == []
    outage = await a_run(at.database, "outage", purpose="service", priority=10)
    await add_many(at.database, outage, 3)
    await at.look()
    ids = await taken(urgent, mine, 3)
    assert {(await one(at.database, delivery, each))["run_id"] for each in ids} == {outage}
    assert len(ids) == 3


async def test_what_a_dead_sender_held_is_handed_to_others(at: Site) -> None:
    await add_many(at.database, await a_run(at.database), SIZE)
    wanted = await at.dispatcher()
    await at.look()
    dead, alive = await a_sender(at.database), await a_sender(at.database)
    ids = await taken(wanted, dead, SIZE)
    assert len(ids) == SIZE
    assert await taken(wanted, alive) == []
    async with at.database.write() as connection:
        await connection.execute(update(sender).where(sender.c.id == dead).values(lease_until=0))
        await connection.execute(update(delivery).where(delivery.c.id == ids[0]).values(state=State.SENDING))
    await Senders(at.database).recover(NOW)
    await at.look()
    with pytest.raises(Fenced):
        await at.ledger.claim(dead, NOW, 1)
    assert sorted(await taken(wanted, alive, SIZE - 1)) == sorted(ids[1:])


async def test_many_small_runs(at: Site) -> None:
    ids = [await a_delivery(at.database) for _ in range(SIZE + 5)]
    wanted = await at.dispatcher()
    await at.look()
    assert sorted(await taken(wanted, await a_sender(at.database), len(ids))) == ids
