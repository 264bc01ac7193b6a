"""Limits around a render: time, memory, recursion. A template may break its own message, nothing else.

The watchdog counts processor time of this process, not the clock on the wall: a sender that was frozen, or
shares a busy machine, must not fail the message it happened to be at.
"""

from __future__ import annotations

import resource
import signal
import threading
from types import FrameType, TracebackType

from mailer.errors import RenderError

DEFAULT_SECONDS = 2.0
_AGAIN = 0.1  # the alarm repeats, in case something on the way up swallowed it


class _Expired(BaseException):
    """Not an Exception: nothing in a template's way may catch it."""


class guard:  # noqa: N801 - reads as what it does: `with guard(2):`
    """Bound the synchronous code inside: no await may stand in it, and no other guard.

    Signals reach the main thread only; elsewhere memory and recursion are guarded, time is not. The handler is put in
    place once and stays; outside of guards it does nothing.

    Raises:
        RenderError: it took more than `seconds` of processor time, ran out of memory, or never stops
            calling itself.
    """

    __slots__ = ("_seconds", "_watched")
    _watching = False
    _ready = False

    def __init__(self, seconds: float = DEFAULT_SECONDS) -> None:
        self._seconds = seconds
        self._watched = False

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        if not guard._ready:
            signal.signal(signal.SIGPROF, _expire)
            guard._ready = True
        self._watched = guard._watching = True
        signal.setitimer(signal.ITIMER_PROF, self._seconds, _AGAIN)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watched:
            signal.setitimer(signal.ITIMER_PROF, 0)
            guard._watching = False
        if kind is None:
            return
        if issubclass(kind, _Expired):
            said = f"rendering took longer than {self._seconds:g} s of processor time"
            raise RenderError(said) from None
        if issubclass(kind, MemoryError):
            raise RenderError("rendering needed more memory than it may have") from None
        if issubclass(kind, RecursionError):
            raise RenderError("the template calls itself without end") from None


#: An alarm that comes on the way in or out ends nothing: the first is repeated, the last is too late.
_DOORS = (guard.__enter__.__code__, guard.__exit__.__code__)


def _expire(_number: int, frame: FrameType | None) -> None:
    if guard._watching and frame is not None and frame.f_code not in _DOORS:  # noqa: SLF001 - its own
        raise _Expired


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
