"""Keeping a sender in work: claiming what is due, giving back what is overtaken, waiting for a relay that is away."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from mailer.core.delivery import TryLater
from mailer.core.handoff import SendJob
from mailer.errors import StoreError
from mailer.flow.dispatch import Dispatcher, DuePort
from mailer.flow.making import ComposerPort
from mailer.flow.waves import AdvancePort, Waves
from mailer.flow.work import Work

log = structlog.get_logger()

FIRST_CLAIM = 20  # grows while chunks finish quickly, so that an incident waits for little
QUICK_CHUNK = 1.0  # seconds; without those in which connections wait for the database
OVERTAKE_SECONDS = 1.0  # between two looks for something more urgent than what is claimed
IDLE_SECONDS = 0.5  # between two looks for work
RELAY_DOWN = timedelta(minutes=1)  # how long deliveries wait for a relay that did not answer
RELAY_LOOK = 5.0  # seconds between two tries to reach it
STORE_LOOK = 1.0  # seconds between two tries to reach a database that is away


class LedgerPort(AdvancePort, DuePort, Protocol):
    """The delivery rows."""

    async def claimed(self, sender_id: int) -> list[int]: ...
    async def load(self, ids: Sequence[int]) -> list[SendJob]: ...
    async def release(self, sender_id: int, ids: Sequence[int]) -> None: ...
    async def defer_due(self, now: datetime, until: datetime, detail: str) -> int: ...


class PacerPort(Protocol):
    """What is paced; see `flow.pacer`."""

    async def admit(self, jobs: Sequence[SendJob]) -> list[SendJob]: ...


class Claiming:
    """Keeps the connections of one sender in work."""

    def __init__(
        self,
        *,
        ledger: LedgerPort,
        dispatcher: Dispatcher,
        composer: ComposerPort,
        work: Work,
        waves: Waves,
        sender_id: int,
        claim_size: int,
        clock: Callable[[], datetime],
        stop: asyncio.Event,
        pacer: PacerPort | None = None,
    ) -> None:
        self._ledger = ledger
        self._dispatcher = dispatcher
        self._composer = composer
        self._work = work
        self._waves = waves
        self._sender_id = sender_id
        self._claim_size = claim_size
        self._clock = clock
        self._stop = stop
        self._pacer = pacer
        self._limit = min(FIRST_CLAIM, claim_size)
        self._ids: list[int] = []  # claimed, and not given out so far
        self._whole = True  # whether we know all we hold

    async def run(self, *, until_idle: bool) -> None:
        """Claim until told to stop; with `until_idle` until nothing is due and everything is written down."""
        work = self._work
        while not self._stop.is_set() and work.refused is None:
            try:
                if work.relay_down is not None:
                    await self._wait_for_relay(work.relay_down, wait=not until_idle)
                    continue
                jobs = await self._claimed()
            except StoreError as trouble:
                await self._wait_for_store(trouble)
                continue
            if jobs:
                await self._keep_busy(jobs)
            elif not until_idle:
                with contextlib.suppress(StoreError):  # whoever claims tells of it
                    await self._composer.foresee()
                await self._or_stop(self._dispatcher.wait(IDLE_SECONDS))
            elif work.quiet:
                break
            else:
                await self._or_stop(work.until(lambda: work.stalled or work.quiet))
        self._waves.withdraw()
        with contextlib.suppress(StoreError):  # taking leave lets go of them too
            await self._give_back(parked=True)
        work.end()

    async def _claimed(self) -> list[SendJob]:
        """The next chunk, with all a render needs, ready to be composed."""
        if not self._whole:
            self._ids, self._whole = await self._ledger.claimed(self._sender_id), True
        while True:
            self._ids = self._ids or await self._dispatcher.take(self._sender_id, self._clock(), self._limit)
            jobs = await self._ledger.load(self._ids) if self._ids else []
            await self._composer.prepare(jobs)
            if self._pacer is None:
                return jobs
            free = await self._pacer.admit(jobs)
            if free or not jobs or self._stop.is_set():
                return free
            self._ids, self._limit = [], min(self._limit * 2, self._claim_size)  # all wait for their turn

    async def _keep_busy(self, jobs: Sequence[SendJob]) -> None:
        """Hand a chunk out; returns when the next is wanted."""
        work, full = self._work, len(self._ids) == self._limit
        begun = time.monotonic() - work.starved / work.connections
        self._ids = []
        work.add(jobs)
        await self._or_stop(self._running_low())
        if work.overtaken:
            work.overtaken = False
            self._limit = min(FIRST_CLAIM, self._claim_size)
            try:
                await self._give_back()
            except StoreError:
                self._whole = False  # it is ours still, and read anew
        elif full and time.monotonic() - work.starved / work.connections - begun < QUICK_CHUNK:
            self._limit = min(self._limit * 2, self._claim_size)

    async def _running_low(self) -> None:
        """Returns when few claimed deliveries are left to be marked, or something more urgent is due."""
        work = self._work
        low = max(work.connections // 2, self._claim_size // 3)
        while not work.overtaken:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OVERTAKE_SECONDS):
                    await work.until(
                        lambda: len(work.claimed) <= min(low, work.low * 2 + work.connections) or work.stalled
                    )
                    return
            if work.claimed:
                highest = max(job.priority for job in work.claimed)
                with contextlib.suppress(StoreError):  # whoever writes tells of it
                    work.overtaken = await self._dispatcher.overtaken(self._clock(), highest)

    async def _wait_for_store(self, trouble: StoreError) -> None:
        # A failed commit may have taken: when nothing is in hand, what we hold is read anew. No new work before
        # that, so outcomes that wait are written first.
        log.warning("work_waits", trouble=str(trouble))
        work = self._work
        self._whole = False
        work.take_back()
        if work.gate is not None:
            work.gate.clear()
        self._waves.withdraw()
        await self._or_stop(work.until(lambda: (work.idle and work.settled) or work.refused is not None))
        await self._or_stop(asyncio.sleep(STORE_LOOK))

    async def _wait_for_relay(self, trouble: TryLater, *, wait: bool) -> None:
        """The relay does not answer: what is due waits, uncounted, and so do we."""
        work = self._work
        detail = f"relay: {trouble.detail or trouble.reply or trouble.phase}"
        log.warning("relay_down", trouble=detail)
        self._waves.withdraw()
        await work.until(lambda: work.settled)
        await self._give_back(parked=True)
        now = self._clock()
        await self._ledger.defer_due(now, now + RELAY_DOWN, detail)
        if wait:
            await self._or_stop(asyncio.sleep(RELAY_LOOK))
        work.relay_down = None
        work.tell()

    async def _give_back(self, *, parked: bool = False) -> None:
        left = [job.delivery_id for job in self._work.take_back()]
        if parked and self._work.gate is not None:
            left += self._work.gate.clear()
        self._ids, left = [], [*left, *self._ids]
        await self._ledger.release(self._sender_id, left)

    async def _or_stop(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait for `waiting`, but no longer than until we are told to stop."""
        tasks: set[asyncio.Task[Any]] = {asyncio.create_task(waiting), asyncio.create_task(self._stop.wait())}
        _done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
