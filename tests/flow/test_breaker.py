"""A sender whose run goes wrong stops it, and gives back what has not left."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from mailer.core.delivery import Accepted, Outcome, Phase, Refused, Reply
from mailer.core.message import Draft, Message
from mailer.core.policy import Rules, judge
from mailer.core.quiet import QuietHours
from mailer.errors import HeaderRefused, RenderError, StoreError
from mailer.flow.breaker import Breaker
from mailer.flow.work import Work
from mailer.store.breaker import Breakers
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from mailer.store.tables import delivery, run
from mailer.testing import FakeTransport
from tests.flow.test_send import PATIENCE, Letters, held, loop, sent_all, states
from tests.store.rows import NOW, a_run, add_many, one

RULES = Rules(zone=ZoneInfo("Europe/Istanbul"), quiet=QuietHours.parse(""), seed="s")


def watched(database: Database, told: list[str], **more: Any) -> Any:
    more = {"connections": 2, "relay": FakeTransport(), **more}
    sending = loop(database, more.pop("relay"), judge=lambda facts, now: judge(facts, RULES, now), **more)
    sending._breaker = Breaker(Breakers(database), told.append, lambda: NOW)
    return sending


@pytest.mark.parametrize("connections", [1, 2, 5])
async def test_a_run_that_is_refused_by_a_quick_relay_is_paused_at_once(
    database: Database, connections: int
) -> None:
    found = await a_run(database)
    await add_many(database, found, 400)
    told: list[str] = []
    no = FakeTransport(lambda _message: Refused(Phase.RCPT, Reply(550, "no")))
    await sent_all(watched(database, told, relay=no, connections=connections))
    after = await states(database)
    assert set(after) == {"failed", "queued"}
    # What each connection had in hand when the fiftieth was refused: one message, and the next one's envelope.
    assert 50 <= after["failed"] <= 50 + 2 * connections
    assert len(no.tried) == after["failed"]
    assert (await one(database, run, found))["state"] == "paused"
    [said] = told
    counted = re.search(r"paused by a breaker: (\d+) of \1 attempts were refused", said)
    assert counted
    assert 50 <= int(counted[1]) <= after["failed"]
    assert await held(database) == 0


async def test_nothing_begins_while_a_look_is_owed(database: Database) -> None:
    found = await a_run(database)
    await add_many(database, found, 200)

    class Away(Breakers):
        troubles = 0

        async def look(self, run_ids: Any) -> dict[int, str]:
            if self.troubles < 3 and (await states(database)).get("failed", 0) >= 50:
                self.troubles += 1
                raise StoreError("the database is away")
            return await super().look(run_ids)

    told: list[str] = []
    no = FakeTransport(lambda _message: Refused(Phase.RCPT, Reply(550, "no")))
    sending, away = watched(database, told, relay=no), Away(database)
    sending._breaker = Breaker(away, told.append, lambda: NOW)
    await sent_all(sending)
    assert away.troubles == 3
    assert 50 <= len(no.tried) <= 50 + 2 * 2
    assert (await one(database, run, found))["state"] == "paused"
    assert len(told) == 1
    assert await held(database) == 0


async def test_a_sender_that_is_held_ends_when_told_to(database: Database) -> None:
    await add_many(database, await a_run(database), 200)
    stop = asyncio.Event()

    class Away:
        async def look(self, _run_ids: Any) -> dict[int, str]:
            if (await states(database)).get("failed", 0) >= 50:
                stop.set()
            raise StoreError("the database is away")

    no = FakeTransport(lambda _message: Refused(Phase.RCPT, Reply(550, "no")))
    sending = watched(database, [], relay=no)
    sending._breaker = Breaker(Away(), [].append, lambda: NOW)
    await asyncio.wait_for(sending.run(until_idle=False, stop=stop), PATIENCE)
    after = await states(database)
    assert set(after) == {"failed", "queued"}
    assert 50 <= after["failed"] <= 50 + 2 * 2
    assert await held(database) == 0


async def test_what_others_get_goes_on(database: Database) -> None:
    bad, good, notice = await a_run(database), await a_run(database), await a_run(database, purpose="service")
    for each in (bad, good, notice):
        await add_many(database, each, 150)
    async with database.read() as connection:
        ids = await connection.scalars(select(delivery.c.id).where(delivery.c.run_id.in_((bad, notice))))
        refused = {f"<{each}@k.example>" for each in ids}

    def answer(message: Message) -> Outcome:
        no = message.message_id in refused
        return Refused(Phase.RCPT, Reply(550, "no")) if no else Accepted(Reply(250))

    told: list[str] = []
    await sent_all(watched(database, told, relay=FakeTransport(answer), connections=4))
    counts = {each: (await Ledger(database).tallies([each]))[each] for each in (bad, good, notice)}
    assert 50 <= counts[bad].failed <= 50 + 2 * 4
    assert counts[bad].queued == 150 - counts[bad].failed
    assert (counts[good].sent, counts[notice].failed) == (150, 150)
    assert [each.split()[1] for each in told] == [str(bad)]


@pytest.mark.parametrize(
    ("trouble", "state"),
    [
        pytest.param(RenderError("no such name"), "paused", id="cannot be made"),
        pytest.param(HeaderRefused("a line break"), "queued", id="held back at the header gate"),
    ],
)
async def test_only_what_cannot_be_made_counts(database: Database, trouble: Exception, state: str) -> None:
    found = await a_run(database)
    await add_many(database, found, 60)
    told: list[str] = []

    class Broken(Letters):
        def draft(self, *_given: Any) -> Draft:
            raise trouble

    await sent_all(watched(database, told, letters=Broken()))
    after = await states(database)
    if state == "paused":
        assert after == {"failed": after["failed"], "queued": 60 - after["failed"]}
        assert 50 <= after["failed"] <= 50 + 2 * 2
    else:
        assert after == {"failed": 60}
    row = await one(database, run, found)
    assert row["state"] == state or (state == "queued" and row["state"] == "running")
    assert [each.startswith(f"Run {found} is paused by a breaker: ") for each in told] == [
        True for _told in range(state == "paused")
    ]


async def test_a_look_that_fails_or_comes_too_early_is_taken_again() -> None:
    looks: list[list[int]] = []

    class Port:
        async def look(self, run_ids: Any) -> dict[int, str]:
            looks.append(list(run_ids))
            if len(looks) == 1:
                raise StoreError("the database is away")
            return {7: "breaker: so it is"} if len(looks) == 3 else {}

    told: list[str] = []
    work, breaker = Work(1), Breaker(Port(), told.append, lambda: NOW)
    work.suspect(7)
    serving = asyncio.create_task(breaker.serve(work))
    async with asyncio.timeout(PATIENCE):
        while len(looks) < 1:  # noqa: ASYNC110 -- nothing tells of a look
            await asyncio.sleep(0.01)
        work.writing = True  # an outcome is on its way to the database
        while len(looks) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        work.writing = False
        while not told:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    serving.cancel()
    assert looks == [[7]] * 3
    assert not work.suspects
