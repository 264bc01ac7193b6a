"""Sending: claim deliveries, make each message, mark it `sending` durably, hand it over, write the outcome down."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from mailer.core.delivery import InDoubt, Outcome, Phase, TryLater
from mailer.core.handoff import Finish, Go, SendJob, Start
from mailer.core.message import Message
from mailer.core.retry import next_attempt
from mailer.errors import Fenced, RelayError, RenderError, StoreError
from mailer.flow.desk import AdvancePort, Desk, Judge

log = structlog.get_logger()

#: Trouble that is the relay's own: no delivery is to blame, and none is tried before the relay answers again.
RELAY_PHASES = (Phase.CONNECT, Phase.HELLO, Phase.TLS, Phase.AUTH)

LEASE_SECONDS = 20.0  # a dead sender's deliveries are free after this
RENEW_SECONDS = 5.0
FIRST_CLAIM = 20  # grows while chunks finish quickly, so that an incident waits for little
QUICK_CHUNK = 1.0  # seconds
IDLE_SECONDS = 0.5  # between two looks for work
RELAY_DOWN = timedelta(minutes=1)  # how long deliveries wait for a relay that did not answer
RELAY_LOOK = 5.0  # seconds between two tries to reach it


class LedgerPort(AdvancePort, Protocol):
    """The delivery rows."""

    async def claim(self, sender_id: int, now: datetime, limit: int) -> list[int]: ...
    async def load(self, ids: Sequence[int]) -> list[SendJob]: ...
    async def release(self, sender_id: int, ids: Sequence[int]) -> None: ...
    async def defer_due(self, now: datetime, until: datetime, detail: str) -> int: ...


class SendersPort(Protocol):
    """The leases of sender processes."""

    async def register(self, host: str, pid: int, now: datetime, lease_seconds: float) -> int: ...
    async def renew(self, sender_id: int, lease_seconds: float) -> bool: ...
    async def retire(self, sender_id: int, now: datetime) -> None: ...


class SessionPort(Protocol):
    """One connection to the relay, kept."""

    async def ready(self) -> TryLater | None: ...
    async def send(self, message: Message, may_start: Callable[[], bool]) -> Outcome: ...
    async def close(self) -> None: ...


class ComposerPort(Protocol):
    """Makes messages."""

    async def prepare(self, jobs: Sequence[SendJob]) -> None: ...
    def compose(self, job: SendJob, now: datetime) -> Message: ...


@dataclass(frozen=True, slots=True)
class SenderConfig:
    """How one sender process works. `jitter` gives numbers in [0, 1)."""

    connections: int
    claim_size: int
    host: str
    pid: int
    jitter: Callable[[], float]


class _Work:
    """What the connections of a sender share: claimed deliveries, and why to stop."""

    def __init__(self, connections: int) -> None:
        self.jobs: deque[SendJob] = deque()
        self.changed = asyncio.Condition()
        self.connections = connections
        self.resting = 0
        self.over = False
        self.relay_down: TryLater | None = None
        self.refused: RelayError | None = None
        self.deadline = 0.0  # monotonic seconds: no DATA starts after it

    async def next(self) -> SendJob | None:
        """The next delivery; none when there will be no more."""
        async with self.changed:
            while not self.jobs:
                if self.over:
                    return None
                self.resting += 1
                self.changed.notify_all()
                try:
                    await self.changed.wait()
                finally:
                    self.resting -= 1
            return self.jobs.popleft()

    async def add(self, jobs: Sequence[SendJob]) -> None:
        async with self.changed:
            self.jobs.extend(jobs)
            self.changed.notify_all()

    async def take_back(self) -> list[int]:
        """The deliveries no connection has begun."""
        async with self.changed:
            left = [job.delivery_id for job in self.jobs]
            self.jobs.clear()
            return left

    async def end(self) -> None:
        async with self.changed:
            self.over = True
            self.changed.notify_all()

    async def at_rest(self) -> None:
        """Returns when every connection has finished what it had."""
        async with self.changed:
            while (self.jobs or self.resting < self.connections) and not self.stalled:
                await self.changed.wait()

    async def running_low(self) -> None:
        """Returns when hardly any claimed delivery still waits for a connection."""
        async with self.changed:
            while len(self.jobs) > self.connections // 2 and not self.stalled:
                await self.changed.wait()

    @property
    def stalled(self) -> bool:
        return self.relay_down is not None or self.refused is not None

    async def stall(self, *, down: TryLater | None = None, refused: RelayError | None = None) -> None:
        async with self.changed:
            self.relay_down = down or self.relay_down
            self.refused = refused or self.refused
            self.changed.notify_all()

    def may_start(self) -> bool:
        return time.monotonic() < self.deadline


class _Connection:
    """One connection's circle: next delivery → message → mark → hand over → outcome."""

    def __init__(self, loop: SendLoop, work: _Work, desk: Desk) -> None:
        self._loop = loop
        self._work = work
        self._desk = desk
        self._session = loop.open_session()
        self._finish: Finish | None = None  # of the last delivery, not yet written down

    async def run(self) -> None:
        try:
            while True:
                if not self._work.jobs:
                    await self._settle()
                job = await self._work.next()
                if job is None:
                    return
                await self._deliver(job)
        except RelayError as error:
            await self._settle()
            await self._work.stall(refused=error)
        finally:
            await self._session.close()

    async def _settle(self) -> None:
        """Write the last outcome down without starting anything."""
        finish, self._finish = self._finish, None
        await self._desk.exchange(finish, None)

    async def _deliver(self, job: SendJob) -> None:
        loop = self._loop
        try:
            message = loop.composer.compose(job, loop.clock())
            trouble = await self._session.ready()
            if trouble is not None:
                await self._settle()
                self._finish = loop.finished(job, trouble)
                await self._work.stall(down=trouble)
                return
            finish, self._finish = self._finish, None
            verdict = await self._desk.exchange(finish, Start(job.delivery_id, message.message_id))
            if not isinstance(verdict, Go):
                return
            outcome = await self._session.send(message, self._work.may_start)
        except RenderError as error:
            await self._settle()
            self._finish = Finish(job.delivery_id, loop.clock(), failure=error.reason, detail=str(error))
            return
        self._finish = loop.finished(job, outcome)
        if isinstance(outcome, TryLater) and outcome.phase in RELAY_PHASES:
            await self._work.stall(down=outcome)


