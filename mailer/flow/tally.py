"""What each relay answered, counted beside the sending and written down now and then, for whoever watches over it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from mailer.core.delivery import Outcome, TryLater
from mailer.core.message import Message
from mailer.core.metrics import AWAY, answered
from mailer.errors import RelayError, StoreError
from mailer.flow.connection import RELAY_PHASES, SessionPort

#: Seconds between two notes; as much is lost of the count when a sender is killed.
EVERY = 5.0


class AnswersPort(Protocol):
    """Where the counts of all senders are added up."""

    async def add(self, counts: Mapping[tuple[str, str], int]) -> None: ...


class Tally:
    """One sender's counts by relay and answer."""

    def __init__(self, port: AnswersPort) -> None:
        self._port = port
        self._counts: Counter[tuple[str, str]] = Counter()

    def note(self, relay: str, answer: str) -> None:
        """One more."""
        self._counts[relay, answer] += 1

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Write down what is counted while the block lasts, and at its end what is left."""
        over = asyncio.Event()
        writing = asyncio.create_task(self._write(over))
        try:
            yield
        finally:
            over.set()
            await writing

    async def _write(self, over: asyncio.Event) -> None:
        last = False
        while not last:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), EVERY)
            last = over.is_set()  # before the note: what is counted during it is in the next one
            await self._flush()

    async def _flush(self) -> None:
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            await self._port.add(counts)
        except StoreError:  # it waits for the database
            self._counts.update(counts)


class CountedSession:
    """A connection to one relay whose answers are counted."""

    def __init__(self, session: SessionPort, relay: str, tally: Tally) -> None:
        self._session = session
        self._relay = relay
        self._tally = tally

    def turn(self) -> bool:
        """See `SessionPort`, as for all below."""
        return self._session.turn()

    def elsewhere(self) -> bool:
        """Whether there is a relay all the same."""
        return self._session.elsewhere()

    async def ready(self) -> TryLater | None:
        """Connect, and count it where it does not let us in."""
        try:
            trouble = await self._session.ready()
        except RelayError:
            self._tally.note(self._relay, AWAY)
            raise
        if trouble is not None:
            self._tally.note(self._relay, AWAY)
        return trouble

    async def send(
        self,
        message: Message,
        may_start: Callable[[], bool],
        *,
        before_dot: Callable[[], None] | None = None,
        follow: Callable[[], Message | None] | None = None,
    ) -> Outcome:
        """Hand a message over, and count what the relay said, unless it was us who did not let it begin."""
        held = False

        def asked() -> bool:
            nonlocal held
            held = not may_start()
            return not held

        outcome = await self._session.send(message, asked, before_dot=before_dot, follow=follow)
        if not held:
            away = isinstance(outcome, TryLater) and outcome.phase in RELAY_PHASES
            self._tally.note(self._relay, AWAY if away else answered(outcome))
        return outcome

    async def close(self) -> None:
        """End it."""
        await self._session.close()
