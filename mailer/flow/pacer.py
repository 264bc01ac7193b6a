"""Pacing of one sender: fetches tokens in batches for its lanes and relays, and keeps to a warm-up's days."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from mailer.core.delivery import Accepted, InDoubt, Refused
from mailer.core.handoff import Finish, SendJob
from mailer.core.pacing import AHEAD, Grant, Limit, Want, throttles
from mailer.errors import StoreError
from mailer.flow.gate import Gate
from mailer.flow.purse import Purse
from mailer.flow.warm import WarmUpDays
from mailer.flow.work import Work

log = structlog.get_logger()

TICK = 0.2  # seconds between two batches of tokens
STORE_LOOK = 1.0  # seconds between two tries to reach a database that is away


class PacePort(Protocol):
    """What all senders share."""

    async def take(self, sender_id: int, wants: Sequence[Want]) -> dict[str, Grant]: ...
    async def slow_down(self, keys: Sequence[str]) -> list[str]: ...
    async def leave(self, sender_id: int) -> None: ...


class PutOffPort(Protocol):
    """The delivery rows, for those whose turn comes later."""

    async def put_off(self, sender_id: int, until: Mapping[int, datetime]) -> None: ...


class Pacer:
    """The pacing of one sender."""

    def __init__(
        self,
        *,
        port: PacePort,
        ledger: PutOffPort,
        gate: Gate,
        purses: Sequence[Purse],
        warm_up: WarmUpDays | None,
        clock: Callable[[], datetime],
        tell: Callable[[str], None],
    ) -> None:
        self._tell = tell
        self.gate = gate
        self._port = port
        self._ledger = ledger
        self._purses = {purse.key: purse for purse in purses if purse.rate is not None}
        self._limits = {key: Limit(purse.rate) for key, purse in self._purses.items()}
        self._warm_up = warm_up
        self._clock = clock
        self._emails: dict[int, str] = {}  # of deliveries that wait, or are on their way
        self._slower: set[str] = set()  # limits that are to give way
        self._sender_id = 0
        self._work: Work | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, sender_id: int, work: Work) -> None:
        """This sender's."""
        self._sender_id, self._work = sender_id, work
        work.gate = self.gate

    async def admit(self, jobs: Sequence[SendJob]) -> list[SendJob]:
        """Those that may go at once; others wait here, or are put off where there is no room or no allowance left.

        Raises:
            StoreError: the database is away; nothing is lost, all of them are this sender's still.
        """
        until: dict[int, datetime] = {}
        for job in jobs:
            self._gone(job.delivery_id, left=False)  # one that was read anew is not on its way any more
        if self._warm_up is not None:
            jobs, until = await self._warm_up.admit(jobs, self._clock())
        free, late = self.gate.admit(jobs)
        self._emails |= {job.delivery_id: job.email for job in jobs}
        now = self._clock()
        until |= {delivery_id: now + timedelta(seconds=wait) for delivery_id, wait in late.items()}
        if until:
            for delivery_id in until:
                self._gone(delivery_id, left=False)
            await self._ledger.put_off(self._sender_id, until)
        self._ask()
        return free

    def finished(self, ends: Sequence[Finish]) -> None:
        """What became of deliveries stands in the database."""
        for end in ends:
            if throttles(end.outcome):
                self._gives_way(self._emails.get(end.delivery_id, ""))
            self._gone(end.delivery_id, left=isinstance(end.outcome, Accepted | Refused | InDoubt))

    def given_back(self, ids: Sequence[int]) -> None:
        """These deliveries are not this sender's any more, and did not leave."""
        for delivery_id in ids:
            self._gone(delivery_id, left=False)

    async def serve(self) -> None:
        """Fetch tokens, for as long as the sender lives."""
        while True:
            try:
                await self._fetch()
            except StoreError as trouble:
                log.warning("pacing_waits", trouble=str(trouble))
                await asyncio.sleep(STORE_LOOK)
            await asyncio.sleep(TICK)

    async def leave(self) -> None:
        """What this sender had is free for others."""
        if self._timer is not None:
            self._timer.cancel()
        with contextlib.suppress(StoreError):
            await self._slow_down()  # the last answers may have come after the last tick
            if self._warm_up is not None:
                await self._warm_up.leave()
            await self._port.leave(self._sender_id)

    async def _slow_down(self) -> None:
        if self._slower:
            keys = sorted(self._slower)
            for key in await self._port.slow_down(keys):
                self._tell(
                    f"{key} answers that it gets too much; it gets half as much, and more again by and by."
                )
            self._slower.difference_update(keys)

    async def _fetch(self) -> None:
        await self._slow_down()
        now = time.monotonic()
        wants = self.gate.wants(now)
        for key, purse in self._purses.items():
            if purse.asked and purse.ahead(now) < AHEAD / 2:
                purse.asked = False
                wants.append(
                    Want(key, self._limits[key], math.ceil((self._limits[key].rate or 0) * AHEAD) + 1)
                )
        if not wants:
            return
        grants = await self._port.take(self._sender_id, wants)
        now = time.monotonic()
        self.gate.take(grants, now)
        for key, grant in grants.items():
            if key in self._purses:
                self._purses[key].put(now + wait for wait in grant.tokens)
        self._ask()

    def _gives_way(self, email: str) -> None:
        key = self.gate.slower(email)
        if key is not None:
            self._slower.add(key)

    def _gone(self, delivery_id: int, *, left: bool) -> None:
        self._emails.pop(delivery_id, None)
        self.gate.over(delivery_id)
        if self._warm_up is not None:
            self._warm_up.over(delivery_id, left=left)

    def _ask(self) -> None:
        """Something may go now, and more when the next token is good."""
        if self._work is not None:
            self._work.tell()
        now = time.monotonic()
        times = [self.gate.next_at(now), *(purse.next_at(now) for purse in self._purses.values())]
        soonest = min((each for each in times if each is not None), default=None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if soonest is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, soonest - now), self._ask)
