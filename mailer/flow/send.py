"""Sending: claim deliveries, make each message, mark it `sending` durably, hand it over, write the outcome down."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog

from mailer.errors import Fenced, StoreError
from mailer.flow.breaker import Breaker
from mailer.flow.claiming import Claiming, LedgerPort
from mailer.flow.connection import Connection, JournalPort, Tools
from mailer.flow.dispatch import Dispatcher, Embedded
from mailer.flow.making import Maker
from mailer.flow.paced import PacedLedger
from mailer.flow.pacer import Pacer
from mailer.flow.waves import Judge, Waves
from mailer.flow.work import Work

log = structlog.get_logger()

LEASE_SECONDS = 20.0  # a dead sender's deliveries are free after this
RENEW_SECONDS = 5.0


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
        breaker: Breaker | None = None,
        pacer: Pacer | None = None,  # none: nothing is paced
    ) -> None:
        self._tools = tools
        self._dispatcher = dispatcher or Embedded(ledger)
        self._breaker = breaker
        self._pacer = pacer
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
        ledger = self._paced(sender_id, work)
        waves = Waves(
            ledger=ledger,
            sender_id=sender_id,
            work=work,
            journal=journal,
            name=self._tools.composer.message_id,
            judge=self._judge,
            clock=self._clock,
        )
        service = [asyncio.create_task(each) for each in self._services(sender_id, work, waves)]
        maker = Maker(self._tools.composer, self._clock, work, journal)
        circles = [
            asyncio.create_task(Connection(self._tools, work, journal, maker).run())
            for _ in range(config.connections)
        ]
        claiming = Claiming(
            ledger=ledger,
            dispatcher=self._dispatcher,
            composer=self._tools.composer,
            work=work,
            waves=waves,
            sender_id=sender_id,
            claim_size=config.claim_size,
            clock=self._clock,
            stop=stop,
            pacer=self._pacer,
        )
        feeder = asyncio.create_task(claiming.run(until_idle=until_idle))
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
            if self._breaker is not None and work.suspects:
                await self._breaker.look(work)
        finally:
            work.end()  # for whom a cancellation does not reach
            for task in pending:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # one fault may have ended several
            journal.close()
            await self._sign_off(sender_id)
        if work.refused is not None:
            raise work.refused

    def _services(self, sender_id: int, work: Work, waves: Waves) -> Iterator[Coroutine[Any, Any, None]]:
        yield waves.serve()
        yield self._renew(sender_id, work)
        if self._breaker is not None:
            yield self._breaker.serve(work)
        if self._pacer is not None:
            yield self._pacer.serve()

    def _paced(self, sender_id: int, work: Work) -> LedgerPort:
        """The ledger, with what paces us before it."""
        if self._pacer is None:
            return self._ledger
        self._pacer.begin(sender_id, work)
        return PacedLedger(self._ledger, self._pacer)

    async def _sign_off(self, sender_id: int) -> None:
        if self._pacer is not None:
            await self._pacer.leave()
        with contextlib.suppress(StoreError):  # the lease runs out by itself
            await self._senders.retire(sender_id, self._clock())

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
