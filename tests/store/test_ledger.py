from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from mailer.core.delivery import Accepted, InDoubt, Phase, Refused, Reply, State, Tally, TryLater
from mailer.core.handoff import CouponView, Drop, Finish, Go, HandoffFacts, Start, Verdict, Wait
from mailer.errors import Fenced
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from mailer.store.senders import Senders
from mailer.store.tables import coupon, delivery, delivery_event, sender
from mailer.store.tables import run as run_table
from tests.store.rows import (
    NOW,
    a_coupon,
    a_customer_row,
    a_delivery,
    a_run,
    a_sender,
    add_many,
    one,
)


async def test_a_job_brings_all_a_render_needs_in_the_order_of_the_claim(database: Database) -> None:
    person = await a_customer_row(
        database, "ayse", first_name="Ayşe", services=["fibre"], attributes={"size": 38}, zone="Asia/Tokyo",
        created_at=NOW, locale="tr",
    )  # fmt: skip
    of = await a_run(database, content={"posts": [1]}, occurrence="2027-05-10")
    rich = await a_delivery(database, of, person, context={"x": 1}, expires_at=NOW, email="old@shop.example")
    plain = await a_delivery(database, of)
    await a_coupon(database, rich, code="DG-ABCDEFGH", valid_until=date(2027, 6, 9))
    await a_coupon(database, plain, state="released")
    jobs = await Ledger(database).load([plain, rich, 999])
    assert [job.delivery_id for job in jobs] == [plain, rich]
    assert jobs[0].coupon is None
    assert (jobs[0].context, jobs[0].zone) == ({}, None)
    job = jobs[1]
    assert job.coupon == CouponView("DG-ABCDEFGH", percent=20, valid_until=date(2027, 6, 9))
    assert (job.occurrence, job.content, job.context) == ("2027-05-10", {"posts": [1]}, {"x": 1})
    assert (job.email, job.customer.email) == ("old@shop.example", "ayse@shop.example")
    assert (job.customer.id, job.customer_key, job.customer.created_at) == ("ayse", person, NOW)
    assert (job.customer.services, job.customer.attributes) == (("fibre",), {"size": 38})
    assert (job.zone, job.planned_at, job.expires_at) == ("Asia/Tokyo", NOW, NOW)


