from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import chain

import pytest

from mailer.core.delivery import State
from mailer.core.run import RunState
from mailer.errors import Fenced
from mailer.store import claims
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from mailer.store.senders import Senders
from mailer.store.switches import Switches
from mailer.store.tables import campaign_state, delivery, run
from tests import started
from tests.store.rows import (
    NOW,
    a_customer_row,
    a_delivery,
    a_run,
    a_sender,
    add_many,
    claimed_by,
    one,
    put,
)


async def test_the_most_urgent_first_then_the_longest_due(database: Database) -> None:
    ledger, mine = Ledger(database), await a_sender(database)
    slow, fast = await a_run(database, priority=20), await a_run(database, priority=1000)
    last = await a_delivery(database, slow)
    first = await a_delivery(database, slow, not_before=NOW - timedelta(hours=1))
    urgent = await a_delivery(database, fast)
    assert await ledger.claim(mine, NOW, 2) == [urgent, first]
    assert await ledger.claim(mine, NOW, 2) == [last]
    assert await ledger.claim(mine, NOW, 2) == []
    assert (await one(database, run, slow))["state"] == RunState.RUNNING
    assert [await claimed_by(database, each) for each in (urgent, first, last)] == [mine] * 3


@pytest.mark.parametrize(
    ("of_run", "of_delivery", "claimed"),
    [
        pytest.param({}, {}, True, id="due"),
        pytest.param({"state": "running"}, {"state": "deferred"}, True, id="deferred and due again"),
        pytest.param({}, {"not_before": NOW + timedelta(seconds=1)}, False, id="not yet due"),
        pytest.param({"state": "planning"}, {}, False, id="its run is not whole"),
        pytest.param({"state": "paused"}, {}, False, id="its run is paused"),
        pytest.param({"state": "cancelled"}, {}, False, id="its run is cancelled"),
        pytest.param({"campaign": "sleeping"}, {}, False, id="its campaign is paused"),
        pytest.param({}, {"state": "sending"}, False, id="sending"),
        pytest.param({}, {"state": "in_doubt"}, False, id="in doubt"),
        pytest.param({}, {"state": "sent"}, False, id="sent"),
    ],
)
async def test_what_can_be_claimed(
    database: Database, of_run: dict[str, object], of_delivery: dict[str, object], claimed: bool
) -> None:
    await put(database, campaign_state, name="sleeping", first_seen_at=NOW, paused=True)
    ledger, mine = Ledger(database), await a_sender(database)
    found = await a_delivery(database, await a_run(database, **of_run), **of_delivery)
    assert await ledger.pending(NOW) is claimed
    assert await ledger.due(NOW) == claimed
    assert await ledger.claim(mine, NOW, 10) == ([found] if claimed else [])


async def test_nothing_is_claimed_while_halted(database: Database) -> None:
    ledger, switches, mine = Ledger(database), Switches(database), await a_sender(database)
    found = await a_delivery(database)
    await switches.halt(NOW)
    assert await ledger.claim(mine, NOW, 10) == []
    assert not await ledger.pending(NOW)
    await switches.unhalt()
    assert await ledger.claim(mine, NOW, 10) == [found]


async def test_more_runs_than_one_statement_looks_into(database: Database) -> None:
    ledger, mine = Ledger(database), await a_sender(database)
    person = await a_customer_row(database)
    wanted = [
        await a_delivery(database, await a_run(database, due_at=NOW - timedelta(minutes=99 - n)), person)
        for n in range(75)
    ]
    assert await ledger.claim(mine, NOW, 70) == wanted[:70]
    assert await ledger.claim(mine, NOW, 70) == wanted[70:]


async def test_released_rows_can_be_claimed_by_another(database: Database) -> None:
    ledger, one_sender, other = Ledger(database), await a_sender(database), await a_sender(database)
    found = await a_delivery(database)
    assert await ledger.claim(one_sender, NOW, 1) == [found]
    await ledger.release(other, [found])
    assert await ledger.claim(other, NOW, 1) == [], "nobody gives back what another holds"
    await ledger.release(one_sender, [found])
    assert await ledger.claim(other, NOW, 1) == [found]


