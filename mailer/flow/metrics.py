"""Figures for a monitoring system: taken when it asks, so that nobody pays for them while nobody does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from mailer.core.metrics import Counts, Present, Sample, Waiting, of_counts, of_present
from mailer.errors import StoreError

#: Seconds the database has for each of the two questions; Prometheus waits ten for the whole answer.
PATIENCE = 4.0

#: Seconds for which what was counted is shown again; longer where counting takes long: at most 2 % of the time.
FRESH = 10.0
_SHARE = 50


class FiguresPort(Protocol):
    """The database."""

    async def present(self, now: datetime) -> Present: ...
    async def counts(self) -> Counts: ...


class Meter:
    """Reads everything there is to know; of the database's absence it only tells."""

    def __init__(
        self,
        *,
        figures: FiguresPort,
        waiting: Callable[[], Waiting],
        lost: Callable[[], int],
        relays: Mapping[str, str],
        version: str,
        clock: Callable[[], datetime],
        seconds: Callable[[], float],
    ) -> None:
        self._figures = figures
        self._waiting = waiting
        self._lost = lost
        self._relays = relays  # what tells them apart, which may name a user → host and port
        self._version = version
        self._clock = clock
        self._seconds = seconds
        self._one = asyncio.Lock()  # who asks at the same time waits for the same count
        self._errors = 0
        self._counted: list[Sample] = []
        self._stale_at = 0.0  # on the monotonic clock

    async def read(self) -> list[Sample]:
        """Every figure that can be had now."""
        async with self._one:
            from_database = await self._from_database()
        return [
            Sample("mailer_build_info", 1, (self._version,)),
            Sample("mailer_database_up", bool(from_database)),
            Sample("mailer_database_errors_total", self._errors),
            Sample("mailer_spool_lost_total", self._lost()),
            *await asyncio.to_thread(self._spooled),
            *from_database,
        ]

    async def _from_database(self) -> list[Sample]:
        """Nothing when it does not answer: yesterday's figures would look like today's."""
        now = self._clock()
        try:
            async with asyncio.timeout(PATIENCE):
                present = await self._figures.present(now)
        except (StoreError, TimeoutError):
            self._errors += 1
            return []
        return [*of_present(present, self._relays, now), *await self._counts(now)]

    async def _counts(self, now: datetime) -> list[Sample]:
        """As counted a moment ago, or anew; nothing where it cannot be done in time."""
        begun = time.monotonic()
        if begun < self._stale_at:
            return self._counted
        self._counted = []
        try:
            async with asyncio.timeout(PATIENCE):
                counts = await self._figures.counts()
        except (StoreError, TimeoutError):
            self._errors += 1
        else:
            self._counted = [
                *of_counts(counts),
                Sample("mailer_counted_timestamp_seconds", now.timestamp()),
                Sample("mailer_counting_seconds", time.monotonic() - begun),
            ]
        self._stale_at = time.monotonic() + max(FRESH, _SHARE * (time.monotonic() - begun))
        return self._counted

    def _spooled(self) -> list[Sample]:
        waiting = self._waiting()
        age = 0.0 if waiting.since is None else max(0.0, self._seconds() - waiting.since)
        return [Sample("mailer_spool_bytes", waiting.size), Sample("mailer_spool_oldest_seconds", age)]
