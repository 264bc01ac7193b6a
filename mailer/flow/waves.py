"""Deliveries become `sending` in waves: one transaction writes what is over and marks what may leave next.

A mark made ahead of time must not be old when its message leaves: consent, suppression, caps and the halt were
looked at when it was made. So no more is marked ahead than the connections send in a third of a second, nothing
at all where the relay is slow, and a mark that waited for a second is taken back. The time in which connections wait
for marks does not count: where the database is slow or far away, waves are large instead of ever smaller.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog

from mailer.core.delivery import Withdrawn
from mailer.core.handoff import Finish, Go, HandoffFacts, SendJob, Start, Verdict, Wait
from mailer.errors import StoreError
from mailer.flow.connection import JournalPort
from mailer.flow.mark import Marked
from mailer.flow.work import Work

log = structlog.get_logger()

AHEAD_SECONDS = 0.3
MOST_AHEAD = 500  # deliveries
STALE_SECONDS = 1.0  # a mark not begun for so long is taken back
FLUSH_SECONDS = 0.05  # an outcome waits for no longer, if nothing else is to be written
FIRST_WAIT = 0.1  # seconds between two tries to write outcomes down
LONGEST_WAIT = 10.0


class Judge(Protocol):
    """The last look; see `core.policy.judge`."""

    def __call__(self, facts: HandoffFacts, now: datetime) -> Verdict: ...


class AdvancePort(Protocol):
    """The one statement of intent and outcome."""

    async def advance(
        self,
        sender_id: int,
        now: datetime,
        finished: Sequence[Finish],
        starting: Sequence[Start],
        judge: Callable[[HandoffFacts], Verdict],
    ) -> dict[int, Verdict]: ...


class Waves:
    """The waves of one sender. While one transaction runs, the next one gathers."""

    def __init__(
        self,
        *,
        ledger: AdvancePort,
        sender_id: int,
        work: Work,
        journal: JournalPort,
        name: Callable[[SendJob], str],
        judge: Judge,
        clock: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._sender_id = sender_id
        self._work = work
        self._journal = journal
        self._name = name  # the Message-ID of a delivery
        self._judge = judge
        self._clock = clock
        self._ahead = 0  # deliveries that may be marked before a connection asks
        self._counted_at = time.monotonic()
        self._starved = work.starved  # as it stood then

    async def serve(self) -> None:
        """Write, for as long as the sender lives.

        Raises:
            Fenced: this sender's lease ran out; it must stop.
        """
        while True:
            await self._due()
            await asyncio.sleep(0)  # let every connection that is ready join
            self._work.writing = True
            try:
                await self._write(self._next())
            finally:
                self._work.writing = False
                self._work.tell()

    def withdraw(self, older_than: float = 0.0) -> None:
        """Take back marks that no connection has begun."""
        now = self._clock()
        for job in self._work.withdraw(older_than):
            self._work.finish(Finish(job.delivery_id, now, Withdrawn(job.attempts > 0)))

    async def _due(self) -> None:
        """Returns when a connection asks, too little is marked ahead, or outcomes have waited long enough."""
        work = self._work
        waits_since: float | None = None
        while not self._wanted():
            if work.over:
                waits_since = waits_since or time.monotonic()
                if work.idle or time.monotonic() - waits_since >= FLUSH_SECONDS:
                    return
            wait = FLUSH_SECONDS if work.over else STALE_SECONDS if work.marked else None
            try:
                async with asyncio.timeout(wait):
                    await work.change()
            except TimeoutError:
                self.withdraw(STALE_SECONDS)

    def _wanted(self) -> int:
        """How many deliveries to mark now."""
        work = self._work
        if work.stalled or work.held or work.ended or not work.may_start():
            return 0
        if work.gate is not None:
            work.draw(self._ahead + work.asking - len(work.marked))
        if not work.claimed:
            return 0
        room = self._ahead + work.asking - len(work.marked)
        enough = 1 if work.asking else max(1, self._ahead // 2)
        return min(room, len(work.claimed)) if room >= enough else 0

    def _next(self) -> list[SendJob]:
        wanted = self._wanted()
        self._work.drawn = max(0, self._work.drawn - wanted)
        return [self._work.claimed.popleft() for _ in range(wanted)]

    async def _write(self, jobs: Sequence[SendJob]) -> None:
        work = self._work
        finished, work.over = work.over, []
        self._measure(len(finished))
        starting: list[Start] = []
        for job in jobs:
            job.message_id = job.message_id or self._name(job)  # kept, so that its message need not ask again
            starting.append(Start(job.delivery_id, job.message_id, job.unfit))
        verdicts: dict[int, Verdict] = {}
        wait = FIRST_WAIT
        while finished or starting:
            now = self._clock()
            try:
                verdicts = await self._ledger.advance(
                    self._sender_id, now, finished, starting, partial(self._judge, now=now)
                )
                break
            except StoreError as trouble:
                # Fail closed: nothing new starts. Whether the failed commit took is not known, so the marks are
                # taken back; outcomes are tried again until they stand.
                log.warning("outcomes_wait", trouble=str(trouble), outcomes=len(finished))
                self.withdraw()
                taken_back = [Finish(job.delivery_id, now, Withdrawn(job.attempts > 0)) for job in jobs]
                finished, work.over = [*finished, *taken_back, *work.over], []
                jobs, starting = [], []
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
        self._journal.done([each.delivery_id for each in finished])
        since = time.monotonic()
        for job in jobs:
            if isinstance(verdicts.get(job.delivery_id, Wait(None)), Go):
                work.give(Marked(job, since))

    def _measure(self, finished: int) -> None:
        """So much is marked ahead as leaves in a third of a second, by what left since the last wave."""
        work, now = self._work, time.monotonic()
        passed, self._counted_at = now - self._counted_at, now
        starved, self._starved = (work.starved - self._starved) / work.connections, work.starved
        rate = finished / max(passed - starved, 0.001)
        self._ahead = min(MOST_AHEAD, int((self._ahead + rate * AHEAD_SECONDS) / 2))
        work.low = self._ahead // 2
