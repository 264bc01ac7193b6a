"""A sender whose run goes wrong stops it, and gives back what has not left."""

from __future__ import annotations

import asyncio
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailer.core.delivery import Outcome, Phase, Refused, Reply
from mailer.core.message import Message
from mailer.core.policy import Rules, judge
from mailer.core.quiet import QuietHours
from mailer.errors import HeaderRefused, RenderError, StoreError
from mailer.flow.breaker import Breaker
from mailer.flow.work import Work
from mailer.store.breaker import Breakers
from mailer.store.engine import Database
from mailer.store.tables import run
from mailer.testing import FakeTransport
from tests.flow.test_send import Letters, held, loop, sent_all, states
from tests.store.rows import a_run, add_many, one

RULES = Rules(zone=ZoneInfo("Europe/Istanbul"), quiet=QuietHours.parse(""), seed="s")


class Slow(FakeTransport):
    async def send(self, message: Message, *given: Any, **hooks: Any) -> Outcome:
        await asyncio.sleep(0.002)
        return await super().send(message, *given, **hooks)


def watched(database: Database, told: list[str], **more: Any) -> Any:
    sending = loop(database, more.pop("relay", FakeTransport()), judge=lambda facts, now: judge(facts, RULES, now),
                   connections=2, **more)  # fmt: skip
    sending._breaker = Breaker(Breakers(database), told.append)
    return sending


async def test_a_refused_run_is_paused_before_all_of_it_has_left(database: Database) -> None:
    found = await a_run(database)
    await add_many(database, found, 900)
    told: list[str] = []
    await sent_all(
        watched(database, told, relay=Slow(lambda _message: Refused(Phase.RCPT, Reply(550, "no"))))
    )
    after = await states(database)
    assert after["failed"] >= 50
    assert after["queued"] > 0
    assert (await one(database, run, found))["state"] == "paused"
    assert len(told) == 1
    assert told[0].startswith(f"Run {found} is paused by a breaker: ")
    assert await held(database) == 0


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
        def compose(self, *_given: Any) -> Message:
            raise trouble

    await sent_all(watched(database, told, letters=Broken()))
    assert await states(database) == {"failed": 60}
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
    work, breaker = Work(1), Breaker(Port(), told.append)
    work.suspect(7)
    serving = asyncio.create_task(breaker.serve(work))
    async with asyncio.timeout(5):
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
    assert work.suspects == set()