class SendLoop:
    """One sender process: leases, claims, and as many connections as it was given."""

    def __init__(
        self,
        *,
        ledger: LedgerPort,
        senders: SendersPort,
        composer: ComposerPort,
        open_session: Callable[[], SessionPort],
        judge: Judge,
        clock: Callable[[], datetime],
        config: SenderConfig,
    ) -> None:
        self.composer = composer
        self.open_session = open_session
        self.clock = clock
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
        work = _Work(config.connections)
        work.deadline = time.monotonic() + LEASE_SECONDS
        sender_id = await self._senders.register(config.host, config.pid, self.clock(), LEASE_SECONDS)
        desk = Desk(self._ledger, sender_id, self.clock, self._judge)
        service = [asyncio.create_task(desk.serve()), asyncio.create_task(self._renew(sender_id, work))]
        circles = [asyncio.create_task(_Connection(self, work, desk).run()) for _ in range(config.connections)]
        feeder = asyncio.create_task(self._feed(sender_id, work, until_idle=until_idle, stop=stop))
        pending: set[asyncio.Task[None]] = {feeder, *circles, *service}
        try:
            while pending - set(service):
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # what broke one of them stops the sender, with its reason
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            with contextlib.suppress(StoreError):  # the lease runs out by itself
                await self._senders.retire(sender_id, self.clock())
        if work.refused is not None:
            raise work.refused

    def finished(self, job: SendJob, outcome: Outcome) -> Finish:
        """What to write down for an outcome, with the time of the next attempt where there may be one."""
        now = self.clock()
        again: datetime | None = None
        detail = ""
        if isinstance(outcome, TryLater | InDoubt):
            detail = outcome.detail
            again = next_attempt(
                now, job.attempts + 1, self._config.jitter(), since=job.planned_at, expires_at=job.expires_at
            )
        return Finish(job.delivery_id, now, outcome=outcome, detail=detail, next_attempt=again)

    async def _renew(self, sender_id: int, work: _Work) -> None:
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

    async def _feed(self, sender_id: int, work: _Work, *, until_idle: bool, stop: asyncio.Event) -> None:
        limit = min(FIRST_CLAIM, self._config.claim_size)
        while not stop.is_set() and work.refused is None:
            if work.relay_down is not None:
                await self._wait_for_relay(sender_id, work, stop, wait=not until_idle)
                continue
            ids = await self._ledger.claim(sender_id, self.clock(), limit)
            if ids:
                jobs = await self._ledger.load(ids)
                await self.composer.prepare(jobs)
                begun = time.monotonic()
                await work.add(jobs)
                await _either(work.running_low(), stop)
                if time.monotonic() - begun < QUICK_CHUNK and len(ids) == limit:
                    limit = min(limit * 2, self._config.claim_size)
            elif not until_idle:
                await _either(asyncio.sleep(IDLE_SECONDS), stop)
            elif work.resting == work.connections:
                break
            else:
                await _either(work.at_rest(), stop)
        left = await work.take_back()
        if left:
            await self._ledger.release(sender_id, left)
        await work.end()

    async def _wait_for_relay(self, sender_id: int, work: _Work, stop: asyncio.Event, *, wait: bool) -> None:
        """The relay does not answer: what is due waits, uncounted, and so do we."""
        trouble = work.relay_down
        if trouble is None:
            return
        detail = f"relay: {trouble.detail or trouble.reply or trouble.phase}"
        log.warning("relay_down", trouble=detail)
        left = await work.take_back()
        if left:
            await self._ledger.release(sender_id, left)
        now = self.clock()
        await self._ledger.defer_due(now, now + RELAY_DOWN, detail)
        if wait:
            await _either(asyncio.sleep(RELAY_LOOK), stop)
        work.relay_down = None


async def _either(waiting: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """Wait for `waiting`, but no longer than until `stop` is set."""
    tasks: set[asyncio.Task[Any]] = {asyncio.create_task(waiting), asyncio.create_task(stop.wait())}
    _done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