async def test_the_listing_is_whole_however_long(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailer.store.ledger.CHUNK", 10)
    ledger = Ledger(database)
    of = await a_run(database, "offer", occurrence="manual:1")
    await add_many(database, of, 25)
    person = await a_customer_row(database, "ayse")
    last = await a_delivery(
        database, await a_run(database, "welcome"), person, state="failed", reason="refused"
    )
    everything = [row async for row in ledger.list()]
    assert [row["id"] for row in everything] == sorted(row["id"] for row in everything)
    assert len(everything) == 26
    assert list(everything[0]) == [
        "id", "campaign", "occurrence", "customer", "address", "state", "reason", "attempts", "message_id",
        "due_at", "sent_at", "reply",
    ]  # fmt: skip
    for filters in ({"campaign": "welcome"}, {"state": "failed"}, {"customer_id": "ayse"}):
        assert [row["id"] async for row in ledger.list(**filters)] == [last]
    assert len([row async for row in ledger.list(run_id=of, state="queued")]) == 25
    assert [row async for row in ledger.list(campaign="nobody")] == []


@pytest.mark.parametrize(
    ("of_run", "states", "finished"),
    [
        pytest.param({}, ["sent", "failed", "skipped", "cancelled", "expired"], True, id="all terminal"),
        pytest.param({"state": "running"}, ["sent", "in_doubt"], True, id="commercial doubt ends it"),
        pytest.param({"purpose": "service"}, ["in_doubt"], False, id="service doubt does not"),
        pytest.param({}, ["sent", "deferred"], False, id="deferred"),
        pytest.param({}, ["sent", "queued"], False, id="queued"),
        pytest.param({}, ["sending"], False, id="sending"),
        pytest.param({}, [], True, id="nobody in it"),
        pytest.param({"closes_at": NOW + timedelta(hours=1)}, ["sent"], False, id="others may fall due"),
        pytest.param({"state": "planning"}, ["sent"], False, id="not whole"),
        pytest.param({"state": "paused"}, ["sent"], False, id="paused"),
    ],
)
async def test_when_a_run_is_finished(
    database: Database, of_run: dict[str, object], states: list[str], finished: bool
) -> None:
    of = await a_run(database, **of_run)
    for state in states:
        await a_delivery(database, of, state=state)
    ledger = Ledger(database)
    assert await ledger.finish_runs(NOW) == ([of] if finished else [])
    assert await ledger.finish_runs(NOW) == []
    row = await one(database, run_table, of)
    assert row["finished_at"] == (NOW if finished else None)


OUTCOMES = [
    Accepted(Reply(250)),
    TryLater(Phase.RCPT, Reply(451)),
    Refused(Phase.RCPT, Reply(550)),
    InDoubt("cut"),
]
VERDICTS = [Go(), Go(), Go(), Drop(State.SKIPPED, "unsubscribed"), Drop(State.EXPIRED, None), Wait(None)]
STEPS = ["claim", "start", "finish", "finish", "die", "recover", "release", "later"]


class Play:
    """Senders doing anything in any order; the world outside keeps count of what left."""

    def __init__(self, database: Database, of: int, seed: int) -> None:
        self.database, self.of, self.random = database, of, Random(seed)  # noqa: S311 (a test's dice)
        self.ledger, self.senders = Ledger(database), Senders(database)
        self.now = NOW
        self.held: dict[int, list[int]] = {}  # by living sender
        self.going: dict[int, list[int]] = {}
        self.left: dict[int, int] = {}  # hand-offs the relay saw, by delivery
        self.doubted: set[int] = set()

    def judge(self, _facts: HandoffFacts) -> Verdict:
        return self.random.choice(VERDICTS)

    async def step(self, name: str) -> None:
        if not self.held:
            mine = await a_sender(self.database)
            self.held[mine], self.going[mine] = [], []
        await getattr(self, f"_{name}")(self.random.choice(list(self.held)))

    async def _claim(self, mine: int) -> None:
        got = await self.ledger.claim(mine, self.now, 3)
        everybody = [wanted for ids in (*self.held.values(), *self.going.values()) for wanted in ids]
        assert not set(got) & set(everybody), "two hold one delivery"
        self.held[mine] += got

    async def _start(self, mine: int) -> None:
        starting, self.held[mine] = self.held[mine][:2], self.held[mine][2:]
        starts = [Start(found, f"<{found}@x>") for found in starting]
        verdicts = await self.ledger.advance(mine, self.now, [], starts, self.judge)
        self.going[mine] += [found for found, verdict in verdicts.items() if isinstance(verdict, Go)]

    async def _finish(self, mine: int) -> None:
        done, self.going[mine] = self.going[mine], []
        ends = []
        for found in done:
            outcome = self.random.choice(OUTCOMES)
            if isinstance(outcome, (Accepted, InDoubt)):
                self.left[found] = self.left.get(found, 0) + 1
            if isinstance(outcome, InDoubt):
                self.doubted.add(found)
            again = self.random.choice([None, self.now + timedelta(minutes=1)])
            ends.append(Finish(found, self.now, outcome, next_attempt=again))
        await self.ledger.advance(mine, self.now, ends, [], self.judge)

    async def _die(self, mine: int) -> None:
        async with self.database.write() as connection:
            await connection.execute(update(sender).where(sender.c.id == mine).values(lease_until=0.0))
        for found in self.going.pop(mine):
            self.left[found] = self.left.get(found, 0) + self.random.choice([0, 1])
            self.doubted.add(found)
        held = self.held.pop(mine)
        await self.senders.recover(self.now)
        with pytest.raises(Fenced):
            await self.ledger.advance(
                mine, self.now, [], [Start(found, "<m@x>") for found in held], self.judge
            )

    async def _recover(self, _mine: int) -> None:
        await self.senders.recover(self.now)

    async def _release(self, mine: int) -> None:
        ids, self.held[mine] = self.held[mine], []
        await self.ledger.release(mine, ids)

    async def _later(self, _mine: int) -> None:
        self.now += timedelta(minutes=1)

    async def end(self) -> Tally:
        """Let everything come to rest."""
        for mine in list(self.held):
            await self._finish(mine)
            await self.senders.retire(mine, self.now)
        self.held, self.going = {}, {}
        await self.senders.recover(self.now)
        while await self.ledger.pending(self.now + timedelta(hours=1)):
            self.now += timedelta(minutes=1)
            mine = await a_sender(self.database)
            self.held[mine], self.going[mine] = [], []
            for act in (self._claim, self._start, self._finish):
                await act(mine)
            await self.senders.retire(mine, self.now)
            self.held, self.going = {}, {}
        assert await self.ledger.finish_runs(self.now) == [self.of]
        return (await self.ledger.tallies([self.of]))[self.of]


async def play(database: Database, purpose: str, steps: list[str], seed: int) -> None:
    async with database.write() as connection:
        for table in (delivery_event, coupon, delivery, run_table, sender):
            await connection.execute(delete(table))
    of = await a_run(database, purpose=purpose)
    await add_many(database, of, 6)
    game = Play(database, of, seed)
    for step in steps:
        await game.step(step)
        tally = (await game.ledger.tallies([of]))[of]
        counted = sum(getattr(tally, name) for name in Tally.__dataclass_fields__) - tally.audience
        assert counted == tally.audience == 6
    end = await game.end()
    assert end.audience == end.sent + end.failed + end.skipped + end.cancelled + end.expired + end.in_doubt
    async for row in game.ledger.list(run_id=of):
        left = game.left.get(row["id"], 0)
        if row["state"] == State.SENT:
            assert left >= 1
        elif row["id"] not in game.doubted:
            assert left == 0
        if left > 1:
            assert row["id"] in game.doubted, "a duplicate that nobody was told of"
            assert purpose == "service", "commercial mail is never sent twice"


@pytest.mark.parametrize("purpose", ["commercial", "service"])
@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(steps=st.lists(st.sampled_from(STEPS), max_size=25), seed=st.integers(0, 2**32))
async def test_the_equation_holds_whatever_senders_do(
    database: Database, purpose: str, steps: list[str], seed: int
) -> None:
    await play(database, purpose, steps, seed)