async def test_a_fenced_sender_claims_nothing(database: Database) -> None:
    ledger, mine = Ledger(database), await a_sender(database, lease_seconds=-1)
    found = await a_delivery(database)
    await Senders(database).recover(NOW)
    with pytest.raises(Fenced):
        await ledger.claim(mine, NOW, 1)
    assert await claimed_by(database, found) is None


async def test_senders_of_one_process_never_share(database: Database) -> None:
    ledger = Ledger(database)
    await add_many(database, await a_run(database), 120)

    async def work() -> list[int]:
        mine, got = await a_sender(database), []
        while ids := await ledger.claim(mine, NOW, 7):
            got += ids
        return got

    claimed = [*chain(*await asyncio.gather(*(work() for _ in range(4))))]
    assert len(claimed) == len(set(claimed)) == 120


async def test_senders_of_two_processes_never_share(database: Database, database_url: str) -> None:
    await add_many(database, await a_run(database), 200)

    words = ["-m", "tests.store.claimer_process", database_url, NOW.isoformat()]
    both = [started.start(words, cwd=started.ROOT, env=started.environment()) for _ in range(2)]
    claimed = []
    for each in both:
        out, err = await asyncio.to_thread(each.communicate, 60)
        assert each.returncode == 0, err
        claimed += [int(word) for word in out.split()]
    assert len(claimed) == len(set(claimed)) == 200


async def test_a_relay_that_is_away_puts_off_what_is_due_and_counts_no_attempt(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.store.ledger.CHUNK", 10)
    ledger, mine = Ledger(database), await a_sender(database)
    first = await a_delivery(database, await a_run(database, priority=90))
    assert await ledger.claim(mine, NOW, 1) == [first]
    await add_many(database, await a_run(database), 25)
    later = await a_delivery(database, not_before=NOW + timedelta(hours=1))
    until = NOW + timedelta(minutes=1)
    assert await ledger.defer_due(NOW, until, "connection refused") == 25
    assert not await ledger.pending(NOW)
    assert await ledger.due(until) == 25
    rows = [await one(database, delivery, n) for n in (first, first + 1, later)]
    assert [row["state"] for row in rows] == [State.QUEUED, State.DEFERRED, State.QUEUED]
    assert (rows[1]["attempts"], rows[1]["reply"]) == (0, "connection refused")


async def test_a_lease_that_ran_out_is_lost_when_somebody_recovers_it(database: Database) -> None:
    senders = Senders(database)
    mine = await senders.register("h", 1, NOW, -1)
    found = await a_delivery(database)
    assert await senders.renew(mine, -1), "the database was away, and nobody missed us"
    assert await Ledger(database).claim(mine, NOW, 1) == [found]
    assert (await senders.recover(NOW)).released == 1
    assert not await senders.renew(mine, 30)
    assert not await senders.renew(mine + 1, 30)


async def test_only_of_some_runs_or_only_what_is_urgent(database: Database) -> None:
    ledger, mine = Ledger(database), await a_sender(database)
    letters, outage = await a_run(database), await a_run(database, "outage", purpose="service")
    wanted, other = [await a_delivery(database, letters) for _ in range(2)]
    notice = await a_delivery(database, outage)
    assert await ledger.claim(mine, NOW, 5, urgent=True) == [notice]
    assert await ledger.claim(mine, NOW, 5, runs=[outage]) == []
    assert await ledger.claim(mine, NOW, 1, runs=[letters, outage]) == [wanted]
    assert await ledger.claim(mine, NOW, 5) == [other]


async def test_the_claim_walks_its_index(sqlite_database: Database) -> None:
    async with sqlite_database.read() as connection:
        statement = str(claims._statement(8).compile(dialect=connection.dialect))
        nothing = (None,) * statement.count("?")
        plan = await connection.exec_driver_sql(f"explain query plan {statement}", nothing)
        steps = [row[3] for row in plan if "delivery" in row[3]]
    assert steps == ["SEARCH delivery USING INDEX ix_delivery_claim (run_id=? AND not_before<?)"] * 8
