"""Looks whether a run should go on, whenever mails of it were refused or could not be made.

The truth is in the ledger and costs a count of the run, so a look is taken only where something went wrong, and takes
no more than a twentieth of the time. A quick relay refuses thousands meanwhile: so a sender that has seen as many as
may stop a run begins nothing more before it has looked. For a run that goes on after all, this is repeated only when
twice as many were seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import structlog

from mailer.core.delivery import Withdrawn
from mailer.core.handoff import Finish
from mailer.errors import StoreError
from mailer.flow.work import Work

log = structlog.get_logger()

FIRST_WAIT = 0.02  # seconds between two looks, at least
HELD_WAIT = 1.0  # seconds, at most, while a database that is away keeps a sender from going on
PART = 20  # a look that took so long is followed by twenty times that without one


class BreakersPort(Protocol):
    """The breakers of runs."""

    async def look(self, run_ids: Sequence[int]) -> Mapping[int, str]: ...


class Breaker:
    """The breaker of one sender."""

    def __init__(
        self, port: BreakersPort, tell: Callable[[str], None], clock: Callable[[], datetime]
    ) -> None:
        self._port = port
        self._tell = tell
        self._clock = clock

    async def serve(self, work: Work) -> None:
        """Look, for as long as the sender lives."""
        work.watched, suspects = True, work.suspects
        while True:
            await suspects.told.wait()
            suspects.told.clear()
            if work.held:
                await work.until(lambda: work.settled)  # what is to be counted stands in the ledger
            suspects.urgent.clear()
            held, begun = work.held, time.monotonic()
            settled = await self.look(work)
            if held and settled and not suspects.urgent.is_set():
                work.let_go()
            wait = max(FIRST_WAIT, PART * (time.monotonic() - begun))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait, HELD_WAIT) if work.held else wait):
                    await suspects.urgent.wait()
            if not settled:
                suspects.told.set()

    async def look(self, work: Work) -> bool:
        """One look at the runs under suspicion; False where it may not have seen everything."""
        settled, runs = work.settled, work.suspects.seen()
        stopped: Mapping[int, str] = {}
        try:
            stopped = await self._port.look(list(runs))
        except StoreError as trouble:
            log.warning("breaker_waits", trouble=str(trouble))
            settled = False
        if settled:  # no outcomes were on their way that it may have missed
            work.suspects.go_on(runs)
        work.suspects.forget(stopped)
        for job in work.withdraw_runs(stopped):
            work.finish(Finish(job.delivery_id, self._clock(), Withdrawn(job.attempts > 0)))
        for run_id, why in stopped.items():
            self._tell(f"Run {run_id} is paused by a {why}. `mailer runs resume {run_id}` lets it go on.")
        return settled
