"""Paced senders against the real ledger: never too much of a domain, nobody waits for another's, nobody is lost."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy import select, update

from mailer.core.delivery import Accepted, Outcome, Phase, Reply, Skip, State, TryLater
from mailer.core.handoff import Drop, Go, HandoffFacts, Verdict
from mailer.core.message import Message
from mailer.core.throttle import Pacing, WarmUp
from mailer.errors import StoreError
from mailer.flow.connection import Tools
from mailer.flow.gate import Gate
from mailer.flow.pacer import Pacer
from mailer.flow.send import SenderConfig, SendLoop
from mailer.flow.warm import WarmUpDays
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from mailer.store.pace import Paces
from mailer.store.senders import Senders
from mailer.store.tables import delivery, pace, pace_slot, warm_day
from mailer.testing import FakeTransport
from tests.flow import journals
from tests.flow.test_send import Flaky, Letters, go, held, states
from tests.store.rows import NOW, a_customer_row, a_delivery, a_run

PATIENCE = 60.0


class Post(FakeTransport):
    """Notes when each mail came, and how many were on their way at the same time."""

    def __init__(
        self, answer: Callable[[Message], Outcome] = lambda _m: Accepted(Reply(250)), wait: float = 0.005
    ) -> None:
        super().__init__(answer)
        self.wait = wait
        self.came = asyncio.Event()
        self.times: list[tuple[float, str]] = []
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def send(self, message: Message, *given: Any, **hooks: Any) -> Outcome:
        domain = message.rcpt_to.rpartition("@")[2]
        self.times.append((time.monotonic(), domain))
        self.came.set()
        self.now[domain] += 1
        self.most[domain] = max(self.most[domain], self.now[domain])
        await asyncio.sleep(self.wait)
        self.now[domain] -= 1
        return await super().send(message, *given, **hooks)

    async def reached(self, domain: str, number: int) -> None:
        while len(self.of(domain)) < number:
            self.came.clear()
            await self.came.wait()

    def of(self, domain: str) -> list[float]:
        return [moment for moment, at in self.times if at == domain]


def sender(
    database: Database,
    post: FakeTransport,
    pacing: Pacing,
    *,
    told: list[str] | None = None,
    ledger: Ledger | None = None,
    judge: Callable[[HandoffFacts, Any], Verdict] = go,
    connections: int = 4,
) -> SendLoop:
    tell = (told if told is not None else []).append
    ledger, paces, zone = ledger or Ledger(database), Paces(database), NOW.tzinfo
    warm_up = WarmUpDays(paces, pacing.warm_up, zone, tell) if pacing.warm_up else None  # type: ignore[arg-type]
    return SendLoop(
        ledger=ledger,
        senders=Senders(database),
        tools=Tools(Letters(), lambda: post, lambda: NOW, lambda: 0.5),
        judge=judge,
        config=SenderConfig(connections=connections, claim_size=50, host="h", pid=1),
        open_journal=journals.create,
        pacer=Pacer(
            port=paces,
            ledger=ledger,
            gate=Gate(pacing.limit),
            purses=[],
            warm_up=warm_up,
            clock=lambda: NOW,
            tell=tell,
        ),
    )


def paced(**domains: dict[str, float]) -> Pacing:
    return Pacing.model_validate({"domains": {f"{name}.example": pace for name, pace in domains.items()}})


async def waiting(database: Database, **numbers: int) -> None:
    of = await a_run(database)
    for name, number in numbers.items():
        for each in range(number):
            customer = await a_customer_row(database, f"{name}{each}", email=f"c{each}@{name}.example")
            await a_delivery(database, of, customer)


async def done(*senders: SendLoop, stop: asyncio.Event | None = None) -> None:
    runs = (each.run(until_idle=True, stop=stop or asyncio.Event()) for each in senders)
    await asyncio.wait_for(asyncio.gather(*runs), PATIENCE)


async def test_two_senders_together_keep_to_a_domains_rate_and_hold_up_no_other(database: Database) -> None:
    await waiting(database, slow=20, fast=20)
    post, pacing = Post(), paced(slow={"rate": 20})
    begun = time.monotonic()
    await done(sender(database, post, pacing), sender(database, post, pacing))
    assert await states(database) == {"sent": 40}
    assert await held(database) == 0
    slow = post.of("slow.example")
    assert 20 * (slow[-1] - slow[0] + 0.5) + 2 >= 20  # the promise: half a second's worth and two beyond it
    for index, start in enumerate(slow):
        assert sum(moment <= start + 0.25 for moment in slow[index:]) <= 20 * 0.25 + 2 + 20 * 0.5
    assert max(post.of("fast.example")) - begun < max(slow) - begun
    async with database.read() as connection:
        assert (await connection.execute(select(pace_slot))).all() == []


async def test_two_senders_together_keep_to_a_domains_connections(database: Database) -> None:
    await waiting(database, slow=16, fast=10)
    post, pacing = Post(wait=0.02), paced(slow={"connections": 2})
    await done(sender(database, post, pacing), sender(database, post, pacing))
    assert await states(database) == {"sent": 26}
    assert post.most["slow.example"] <= 2
    assert await held(database) == 0


async def test_a_domain_that_gets_too_much_gets_half_and_the_others_what_they_got(database: Database) -> None:
    await waiting(database, slow=8, fast=8)

    def answer(message: Message) -> Outcome:
        if message.rcpt_to == "c0@slow.example":
            return TryLater(Phase.RCPT, Reply(421, "too much", "4.7.28"))
        return Accepted(Reply(250))

    told: list[str] = []
    await done(sender(database, Post(answer), paced(slow={"rate": 40}, fast={"rate": 40}), told=told))
    assert await states(database) == {"sent": 15, "deferred": 1}
    assert told == [
        "slow.example answers that it gets too much; it gets half as much, and more again by and by."
    ]
    async with database.read() as connection:
        shares = {row.key: row.share for row in await connection.execute(select(pace))}
    assert shares == {"slow.example": 0.5, "fast.example": 1.0}


async def test_an_answer_that_comes_last_of_all_halves_as_well(database: Database) -> None:
    await waiting(database, slow=1)
    too_much = TryLater(Phase.RCPT, Reply(421, "too much", "4.7.28"))
    await done(sender(database, Post(lambda _m: too_much), paced(slow={"rate": 40})))
    async with database.read() as connection:
        assert [row.share for row in await connection.execute(select(pace))] == [0.5]


async def test_what_the_last_look_stops_takes_no_place(database: Database) -> None:
    await waiting(database, slow=12)
    async with database.write() as connection:
        await connection.execute(update(delivery).values(priority=delivery.c.id % 2))

    def judge(facts: HandoffFacts, now: object) -> Verdict:
        return Drop(State.SKIPPED, Skip.SUPPRESSED) if facts.priority % 2 else Go()

    post = Post()
    await done(sender(database, post, paced(slow={"connections": 1}), judge=judge))
    after = await states(database)
    assert sum(after.values()) == 12
    assert set(after) == {"sent", "skipped"}


async def test_what_waits_is_given_back_when_told_to_stop(database: Database) -> None:
    await waiting(database, slow=30, fast=5)
    post, stop = Post(), asyncio.Event()
    running = asyncio.create_task(done(sender(database, post, paced(slow={"rate": 0.5})), stop=stop))
    await post.reached("fast.example", 5)
    stop.set()
    await running
    after = await states(database)
    assert after["sent"] >= 5
    assert after["sent"] + after["queued"] == 35
    assert await held(database) == 0


async def test_what_there_is_no_room_for_comes_later_and_others_are_found_behind_it(
    database: Database,
) -> None:
    await waiting(database, slow=120)
    await waiting(database, fast=20)
    async with database.write() as connection:  # one run, the slow ones first
        first = await connection.scalar(select(delivery.c.run_id).limit(1))
        await connection.execute(update(delivery).values(run_id=first))
    post, stop = Post(), asyncio.Event()
    running = asyncio.create_task(done(sender(database, post, paced(slow={"rate": 0.5})), stop=stop))
    await post.reached("fast.example", 20)
    stop.set()
    await running
    assert len(post.of("slow.example")) <= 5
    async with database.read() as connection:
        later = list(
            await connection.scalars(select(delivery.c.not_before).where(delivery.c.not_before > NOW))
        )
    assert 85 <= len(later) <= 120 - 30  # a minute's worth waits in the lane
    assert await held(database) == 0


async def test_a_database_that_goes_away_loses_nobody(database: Database) -> None:
    await waiting(database, slow=20, fast=10)

    class Away(Flaky):
        async def put_off(self, *given: Any) -> None:
            await super().put_off(*given)

    ledger = Away(database, before={"mark": 2, "outcome": 1}, after={"claim": 1, "outcome": 1})
    post = Post()
    await done(sender(database, post, paced(slow={"rate": 50, "connections": 2}), ledger=ledger))
    assert await states(database) == {"sent": 30}
    assert len(post.times) == 30
    assert ledger.troubles == 5


async def test_tokens_that_cannot_be_fetched_are_waited_for(database: Database) -> None:
    await waiting(database, slow=3)
    post, pacing = Post(), paced(slow={"rate": 50})
    sending = sender(database, post, pacing)
    tried = 0

    class Gone(Paces):
        async def take(self, *given: Any) -> Any:
            nonlocal tried
            tried += 1
            if tried == 1:
                raise StoreError("the database is away")
            return await super().take(*given)

    assert sending._pacer is not None
    sending._pacer._port = Gone(database)
    await done(sending)
    assert (await states(database), tried > 1) == ({"sent": 3}, True)


async def test_a_warm_up_counts_what_left_over_all_senders(database: Database) -> None:
    await waiting(database, a=20)
    pacing = Pacing(warm_up=WarmUp(start=NOW.date(), first_day=7))

    def answer(message: Message) -> Outcome:
        later = message.rcpt_to == "c0@a.example"
        return TryLater(Phase.RCPT, Reply(451, "later")) if later else Accepted(Reply(250))

    post = Post(answer)
    await done(sender(database, post, pacing), sender(database, post, pacing))
    assert len(post.sent) in (
        6,
        7,
    )  # the one that was deferred counts where nobody was left to take its place
    async with database.read() as connection:
        assert await connection.scalar(select(warm_day.c.used)) == len(post.sent)
    assert await held(database) == 0
