"""Sending: claim deliveries, make each message, mark it `sending` durably, hand it over, write the outcome down."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from mailer.core.handoff import SendJob
from mailer.errors import Fenced, StoreError
from mailer.flow.connection import Connection, JournalPort, Tools
from mailer.flow.dispatch import Dispatcher, DuePort, Embedded
from mailer.flow.waves import AdvancePort, Judge, Waves
from mailer.flow.work import Work

log = structlog.get_logger()

LEASE_SECONDS = 20.0  # a dead sender's deliveries are free after this
RENEW_SECONDS = 5.0
FIRST_CLAIM = 20  # grows while chunks finish quickly, so that an incident waits for little
QUICK_CHUNK = 1.0  # seconds
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


class SendersPort(Protocol):
    """The leases of sender processes."""

    async def register(
        self, host: str, pid: int, now: datetime, lease_seconds: float, journal: str
    ) -> int: ...
    async def renew(self, sender_id: int, lease_seconds: float) -> bool: ...
    async def retire(self, sender_id: int, now: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class SenderConfig:
    """How one sender process works."""

    connections: int
    claim_size: int
    host: str
    pid: int


class SendLoop:
    """One sender process: leases, claims, and as many connections as it was given."""

    def __init__(
        self,
        *,
        ledger: LedgerPort,
        senders: SendersPort,
        tools: Tools,
        judge: Judge,
        config: SenderConfig,
        open_journal: Callable[[], JournalPort],
        dispatcher: Dispatcher | None = None,  # none: whatever the ledger has due
    ) -> None:
        self._tools = tools
        self._dispatcher = dispatcher or Embedded(ledger)
        self._open_journal = open_journal
        self._clock = tools.clock
        self._ledger = ledger
        self._senders = senders
        self._judge = judge
        self._config = config

    async def run(self, *, until_idle: bool, stop: asyncio.Event) -> None:
        """Send until nothing is due (`until_idle`) or `stop` is set.

        Raises:
            RelayError: the relay refuses our user name or password; everything unsent stays queued.
            Fenced: this sender's lease ran out while it was frozen; another has taken over.
        """
        config = self._config
        work = Work(config.connections)
        journal = self._open_journal()
        work.deadline = time.monotonic() + LEASE_SECONDS
        sender_id = await self._senders.register(
            config.host, config.pid, self._clock(), LEASE_SECONDS, journal.token
        )
        waves = Waves(
            ledger=self._ledger,
            sender_id=sender_id,
            work=work,
            journal=journal,
            name=self._tools.composer.message_id,
            judge=self._judge,
            clock=self._clock,
        )
        service = [asyncio.create_task(waves.serve()), asyncio.create_task(self._renew(sender_id, work))]
        circles = [
            asyncio.create_task(Connection(self._tools, work, journal).run())
            for _ in range(config.connections)
        ]
        feeder = asyncio.create_task(self._feed(sender_id, work, waves, until_idle=until_idle, stop=stop))
        tasks: set[asyncio.Task[None]] = {feeder, *circles, *service}
        pending = tasks
        try:
            while pending - set(service):
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # what broke one of them stops the sender, with its reason
            last = asyncio.create_task(self._written(work, waves))
            await asyncio.wait({last, *service}, return_when=asyncio.FIRST_COMPLETED)
            pending = {last, *service}
            for task in pending:
                if task.done():
                    task.result()
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # one fault may have ended several
            journal.close()
            with contextlib.suppress(StoreError):  # the lease runs out by itself
                await self._senders.retire(sender_id, self._clock())
        if work.refused is not None:
            raise work.refused

    async def _written(self, work: Work, waves: Waves) -> None:
        """Take back what was marked and not begun, and wait for the last outcomes to stand."""
        await work.until(lambda: not work.writing)
        waves.withdraw()
        await work.until(lambda: work.settled)

    async def _renew(self, sender_id: int, work: Work) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            asked = time.monotonic()
            try:
                alive = await self._senders.renew(sender_id, LEASE_SECONDS)
            except StoreError as trouble:
                log.warning("lease_not_renewed", trouble=str(trouble))
                continue
            if not alive:
                raise Fenced("this sender's lease ran out, so another took over its deliveries")
            work.deadline = asked + LEASE_SECONDS
            work.tell()

    async def _feed(
        self, sender_id: int, work: Work, waves: Waves, *, until_idle: bool, stop: asyncio.Event
    ) -> None:
        limit = min(FIRST_CLAIM, self._config.claim_size)
        ids: list[int] = []  # claimed, and not given out so far
        whole = True  # whether we know all we hold
        while not stop.is_set() and work.refused is None:
            try:
                if work.relay_down is not None:
                    await self._wait_for_relay(sender_id, work, waves, stop, wait=not until_idle)
                    continue
                if not whole:
                    ids, whole = await self._ledger.claimed(sender_id), True
                ids = ids or await self._dispatcher.take(sender_id, self._clock(), limit)
                jobs = await self._ledger.load(ids) if ids else []
                await self._tools.composer.prepare(jobs)
            except StoreError as trouble:
                # A failed commit may have taken: when nothing is in hand, what we hold is read anew. No new
                # work before that, so outcomes that wait are written first.
                log.warning("work_waits", trouble=str(trouble))
                whole = False
                work.take_back()
                waves.withdraw()
                await _either(
                    work.until(lambda: (work.idle and work.settled) or work.refused is not None), stop
                )
                await _either(asyncio.sleep(STORE_LOOK), stop)
                continue
            if ids:
                begun, asked, ids = time.monotonic(), len(ids), []
                work.add(jobs)
                await _either(self._running_low(work), stop)
                if work.overtaken:
                    work.overtaken = False
                    try:
                        await self._ledger.release(sender_id, [job.delivery_id for job in work.take_back()])
                    except StoreError:
                        whole = False  # they are ours still, and read anew
                    limit = min(FIRST_CLAIM, self._config.claim_size)
                elif time.monotonic() - begun < QUICK_CHUNK and asked == limit:
                    limit = min(limit * 2, self._config.claim_size)
            elif not until_idle:
                await _either(self._dispatcher.wait(IDLE_SECONDS), stop)
            elif work.quiet:
                break
            else:
                await _either(work.until(lambda: work.stalled or work.quiet), stop)
        waves.withdraw()
        with contextlib.suppress(StoreError):  # taking leave lets go of them too
            await self._ledger.release(sender_id, [job.delivery_id for job in work.take_back()])
        work.end()

    async def _running_low(self, work: Work) -> None:
        """Returns when few claimed deliveries are left to be marked, or something more urgent is due."""
        low = max(work.connections // 2, self._config.claim_size // 3)
        while not work.overtaken:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OVERTAKE_SECONDS):
                    await work.until(
                        lambda: len(work.claimed) <= min(low, work.low * 2 + work.connections) or work.stalled
                    )
                    return
            if work.claimed:
                highest = max(job.priority for job in work.claimed)
                with contextlib.suppress(StoreError):  # whoever has something to write finds out
                    work.overtaken = await self._dispatcher.overtaken(self._clock(), highest)

    async def _wait_for_relay(
        self, sender_id: int, work: Work, waves: Waves, stop: asyncio.Event, *, wait: bool
    ) -> None:
        """The relay does not answer: what is due waits, uncounted, and so do we."""
        trouble = work.relay_down
        if trouble is None:
            return
        detail = f"relay: {trouble.detail or trouble.reply or trouble.phase}"
        log.warning("relay_down", trouble=detail)
        waves.withdraw()
        await work.until(lambda: work.settled)
        await self._ledger.release(sender_id, [job.delivery_id for job in work.take_back()])
        now = self._clock()
        await self._ledger.defer_due(now, now + RELAY_DOWN, detail)
        if wait:
            await _either(asyncio.sleep(RELAY_LOOK), stop)
        work.relay_down = None
        work.tell()


async def _either(waiting: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """Wait for `waiting`, but no longer than until `stop` is set."""
    tasks: set[asyncio.Task[Any]] = {asyncio.create_task(waiting), asyncio.create_task(stop.wait())}
    _done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
