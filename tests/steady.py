"""A loop whose time passes only while nobody has anything to do, for tests that hold both ends of a line.

Where both sides of a conversation live on one loop, a machine that pauses the process makes the one wait for the
other, and a limit of half a second is over before the other was let on to say its word. By this clock it is not:
what was ready to be done takes no time, however long it took. What really waits waits as long as ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class _Clock:
    """Seconds spent waiting for nothing but time."""

    def __init__(self, loop: Any) -> None:
        self._select: Callable[[float | None], list[Any]] = loop._selector.select
        self._run: Callable[..., asyncio.Future[Any]] = loop.run_in_executor
        self._now: float = loop.time()
        self._threads = 0  # that work for us, and may be kept from it as we may

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = self._select(timeout)
        if ready or not timeout or timeout < 0:
            return ready
        if (
            not (ready := self._select(0)) and not self._threads
        ):  # a process that was stopped is told of nothing
            self._now += timeout
        return ready

    def run_in_executor(self, *given: Any) -> asyncio.Future[Any]:
        self._threads += 1
        working = self._run(*given)
        working.add_done_callback(self._over)
        return working

    def _over(self, _done: object) -> None:
        self._threads -= 1


def make_steady(loop: asyncio.AbstractEventLoop) -> None:
    """From now on its time is that clock's."""
    clock, steady = _Clock(loop), loop
    steady.time = clock.time  # type: ignore[method-assign]
    steady.run_in_executor = clock.run_in_executor  # type: ignore[method-assign,assignment]
    steady._selector.select = clock.select  # type: ignore[attr-defined]
