"""Eight senders and two schedulers on one PostgreSQL: a cap is exact, and the highest mail takes the place."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from mailer.core.delivery import Outcome
from mailer.core.message import Message
from mailer.smtp.session import Session
from mailer.testing import FakeTransport
from tests.acceptance.played import Case, Played, PlayedApp, Step, opened

CUSTOMERS, SENDERS, SCHEDULERS = 60, 8, 2
ZONES = ("Europe/Istanbul", "Europe/Berlin", "Europe/London")
RANKS = {"high": 80, "low": 20, "mid": 50}
WHO = [f"c{number}" for number in range(CUSTOMERS)]


def ranked(kind: str, trigger: Callable[[str], Any]) -> dict[str, dict[str, Any]]:
    """Three campaigns of one kind, told apart by their priority."""
    return {
        f"{kind}-{rank}": {"purpose": "commercial", "trigger": trigger(rank), "priority": priority}
        for rank, priority in RANKS.items()
    }


CAMPAIGNS = {
    **ranked("hand", lambda _rank: "manual"),
    **ranked("fixed", lambda _rank: {"at": "2027-01-16T13:00"}),
    **ranked("event", lambda rank: {"event": "tick", "after": "2h" if rank == "high" else "0s"}),
}
PEOPLE = [
    {"id": who, "email": f"{who}@a.example", "consent": "yes", "timezone": ZONES[number % len(ZONES)]}
    for number, who in enumerate(WHO)
]
TICKS = [
    {"id": f"tick-{who}", "customer": who, "name": "tick", "at": "2027-01-17T10:00:00Z", "properties": {}}
    for who in WHO
]


class Slow(FakeTransport):
    """A relay in memory that takes a moment, each time another."""

    async def send(self, message: Message, may_start: Callable[[], bool]) -> Outcome:
        await asyncio.sleep(random.random() / 100)  # noqa: S311 - no secret
        return await super().send(message, may_start)


class Part(PlayedApp):
    """A process of its own, but for the processor: its own connections, its own relay."""

    def session(self) -> Session:
        return Slow()  # type: ignore[return-value]  # it behaves as one


@asynccontextmanager
async def parts(shop: Played, count: int) -> AsyncIterator[list[Part]]:
    settings = shop.app.settings
    # So that mails of one customer lie with several senders at the same moment.
    few = settings.model_copy(update={"sender": settings.sender.model_copy(update={"claim_size": 20})})
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(Part.open(few, shop.clock, lambda _told: None))
            for _ in range(count)
        ]


async def test_one_mail_a_day_and_three_a_week_whoever_claims_first(
    tmp_path: Path, postgresql_url: str
) -> None:
    case = Case(CAMPAIGNS, [Step("2027-01-10T10:00:00Z", "customers", PEOPLE)], (), ("", ""), ())
    async with opened(case, tmp_path, postgresql_url) as shop, parts(shop, SENDERS + SCHEDULERS) as all_parts:
        senders, schedulers = all_parts[:SENDERS], all_parts[SENDERS:]

        async def look() -> None:
            await asyncio.gather(*(each.scheduler().plan_once() for each in schedulers))
            await asyncio.gather(
                *(each.send(2, until_idle=True, stop=asyncio.Event()) for each in senders),
                *(each.scheduler().plan_once() for each in schedulers),
            )

        async def sent() -> Counter[tuple[str, str]]:
            rows = await shop.deliveries()
            return Counter((row[0], (row[5] or "")[:10]) for row in rows if row[3] == "send")

        await shop.step(case.steps[0])
        # The lower ones first, so that all three wait when the senders begin: the hand-off decides.
        for rank in ("low", "mid", "high"):
            await shop.step(Step("2027-01-15T10:00:00Z", "by_hand", name=f"hand-{rank}"))
        await look()
        expected = {("hand-high", "2027-01-15"): CUSTOMERS}
        assert await sent() == expected
        shop.clock.advance(days=1)  # all three fall due at once: planning decides
        await look()
        expected[("fixed-high", "2027-01-16")] = CUSTOMERS
        assert await sent() == expected
        await shop.step(Step("2027-01-17T10:00:00Z", "events", TICKS))
        await look()  # nobody gets the two that are due: a higher one will be, later that day
        assert await sent() == expected
        shop.clock.advance(hours=2)
        await look()
        expected[("event-high", "2027-01-17")] = CUSTOMERS
        assert await sent() == expected
        await shop.step(Step("2027-01-18T10:00:00Z", "by_hand", name="hand-high"))
        await look()  # a fourth in seven days
        assert await sent() == expected
        rows = await shop.deliveries()
        assert Counter((row[2], row[3]) for row in rows) == Counter(
            {**{(who, "send"): 3 for who in WHO}, **{(who, "skip"): 7 for who in WHO}}
        )
        assert {row[4] for row in rows if row[3] == "skip"} == {"capped"}
