"""Runs of which mails were refused or could not be made, and when it is time to look at them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

from mailer.core.breaker import LEAST


class Suspects:
    """Runs under suspicion. A run that is looked at and goes on is urgent again when twice as many were seen."""

    def __init__(self) -> None:
        self.told = asyncio.Event()  # there are some
        self.urgent = asyncio.Event()  # nothing more should leave before a look
        self._open: set[int] = set()
        self._seen: Counter[int] = Counter()
        self._enough: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def add(self, run_id: int) -> bool:
        """One more mail of a run; whether so many were seen that a look is urgent."""
        self._open.add(run_id)
        self.told.set()
        self._seen[run_id] += 1
        if self._seen[run_id] != self._enough.get(run_id, LEAST):
            return False
        self.urgent.set()
        return True

    def seen(self) -> dict[int, int]:
        """What is to be looked at: mails by run."""
        return {run_id: self._seen[run_id] for run_id in sorted(self._open)}

    def go_on(self, looked_at: Mapping[int, int]) -> None:
        """These were looked at, with all mails that had been seen by then."""
        for run_id, number in looked_at.items():
            if self._seen[run_id] == number:
                self._open.discard(run_id)
            if self._seen[run_id] >= self._enough.get(run_id, LEAST):
                self._enough[run_id] = 2 * self._seen[run_id]

    def forget(self, run_ids: Iterable[int]) -> None:
        """These are paused; when they go on, they begin anew."""
        for run_id in run_ids:
            self._open.discard(run_id)
            self._seen.pop(run_id, None)
            self._enough.pop(run_id, None)
