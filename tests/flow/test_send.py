"""One sender against the real ledger: outcomes become states, and trouble anywhere loses nobody."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select, update

from mailer.core.delivery import Accepted, InDoubt, Outcome, Phase, Refused, Reply, TryLater
from mailer.core.handoff import Drop, Finish, Go, HandoffFacts, SendJob, Start, Verdict
from mailer.core.message import Draft, Letter, Message, Rendered
from mailer.errors import Fenced, HeaderRefused, NotRepresentable, RelayError, RenderError, StoreError
from mailer.flow.connection import SessionPort, Tools
from mailer.flow.send import SenderConfig, SendLoop
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from mailer.store.senders import Senders
from mailer.store.tables import claim, delivery, run, sender
from mailer.testing import FakeTransport
from tests.flow import journals
from tests.store.rows import NOW, a_customer_row, a_delivery, a_run, add_many, one

PATIENCE = 60.0
DOWN = TryLater(Phase.CONNECT, detail="connection refused")


class Letters:
    """Makes messages; `trouble` says what is wrong with which address."""

    def __init__(self, trouble: dict[str, Exception] | None = None) -> None:
        self.trouble = trouble or {}
        self.idle = asyncio.Event()

    async def prepare(self, jobs: Sequence[SendJob]) -> None: ...
    async def foresee(self) -> None:
        self.idle.set()

    def message_id(self, job: SendJob) -> str:
        return job.message_id or f"<{job.delivery_id}@k.example>"

    def draft(self, job: SendJob, now: datetime) -> Draft:
        if job.email in self.trouble:
            raise self.trouble[job.email]
        return Rendered("", ""), Letter("", "shop@k.example", "", job.email, self.message_id(job), now)

    def put_together(self, draft: Draft) -> Message:
        _, letter = draft
        return Message(letter.from_address, letter.to_address, b"x\r\n", letter.message_id)


class Flaky(Ledger):
    """A ledger whose database goes away: `before` a call it never takes place, `after` nobody hears it did."""

    def __init__(self, database: Database, *, before: dict[str, int] | None = None,
                 after: dict[str, int] | None = None) -> None:  # fmt: skip
        super().__init__(database)
        self.before, self.after = before or {}, after or {}
        self.troubles = 0

    def _trouble(self, left: dict[str, int], name: str) -> None:
        if left.get(name, 0) > 0:
            left[name] -= 1
            self.troubles += 1
            raise StoreError("the database is away")

    async def _call(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        self._trouble(self.before, name)
        answer = await call()
        self._trouble(self.after, name)
        return answer

    async def claim(self, *given: Any, **named: Any) -> list[int]:
        return list(await self._call("claim", lambda: super(Flaky, self).claim(*given, **named)))

    async def load(self, ids: Sequence[int]) -> list[SendJob]:
        return list(await self._call("load", lambda: super(Flaky, self).load(ids)))

    async def release(self, sender_id: int, ids: Sequence[int]) -> None:
        await self._call("release", lambda: super(Flaky, self).release(sender_id, ids))

    async def advance(
        self,
        sender_id: int,
        now: Any,
        finished: Sequence[Finish],
        starting: Sequence[Start],
        judge: Callable[[HandoffFacts], Verdict],
    ) -> dict[int, Verdict]:
        name = "outcome" if finished else "mark"
        found: dict[int, Verdict] = await self._call(
            name, lambda: super(Flaky, self).advance(sender_id, now, finished, starting, judge)
        )
        return found


def go(_facts: HandoffFacts, now: object) -> Verdict:
    return Go()


def loop(
    database: Database,
    relay: SessionPort | Callable[[], SessionPort],
    *,
    ledger: Ledger | None = None,
    letters: Letters | None = None,
    judge: Callable[..., Verdict] = go,
    connections: int = 3,
) -> SendLoop:
    return SendLoop(
        ledger=ledger or Ledger(database),
        senders=Senders(database),
        tools=Tools(
            letters or Letters(), relay if callable(relay) else lambda: relay, lambda: NOW, lambda: 0.5
        ),
        judge=judge,
        config=SenderConfig(connections=connections, claim_size=50, host="h", pid=1),
        open_journal=journals.create,
    )


async def sent_all(sending: SendLoop) -> None:
    await asyncio.wait_for(sending.run(until_idle=True, stop=asyncio.Event()), PATIENCE)


async def states(database: Database) -> dict[str, int]:
    async with database.read() as connection:
        rows = await connection.execute(select(delivery.c.state, func.count()).group_by(delivery.c.state))
        return {row[0]: row[1] for row in rows}


async def held(database: Database) -> int:
    """Deliveries still held, and senders still signed on: at rest neither."""
    async with database.read() as connection:
        begun = select(func.count()).where(delivery.c.sender_id.is_not(None))
        rest = [select(func.count()).select_from(each) for each in (claim, sender)]
        return sum([int(await connection.scalar(each) or 0) for each in (begun, *rest)])


async def test_a_large_run_goes_out_once_each_and_nothing_stays_held(database: Database) -> None:
    await add_many(database, await a_run(database), 230)
    relay = FakeTransport()
    await sent_all(loop(database, relay, connections=4))
    assert await states(database) == {"sent": 230}
    assert len({message.rcpt_to for message in relay.tried}) == len(relay.tried) == 230
    assert await held(database) == 0
    assert relay.closed == 4


async def test_where_the_database_is_far_away_waves_are_large(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.flow.waves.AHEAD_SECONDS", 0.03)
    await add_many(database, await a_run(database), 230)
    waves = 0

    class Far(Ledger):
        async def advance(self, *given: Any) -> dict[int, Verdict]:
            nonlocal waves
            waves += 1
            await asyncio.sleep(0.1)  # longer than what is marked ahead is to last
            return await super().advance(*given)

    await sent_all(loop(database, FakeTransport(), ledger=Far(database), connections=4))
    assert await states(database) == {"sent": 230}
    assert waves < 230 / 4 / 2, "not one for each handful of connections that wait"


@pytest.mark.parametrize(
    ("purpose", "outcome", "row"),
    [
        pytest.param("commercial", Accepted(Reply(250, "queued")),
                     {"state": "sent", "sent_at": NOW, "reply": "250 queued", "attempts": 1}, id="accepted"),
        pytest.param("commercial", TryLater(Phase.RCPT, Reply(451, "later")),
                     {"state": "deferred", "not_before": NOW + timedelta(minutes=1), "attempts": 1}, id="451"),
        pytest.param("commercial", Refused(Phase.RCPT, Reply(550, "no")),
                     {"state": "failed", "reason": "refused", "phase": "rcpt"}, id="550"),
        pytest.param("commercial", InDoubt("cut"), {"state": "in_doubt", "phase": "dot"}, id="doubt, commercial"),
        pytest.param("service", InDoubt("cut"),
                     {"state": "queued", "not_before": NOW + timedelta(minutes=1)}, id="doubt, service"),
    ],
)  # fmt: skip
async def test_an_outcome_becomes_a_state(
    database: Database, purpose: str, outcome: Outcome, row: dict[str, Any]
) -> None:
    found = await a_delivery(database, purpose=purpose)
    await sent_all(loop(database, FakeTransport(lambda _message: outcome)))
    after = await one(database, delivery, found)
    assert {name: after[name] for name in row} == row
    assert after["message_id"] == f"<{found}@k.example>"
    assert await held(database) == 0


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        pytest.param(RenderError("no such name"), "render", id="template"),
        pytest.param(HeaderRefused("a line break"), "header", id="header"),
        pytest.param(NotRepresentable("not ASCII"), "not_representable", id="address"),
        pytest.param(KeyError("surprise"), "render", id="anything else"),
    ],
)
async def test_one_that_cannot_be_made_fails_alone(
    database: Database, trouble: Exception, reason: str
) -> None:
    of = await a_run(database)
    rows = [await a_delivery(database, of, await a_customer_row(database, f"p{index}")) for index in range(9)]
    letters = Letters({"p4@shop.example": trouble})
    await sent_all(loop(database, FakeTransport(), letters=letters))
    after = await one(database, delivery, rows[4])
    assert (after["state"], after["reason"], after["attempts"]) == ("failed", reason, 0)
    assert await states(database) == {"sent": 8, "failed": 1}


async def test_what_this_relay_cannot_carry_fails_although_it_was_begun(database: Database) -> None:
    found = await a_delivery(database)

    def refuse(_message: Message) -> Outcome:
        raise NotRepresentable("no SMTPUTF8")

    await sent_all(loop(database, FakeTransport(refuse)))
    after = await one(database, delivery, found)
    assert (after["state"], after["reason"]) == ("failed", "not_representable")


async def test_a_relay_that_is_down_puts_everything_off_once_and_the_loop_ends(database: Database) -> None:
    await add_many(database, await a_run(database), 120)
    relay = FakeTransport()
    relay.down = DOWN
    await sent_all(loop(database, relay, connections=4))
    assert await states(database) == {"deferred": 120}
    async with database.read() as connection:
        waits = list(await connection.scalars(select(delivery.c.not_before)))
        tries = set(await connection.scalars(select(delivery.c.attempts)))
    assert min(waits) >= NOW + timedelta(seconds=30)
    assert tries == {0}
    assert relay.tried == []
    assert await held(database) == 0


async def test_a_relay_that_goes_away_in_the_middle_keeps_what_it_took(database: Database) -> None:
    await add_many(database, await a_run(database), 60)
    relay = FakeTransport(lambda _message: Accepted(Reply(250)) if len(relay.tried) <= 20 else DOWN)
    await sent_all(loop(database, relay))
    after = await states(database)
    assert after == {"sent": 20, "deferred": 40}
    assert await held(database) == 0


async def test_a_relay_with_room_for_fewer_connections_than_ours_is_not_down(database: Database) -> None:
    await add_many(database, await a_run(database), 60)
    room, relay = [2], FakeTransport()

    class Crowded(FakeTransport):
        inside = False

        async def ready(self) -> TryLater | None:
            if not self.inside and room[0] == 0:
                return TryLater(Phase.CONNECT, Reply(421, "too many connections"))
            room[0] -= not self.inside
            self.inside = True
            return None

        async def send(self, message: Message, *given: Any, **hooks: Any) -> Outcome:
            await asyncio.sleep(0.001)
            return await relay.send(message, *given, **hooks)

    await sent_all(loop(database, Crowded, connections=5))
    assert await states(database) == {"sent": 60}
    assert len(relay.sent) == 60
    assert await held(database) == 0


@pytest.mark.parametrize(("times", "after"), [(1, {"sent": 6}), (2, {"sent": 5, "deferred": 1})])
async def test_a_mail_whose_mark_grew_old_before_it_began_is_due_at_once_but_once_only(
    database: Database, monkeypatch: pytest.MonkeyPatch, times: int, after: dict[str, int]
) -> None:
    await add_many(database, await a_run(database), 6)
    late = [0.0]
    monkeypatch.setattr("mailer.flow.mark.MARK_SECONDS", 600.0)  # the machine's own pauses make no mark old
    monkeypatch.setattr(
        "mailer.flow.mark.time", SimpleNamespace(monotonic=lambda: time.monotonic() + late[0])
    )
    slow = ["", *["<1@k.example>"] * times]

    class Slow(FakeTransport):
        async def send(self, message: Message, *given: Any, **hooks: Any) -> Outcome:
            if slow[-1] == message.message_id:
                slow.pop()
                late[0] = 6000.0
            try:
                return await super().send(message, *given, **hooks)
            finally:
                late[0] = 0.0

    await sent_all(loop(database, Slow()))
    assert await states(database) == after
    assert await held(database) == 0


async def test_a_relay_that_refuses_our_name_leaves_everything_queued(database: Database) -> None:
    await add_many(database, await a_run(database), 40)

    class Closed(FakeTransport):
        async def ready(self) -> TryLater | None:
            raise RelayError("535 authentication failed")

    with pytest.raises(RelayError, match="535"):
        await sent_all(loop(database, Closed()))
    assert await states(database) == {"queued": 40}
    assert await held(database) == 0


async def test_a_relay_that_refuses_our_name_when_reached_anew_leaves_nothing_in_doubt(
    database: Database,
) -> None:
    await add_many(database, await a_run(database), 20)

    def refuse(_message: Message) -> Outcome:
        raise RelayError("535 authentication failed")

    with pytest.raises(RelayError):
        await sent_all(loop(database, FakeTransport(refuse)))
    assert set(await states(database)) <= {"queued", "deferred"}
    assert await held(database) == 0


@pytest.mark.parametrize("when", ["before", "after"])
async def test_outcomes_wait_for_the_database_and_nothing_new_starts(database: Database, when: str) -> None:
    await add_many(database, await a_run(database), 12)
    ledger = Flaky(database, **{when: {"outcome": 3}})
    tried_then: list[int] = []

    class Watched(Flaky):
        def _trouble(self, left: dict[str, int], name: str) -> None:
            try:
                super()._trouble(left, name)
            except StoreError:
                tried_then.append(len(relay.tried))
                raise

    ledger = Watched(database, **{when: {"outcome": 3}})
    relay = FakeTransport()
    await sent_all(loop(database, relay, ledger=ledger, connections=1))
    assert ledger.troubles == 3
    assert set(tried_then) == {1}  # no DATA between the first trouble and the last
    assert await states(database) == {"sent": 12}
    assert len(relay.tried) == 12


async def test_a_fenced_sender_ends_though_a_connection_missed_its_cancellation(database: Database) -> None:
    await add_many(database, await a_run(database), 30)

    class Deaf(FakeTransport):
        asked = 0

        async def ready(self) -> TryLater | None:
            self.asked += 1
            if self.asked > 1:  # the second connection is still on its way when the first is told
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(PATIENCE)
            return await super().ready()

        async def send(self, _message: Message, *_given: Any, **_hooks: Any) -> Outcome:
            raise Fenced("as if it had been")

    with pytest.raises(Fenced):
        await sent_all(loop(database, Deaf(), connections=2))


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_mark_that_is_not_known_to_be_durable_starts_nothing(database: Database, when: str) -> None:
    found = await a_delivery(database)
    relay = FakeTransport()
    ledger = Flaky(database, **{when: {"mark": 1}})
    await sent_all(loop(database, relay, ledger=ledger, connections=1))
    after = await one(database, delivery, found)
    assert after["state"] == "sent"
    assert len(relay.tried) == 1


@pytest.mark.parametrize(("call", "when"), [("claim", "before"), ("claim", "after"), ("load", "before")])
async def test_a_database_away_between_two_chunks_loses_no_outcome_and_no_delivery(
    database: Database, call: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.flow.claiming.STORE_LOOK", 0.05)
    await add_many(database, await a_run(database), 70)
    relay = FakeTransport()
    ledger = Flaky(database, **{when: {call: 0}})
    sending = loop(database, relay, ledger=ledger)
    trouble = ledger.before if when == "before" else ledger.after

    def answer(_message: Message) -> Outcome:
        if len(relay.tried) == 10:
            trouble[call] = 2  # the next chunk is asked for while these are being written down
        return Accepted(Reply(250))

    relay._answer = answer
    await sent_all(sending)
    assert ledger.troubles == 2
    assert await states(database) == {"sent": 70}
    assert len(relay.tried) == 70
    assert await held(database) == 0


async def test_a_fenced_sender_stops_and_starts_nothing_more(database: Database) -> None:
    await add_many(database, await a_run(database), 30)
    recovered = False

    class Frozen(FakeTransport):
        async def send(self, message: Message, *given: Any, **hooks: Any) -> Outcome:
            nonlocal recovered
            while len(self.tried) == 5 and not recovered:  # one that is just committing is left alone
                async with database.write() as connection:
                    await connection.execute(update(sender).values(lease_until=0.0))
                recovered = bool((await Senders(database).recover(NOW)).in_doubt)
            await asyncio.sleep(0.05)  # so slow a relay that not everything is marked ahead
            return await super().send(message, *given, **hooks)

    relay = Frozen()
    with pytest.raises(Fenced):
        await sent_all(loop(database, relay, connections=1))
    assert recovered
    async with database.read() as connection:
        free = select(delivery.c.message_id).where(delivery.c.state == "queued")
        assert len((await connection.scalars(free)).all()) > 0
        kept = select(delivery.c.id).where(delivery.c.state.in_(["sent", "in_doubt"]))
        kept_ids = {f"<{each}@k.example>" for each in await connection.scalars(kept)}
    assert {
        message.message_id for message in relay.tried
    } <= kept_ids  # nothing begun that was given to others


async def test_a_lease_that_ran_out_on_our_own_clock_holds_data_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await a_delivery(database)
    monkeypatch.setattr("mailer.flow.send.LEASE_SECONDS", 0.0)
    relay, stop = FakeTransport(), asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, stop.set)
    await asyncio.wait_for(loop(database, relay).run(until_idle=True, stop=stop), PATIENCE)
    assert relay.tried == []
    assert (await one(database, delivery, found))["state"] == "queued"


async def test_asked_to_stop_it_finishes_what_was_begun_and_gives_the_rest_back(database: Database) -> None:
    await add_many(database, await a_run(database), 200)
    stop = asyncio.Event()

    class Slow(FakeTransport):
        async def send(self, message: Message, *given: Any, **hooks: Any) -> Outcome:
            if len(self.tried) >= 8:
                stop.set()
            await asyncio.sleep(0.05 if stop.is_set() else 0.01)
            return await super().send(message, *given, **hooks)

    relay = Slow()
    await asyncio.wait_for(loop(database, relay, connections=2).run(until_idle=False, stop=stop), PATIENCE)
    after = await states(database)
    assert after == {"sent": len(relay.sent), "queued": 200 - len(relay.sent)}
    assert (
        len(relay.sent) < 100
    )  # the rest would have taken two seconds more: a busy machine has that long to hear
    assert await held(database) == 0


async def test_it_waits_for_work_until_it_is_told_to_stop(database: Database) -> None:
    stop = asyncio.Event()

    def answer(_message: Message) -> Outcome:
        stop.set()
        return Accepted(Reply(250))

    letters = Letters()
    waits = loop(database, FakeTransport(answer), letters=letters)
    running = asyncio.create_task(waits.run(until_idle=False, stop=stop))
    await asyncio.wait_for(letters.idle.wait(), PATIENCE)  # it has looked, and found nothing
    await a_delivery(database)
    await asyncio.wait_for(running, PATIENCE)
    assert await states(database) == {"sent": 1}


async def test_what_the_last_look_drops_never_reaches_the_relay(database: Database) -> None:
    gone, left = await a_delivery(database, priority=1), await a_delivery(database)

    def judge(facts: HandoffFacts, now: object) -> Verdict:
        return Drop("skipped", "unsubscribed") if facts.priority == 1 else Go()  # type: ignore[arg-type]

    relay = FakeTransport()
    await sent_all(loop(database, relay, judge=judge))
    assert [message.message_id for message in relay.sent] == [f"<{left}@k.example>"]
    assert (await one(database, delivery, gone))["reason"] == "unsubscribed"


async def test_two_senders_at_once_send_each_once(database: Database) -> None:
    await add_many(database, await a_run(database), 150)
    relay = FakeTransport()
    await asyncio.gather(*(sent_all(loop(database, relay)) for _ in range(2)))
    assert len(relay.tried) == len({message.rcpt_to for message in relay.tried}) == 150
    assert await states(database) == {"sent": 150}


async def test_an_outage_notice_goes_before_the_newsletter(database: Database) -> None:
    await add_many(database, await a_run(database, "newsletter", priority=20), 60)
    notice = await a_run(database, "outage", priority=100, purpose="service")
    await add_many(database, notice, 5)
    relay = FakeTransport()
    await sent_all(loop(database, relay, connections=1))
    async with database.read() as connection:
        urgent = set(await connection.scalars(select(delivery.c.email).where(delivery.c.run_id == notice)))
        assert await connection.scalar(select(run.c.state).where(run.c.id == notice)) == "running"
    assert {message.rcpt_to for message in relay.tried[:5]} == urgent


async def test_what_is_more_urgent_overtakes_what_was_claimed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.flow.claiming.OVERTAKE_SECONDS", 0.05)
    bulk = await a_run(database, priority=20)
    await add_many(database, bulk, 40)
    urgent: list[int] = []

    class Slow(FakeTransport):
        async def send(self, message: Message, *given: Any, **hooks: Any) -> Outcome:
            if len(self.tried) == 3:
                of = await a_run(database, campaign="outage", priority=100, purpose="service")
                urgent.append(await a_delivery(database, of, purpose="service", priority=100))
            await asyncio.sleep(0.05)
            return await super().send(message, *given, **hooks)

    relay = Slow()
    await sent_all(loop(database, relay, connections=1))
    order = [message.message_id for message in relay.tried]
    assert (
        order.index(f"<{urgent[0]}@k.example>") < 12
    )  # not behind the twenty that were claimed with the first
    assert await states(database) == {"sent": 41}
    assert len(set(order)) == len(order) == 41
