"""Limits around a render: time, memory, recursion. A template may break its own message, nothing else.

The watchdog counts processor time of this process, not the clock on the wall: a sender that was frozen, or
shares a busy machine, must not fail the message it happened to be at.
"""

from __future__ import annotations

import atexit
import math
import os
import resource
import signal
import threading
from types import FrameType, TracebackType

from mailer.errors import RenderError

DEFAULT_SECONDS = 2.0
_TICK = 0.05  # seconds of processor time between two looks of the watchdog


class _Expired(BaseException):
    """Not an Exception: nothing in a template's way may catch it."""


class guard:  # noqa: N801 - reads as what it does: `with guard(2):`
    """Bound the synchronous code inside: no await may stand in it, and no other guard.

    Signals reach the main thread only; elsewhere memory and recursion are guarded, time is not. The watchdog is set
    going once and looks on for as long as the process lives: arming a timer for each message took longer than many
    a message takes to be made. Outside of guards its looks do nothing.

    Raises:
        RenderError: it took more than `seconds` of processor time, ran out of memory, or never stops
            calling itself.
    """

    __slots__ = ("_seconds", "_watched")
    _left = 0  # looks until the code inside has had its time; none: nobody is inside
    _going = False

    def __init__(self, seconds: float = DEFAULT_SECONDS) -> None:
        self._seconds = seconds
        self._watched = False

    def __enter__(self) -> None:
        if threading.get_ident() != _main:
            return
        if not guard._going:
            signal.signal(signal.SIGPROF, _look)
            signal.setitimer(signal.ITIMER_PROF, _TICK, _TICK)
            atexit.register(
                signal.setitimer, signal.ITIMER_PROF, 0
            )  # at the end the handler goes before the timer
            guard._going = True
        self._watched = True
        guard._left = math.ceil(self._seconds / _TICK) + 1  # the first look may come at once

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watched:
            guard._left = 0
        if kind is None:
            return
        if issubclass(kind, _Expired):
            said = f"rendering took longer than {self._seconds:g} s of processor time"
            raise RenderError(said) from None
        if issubclass(kind, MemoryError):
            raise RenderError("rendering needed more memory than it may have") from None
        if issubclass(kind, RecursionError):
            raise RenderError("the template calls itself without end") from None


#: A look that comes on the way in or out ends nothing: the next one does, or it is too late.
_DOORS = (guard.__enter__.__code__, guard.__exit__.__code__)


def _look(_number: int, frame: FrameType | None) -> None:
    if guard._left == 0:  # noqa: SLF001 - its own
        return
    if guard._left > 1:  # noqa: SLF001
        guard._left -= 1  # noqa: SLF001
    elif frame is not None and frame.f_code not in _DOORS:
        raise _Expired  # and again at the next look, in case something on the way up swallowed it


_main = threading.main_thread().ident


def _start_anew() -> None:
    global _main  # noqa: PLW0603 - whichever thread forked is the main one now
    _main = threading.get_ident()
    guard._going, guard._left = False, 0  # noqa: SLF001 - a timer does not outlive a fork


os.register_at_fork(after_in_child=_start_anew)


def limit_memory(size: int) -> None:
    """Let this process and its children map at most `size` bytes (RLIMIT_AS), from now on."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (size, hard))


def limit_processor(seconds: int) -> None:
    """Let this process use at most `seconds` of processor time before the system ends it (RLIMIT_CPU)."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    seconds = seconds if hard == resource.RLIM_INFINITY else min(seconds, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))
