"""Where senders get their work from: one port, of which shares are taken; and the looks that keep it supplied."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog

from mailer.errors import StoreError

log = structlog.get_logger()

SWEEP_EVERY = 1.0  # seconds between two looks for what is due and in no shard
TAKE_BACK_EVERY = 5.0  # seconds between two looks for shards of the dead
PRUNE_EVERY = 600.0


class Dispatcher(Protocol):
    """Hands deliveries to one sender: no other gets them while it lives, and the most urgent come first.

    What it hands out is claimed in the delivery rows and in the sender's name. They are the truth: a share that is
    handed out twice is found claimed by the second, and nothing is kept of a sender but its claims.
    """

    async def take(self, sender_id: int, now: datetime, limit: int) -> list[int]: ...
    async def wait(self, seconds: float) -> None: ...
    async def overtaken(self, now: datetime, priority: int) -> bool: ...


class DuePort(Protocol):
    """The delivery rows, for one machine."""

    async def claim(
        self, sender_id: int, now: datetime, limit: int, *, urgent: bool = False
    ) -> list[int]: ...
    async def pending_above(self, now: datetime, priority: int) -> bool: ...
    async def pending(self, now: datetime, *, urgent: bool = False) -> bool: ...


@dataclass(frozen=True, slots=True)
class Watch:
    """How a sender learns that others wrote: `mark` is another one after every change, and asked so often."""

    mark: Callable[[], object]
    clock: Callable[[], datetime]
    every: float  # seconds
    rest: Callable[[float], Awaitable[None]] = asyncio.sleep  # between two looks; may be cut short


#: After a change it is looked at once, and again so many ticks later: what is written shows before it can be read.
LOOKS = (0, 1, 2, 4, 8, 16)


class Embedded:
    """The dispatcher of one machine: a share is whatever is due at that moment; of service mail only if `urgent`."""

    def __init__(self, ledger: DuePort, *, urgent: bool = False, watch: Watch | None = None) -> None:
        self._ledger = ledger
        self._urgent = urgent
        self._watch = watch
        self._seen: object = None
        self._passed = LOOKS[-1]  # looks at the mark since it last changed

    async def take(self, sender_id: int, now: datetime, limit: int) -> list[int]:
        return await self._ledger.claim(sender_id, now, limit, urgent=self._urgent)

    async def overtaken(self, now: datetime, priority: int) -> bool:
        """Whether something more urgent than `priority` is due: then what was not begun is better given back."""
        return await self._ledger.pending_above(now, priority)

    async def wait(self, seconds: float) -> None:
        """Until it is time to look again; earlier when somebody wrote and something is due."""
        if self._watch is None:
            await asyncio.sleep(seconds)
            return
        for _ in range(math.ceil(seconds / self._watch.every)):
            await self._watch.rest(self._watch.every)
            before, self._seen = self._seen, self._watch.mark()
            self._passed = 0 if before != self._seen else self._passed + 1
            if self._passed in LOOKS:
                with contextlib.suppress(StoreError):  # whoever takes hears of it
                    if await self._ledger.pending(self._watch.clock(), urgent=self._urgent):
                        return


class SweepPort(Protocol):
    """Makes shards of what is due and in none."""

    async def sweep(self, now: datetime) -> int: ...


class RecoverPort(Protocol):
    """Frees what dead senders held."""

    async def recover(self, now: datetime) -> Any: ...


class TidyPort(Protocol):
    """Keeps the queue tidy."""

    async def take_back(self) -> int: ...
    async def prune(self) -> None: ...


class Supply:
    """Keeps the queue of shards supplied. Beside planning: an import holds up new runs, but no mail that is due."""

    def __init__(
        self,
        shards: SweepPort,
        senders: RecoverPort,
        tidy: TidyPort,
        clock: Callable[[], datetime],
    ) -> None:
        self._shards = shards
        self._senders = senders
        self._tidy = tidy
        self._clock = clock
        self._take_back_at = self._prune_at = 0.0  # seconds of the loop's clock

    async def look(self) -> None:
        """One look; what is not due yet is left for a later one."""
        await self._senders.recover(self._clock())
        now = asyncio.get_running_loop().time()
        if now >= self._take_back_at:
            back = await self._tidy.take_back()
            self._take_back_at = now + TAKE_BACK_EVERY
            log.debug("shards_taken_back", number=back)
        if now >= self._prune_at:
            await self._tidy.prune()
            self._prune_at = now + PRUNE_EVERY
        made = await self._shards.sweep(self._clock())
        log.debug("shards_made", number=made)

    async def keep(self, stop: asyncio.Event) -> None:
        """Look until told to stop. Trouble with the database passes, and planning tells of it."""
        while not stop.is_set():
            try:
                await self.look()
            except StoreError as trouble:
                log.warning("supply_waits", trouble=str(trouble))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), SWEEP_EVERY)
