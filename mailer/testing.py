"""Fakes we ship, for our tests and for those of people who build on us. Production never imports them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mailer.core.customer import Customer
from mailer.core.delivery import Accepted, Outcome, Phase, Reply, TryLater
from mailer.core.message import Message


class FrozenClock:
    """A clock that moves when told to."""

    def __init__(self, now: datetime) -> None:
        self.now = now.astimezone(UTC)

    def __call__(self) -> datetime:
        """The instant it stands at, in UTC."""
        return self.now

    def advance(self, **by: float) -> datetime:
        """Move by `timedelta(**by)`; the new instant."""
        self.now += timedelta(**by)
        return self.now


def accept(_message: Message) -> Outcome:
    """A relay that takes everything."""
    return Accepted(Reply(250, "ok", "2.0.0"))


class FakeTransport:
    """A relay in memory: `answer` decides; `sent` holds what was accepted, `tried` all that began."""

    def __init__(self, answer: Callable[[Message], Outcome] = accept) -> None:
        self._answer = answer
        self.sent: list[Message] = []
        self.tried: list[Message] = []
        self.closed = 0
        self.follows = True  # whether it asks what comes next before the answer is there
        self.down: TryLater | None = None  # what keeps us from the relay, when it should

    def turn(self) -> bool:
        """Always."""
        return True

    def elsewhere(self) -> bool:
        """Never: there is this one alone."""
        return False

    async def ready(self) -> TryLater | None:
        """Whether the relay is there."""
        return self.down

    async def send(
        self,
        message: Message,
        may_start: Callable[[], bool],
        *,
        before_dot: Callable[[], None] | None = None,
        follow: Callable[[], Message | None] | None = None,
    ) -> Outcome:
        """As a real session does it: nothing begins unless `may_start` says so, no dot that is not noted."""
        if not may_start():
            return TryLater(Phase.DATA, detail="held")
        self.tried.append(message)
        outcome = self._answer(message)
        if before_dot is not None and not isinstance(outcome, TryLater):
            before_dot()
        if follow is not None and self.follows:
            follow()
        if isinstance(outcome, Accepted):
            self.sent.append(message)
        return outcome

    async def close(self) -> None:
        """Count the farewells."""
        self.closed += 1


def a_customer(**changes: Any) -> Customer:
    """Someone in Istanbul we know enough of; name what should be different."""
    someone = Customer(
        id="c1",
        email="ayse@example.com",
        first_name="Ayşe",
        last_name="Yılmaz",
        locale="tr",
        timezone="Europe/Istanbul",
        country="TR",
        postal_code="34710",
    )
    return replace(someone, **changes)
