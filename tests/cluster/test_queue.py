"""Shards as Procrastinate's jobs: with the transaction, within the window, taken back and pruned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from mailer.cluster import queue, schema
from mailer.cluster.queue import OTHER, TASK, URGENT, ProcrastinateQueue, housekeeping
from mailer.core import shard as shard_module
from mailer.core.run import NewDelivery, NewRun, RunState
from mailer.core.shard import Shard
from mailer.errors import StoreError
from mailer.store.engine import Database
from mailer.store.runs import Runs
from mailer.store.shards import Shards
from tests.cluster.dispatching import SIZE, Site, site, taken, taken_by_all
from tests.store.rows import NOW, a_customer_row, a_run, a_sender, add_many

A_WORKER = "insert into procrastinate_workers default values"
OLD = "now() - interval '1 hour'"


@pytest.fixture
async def at(postgresql_url: str) -> AsyncIterator[Site]:
    """An installation with a worker that takes nothing."""
    database = await Database.connect(postgresql_url)
    async with site(database, postgresql_url, queued=True) as opened:
        await run(opened, A_WORKER)
        yield opened
    await database.close()


async def run(at: Site, statement: str) -> None:
    async with at.database.write() as connection:
        await connection.execute(text(statement))


async def waiting(at: Site) -> list[Shard]:
    async with at.database.read() as connection:
        found = await ProcrastinateQueue().waiting(connection)
    return sorted(found, key=lambda shard: (-shard.priority, shard.runs))


def small(campaign: str, customer: int) -> tuple[NewRun, NewDelivery]:
    name = f"{campaign}:{customer}"
    return (
        NewRun(campaign, name, None, "commercial", 90, NOW, NOW, state=RunState.QUEUED),
        NewDelivery(customer, name, f"{name}@x.example", f"{name}@x.example", NOW, NOW),
    )


async def test_a_password_may_have_a_space(at: Site, postgresql_url: str) -> None:
    """It is read here as by whoever opens the database; this server asks for none."""
    spaced = make_url(postgresql_url).set(password="two words")
    async with housekeeping(spaced.render_as_string(hide_password=False)) as tidy:
        assert await tidy.take_back() == 0


async def test_shards_come_with_the_transaction_that_releases_the_run(at: Site) -> None:
    assert at.shards is not None
    runs = Runs(at.database, str, at.shards)
    of = await a_run(at.database, state=RunState.PLANNING)
    await add_many(at.database, of, SIZE + 1)
    assert await waiting(at) == []
    await runs.release(of, NOW)
    assert await waiting(at) == [Shard((of,), 40, urgent=False)] * 2
    assert await at.look() == 0, "a look finds nothing wanting"


async def test_a_transaction_that_fails_leaves_no_shard(at: Site) -> None:
    of = await a_run(at.database)
    await add_many(at.database, of, 1)

    async def released_in_vain() -> None:
        assert at.shards is not None
        async with at.database.write() as connection:
            await at.shards.announce(connection, [of], NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await released_in_vain()
    assert await at.todo() == 0


async def test_runs_of_one_delivery_share_a_shard(at: Site) -> None:
    runs = Runs(at.database, str, at.shards)
    pairs = [small("welcome", await a_customer_row(at.database)) for _ in range(SIZE + 2)]
    assert await runs.add_small(pairs, NOW) == SIZE + 2
    assert [len(shard.runs) for shard in await waiting(at)] == [SIZE, 2]


async def test_without_a_worker_nothing_is_queued(at: Site) -> None:
    await run(at, f"update procrastinate_workers set last_heartbeat = {OLD}")
    await add_many(at.database, await a_run(at.database), SIZE)
    assert await at.look() == 0
    await run(at, A_WORKER)
    assert await at.look() == 1


async def test_a_window_is_queued_and_the_rest_follows(at: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_module, "WINDOW", 4)
    of = await a_run(at.database, priority=20)
    await add_many(at.database, of, 10 * SIZE)
    assert await at.look() == 4
    assert await at.look() == 0
    outage = await a_run(at.database, "outage", purpose="service", priority=100)
    await add_many(at.database, outage, 1)
    assert await at.look() == 1, "what is more urgent finds room"
    wanted, mine = await at.dispatcher(), await a_sender(at.database)
    assert len(await taken(wanted, mine, 4 * SIZE + 1)) == 4 * SIZE + 1
    for rest in (4, 2, 0):
        assert await at.look() == rest
        assert len(await taken(wanted, mine, rest * SIZE)) == rest * SIZE


async def test_two_looks_at_once_queue_nothing_twice(at: Site) -> None:
    await add_many(at.database, await a_run(at.database), 3 * SIZE)
    assert at.shards is not None
    looks = await asyncio.gather(*(at.shards.sweep(NOW) for _ in range(5)))
    assert sum(looks) == 3


async def test_what_is_due_later_is_queued_when_it_is(at: Site) -> None:
    later = NOW + timedelta(hours=2)
    await add_many(at.database, await a_run(at.database), 1, not_before=later)
    assert await at.look() == 0
    assert await at.look(later) == 1


async def test_shards_of_workers_that_died_are_taken_back(at: Site) -> None:
    alive, dead = 1, 2
    await run(at, A_WORKER)
    await run(at, f"update procrastinate_workers set last_heartbeat = {OLD} where id = {dead}")
    for worker in (alive, dead, "null"):
        await run(
            at,
            "insert into procrastinate_jobs (queue_name, task_name, args, status, worker_id) values "
            f"('{OTHER}', '{TASK}', '{{\"runs\": [1]}}', 'doing', {worker})",
        )
    async with housekeeping(at.url) as tidy:
        assert await tidy.take_back() == 2
        assert await tidy.take_back() == 0
    assert await at.todo() == 2


async def test_what_is_over_is_removed(at: Site) -> None:
    for status, when in (("aborted", OLD), ("failed", f"{OLD} - interval '2 days'"), ("todo", OLD)):
        await run(
            at,
            "with job as (insert into procrastinate_jobs (queue_name, task_name, status) values "
            f"('{URGENT}', '{TASK}', '{status}') returning id) "
            f"insert into procrastinate_events (job_id, type, at) select id, 'failed', {when} from job",
        )
    await run(at, f"update procrastinate_workers set last_heartbeat = {OLD}")
    await run(at, "delete from procrastinate_events where type = 'deferred'")
    async with housekeeping(at.url) as tidy:
        await tidy.prune()
    assert await at.count("procrastinate_jobs", "status = 'failed'") == 0
    assert await at.count("procrastinate_jobs") == 2
    assert await at.count("procrastinate_workers") == 0


async def test_jobs_are_gone_when_they_are_worked(at: Site) -> None:
    await add_many(at.database, await a_run(at.database), 2 * SIZE)
    await at.look()
    wanted = await at.dispatcher()
    assert len(await taken(wanted, await a_sender(at.database), 2 * SIZE)) == 2 * SIZE
    assert await at.count("procrastinate_jobs") == 0
    assert await at.count("procrastinate_events") == 0


async def test_a_shard_done_twice_does_no_harm(at: Site) -> None:
    of = await a_run(at.database)
    await add_many(at.database, of, SIZE)
    async with at.database.write() as connection:
        await ProcrastinateQueue().put(connection, [Shard((of,), 40, urgent=False)] * 3)
    first, second = await at.dispatcher(), await at.dispatcher()
    one, other = await a_sender(at.database), await a_sender(at.database)
    ids = await taken_by_all([(first, one), (second, other)], SIZE)
    assert len(ids[0]) + len(ids[1]) == len({*ids[0], *ids[1]}) == SIZE


async def test_a_taker_outlives_a_database_that_ends_its_connections(
    at: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = await at.dispatcher()
    await run(at, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mailer'")
    await add_many(at.database, await a_run(at.database), SIZE)
    mine, got = await a_sender(at.database), []
    async with asyncio.timeout(60):
        while len(got) < SIZE:
            await at.look()
            got += await wanted.take(mine, NOW, SIZE)
            await wanted.wait(0.1)
    assert len(set(got)) == SIZE


async def test_many_at_once_are_analysed(at: Site) -> None:
    async with at.database.write() as connection:
        await ProcrastinateQueue().put(connection, [Shard((1,), 40, urgent=False)] * queue._BULK)
    assert await at.count("pg_class", f"relname = 'procrastinate_jobs' and reltuples >= {queue._BULK}") == 1


async def test_the_schema_is_made_once_and_brought_up_to_date(
    at: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = schema.changes()
    more = known | {"99.00.00_01_more": "create table procrastinate_more (a int); select 1;"}
    monkeypatch.setattr(schema, "changes", lambda: more)
    for _ in range(2):
        async with at.database.write() as connection:
            await schema.install(connection)
    assert await at.count("procrastinate_more") == 0
    monkeypatch.setattr(schema, "changes", lambda: known)
    async with at.database.write() as connection:
        await schema.install(connection)  # an older program comes back: nothing is taken away


async def test_tables_that_somebody_else_made_are_left_alone(
    at: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(at, "comment on table procrastinate_jobs is 'ours'")
    monkeypatch.setattr(schema, "changes", lambda: {"99.00.00_01_more": "nonsense"})
    async with at.database.write() as connection:
        await schema.install(connection)


async def test_a_database_of_one_machine_says_what_to_do(postgresql_database: Database) -> None:
    shards = Shards(postgresql_database, ProcrastinateQueue(), SIZE)
    with pytest.raises(StoreError, match="mailer migrate"):
        await shards.require()
    of = await a_run(postgresql_database, state=RunState.PLANNING)
    await add_many(postgresql_database, of, 1)
    await Runs(postgresql_database, str, shards).release(of, NOW)  # planning is not held up
    assert await shards.sweep(NOW) == 0


async def test_a_queue_that_is_away_is_trouble_with_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "CONNECT_SECONDS", 0.3)
    async with housekeeping("postgresql://nobody@127.0.0.1:1/none") as tidy:
        for act in (tidy.take_back, tidy.prune):
            with pytest.raises(StoreError, match="queue of shards"):
                await act()
