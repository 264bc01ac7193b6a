"""Tokens a sender has at hand for one limit: each is good from its time on, and for a moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from mailer.core.pacing import kept_for


class Purse:
    """Tokens of one limit. Times are monotonic seconds."""

    def __init__(self, key: str, rate: float | None) -> None:
        self.key = key
        self.rate = rate  # mails a second over all senders; none: no limit
        self.asked = False  # whether anybody wanted one since the last were fetched
        self._times: deque[float] = deque()

    def put(self, times: Iterable[float]) -> None:
        """More tokens, each later than all before."""
        self._times.extend(times)

    def clear(self) -> None:
        """The limit gave way: what was fetched before is void."""
        self._times.clear()

    def usable(self, now: float, most: int) -> int:
        """How many are good now; `most` will do."""
        if self.rate is None:
            return most
        self._forget(now)
        number = 0
        for time in self._times:
            if time > now or number >= most:
                break
            number += 1
        return number

    def spend(self, now: float) -> bool:
        """Use one that is good now, if there is one."""
        if self.rate is None:
            return True
        self.asked = True
        self._forget(now)
        if not self._times or self._times[0] > now:
            return False
        self._times.popleft()
        return True

    def next_at(self, now: float) -> float | None:
        """When the next one is good that is not yet."""
        return next((time for time in self._times if time > now), None)

    def ahead(self, now: float) -> float:
        """For how many seconds from now on there are tokens."""
        return self._times[-1] - now if self._times else 0.0

    def _forget(self, now: float) -> None:
        while self._times and self.rate is not None and now - self._times[0] > kept_for(self.rate):
            self._times.popleft()
