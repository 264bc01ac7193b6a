"""Looks whether a run should go on, whenever mails of it were refused or could not be made.

The truth is in the ledger and costs a count of the run, so a look is taken only where something went wrong, and takes
no more than a twentieth of the time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from mailer.errors import StoreError
from mailer.flow.work import Work

log = structlog.get_logger()

FIRST_WAIT = 0.02  # seconds between two looks, at least
PART = 20  # a look that took so long is followed by twenty times that without one


class BreakersPort(Protocol):
    """The breakers of runs."""

    async def look(self, run_ids: Sequence[int]) -> Mapping[int, str]: ...


class Breaker:
    """The breaker of one sender."""

    def __init__(self, port: BreakersPort, tell: Callable[[str], None]) -> None:
        self._port = port
        self._tell = tell

    async def serve(self, work: Work) -> None:
        """Look, for as long as the sender lives."""
        while True:
            await work.suspected.wait()
            work.suspected.clear()
            begun = time.monotonic()
            settled = await self.look(work)
            await asyncio.sleep(max(FIRST_WAIT, PART * (time.monotonic() - begun)))
            if not settled:
                work.suspected.set()

    async def look(self, work: Work) -> bool:
        """One look at the runs under suspicion; False where it may not have seen everything."""
        settled, runs = work.settled, sorted(work.suspects)
        work.suspects.clear()
        stopped: Mapping[int, str] = {}
        try:
            stopped = await self._port.look(runs)
        except StoreError as trouble:
            log.warning("breaker_waits", trouble=str(trouble))
            settled = False
        if not settled:  # there were outcomes on their way that it may have missed
            work.suspects.update(runs)
        for run_id, why in stopped.items():
            self._tell(f"Run {run_id} is paused by a {why}. `mailer runs resume {run_id}` lets it go on.")
        return settled
