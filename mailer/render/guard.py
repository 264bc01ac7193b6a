"""Limits around a render: time, memory, recursion. A template may break its own message, nothing else.

The watchdog counts processor time of this process, not the clock on the wall: a sender that was frozen, or
shares a busy machine, must not fail the message it happened to be at.
"""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mailer.errors import RenderError

DEFAULT_SECONDS = 2.0
_AGAIN = 0.1  # the alarm repeats, in case something on the way up swallowed it


class _Expired(BaseException):
    """Not an Exception: nothing in a template's way may catch it."""


def _expire(_number: int, _frame: FrameType | None) -> None:
    raise _Expired


@contextmanager
def guard(seconds: float = DEFAULT_SECONDS) -> Iterator[None]:
    """Bound the synchronous code inside: no await may stand in it.

    Signals reach the main thread only; elsewhere memory and recursion are guarded, time is not.

    Raises:
        RenderError: it took more than `seconds` of processor time, ran out of memory, or never stops
            calling itself.
    """
    try:
        if threading.current_thread() is threading.main_thread():
            with _watchdog(seconds):
                yield
        else:
            yield
    except _Expired:
        raise RenderError(f"rendering took longer than {seconds:g} s of processor time") from None
    except MemoryError:
        raise RenderError("rendering needed more memory than it may have") from None
    except RecursionError:
        raise RenderError("the template calls itself without end") from None


@contextmanager
def _watchdog(seconds: float) -> Iterator[None]:
    before = signal.signal(signal.SIGPROF, _expire)
    try:
        try:
            signal.setitimer(signal.ITIMER_PROF, seconds, _AGAIN)
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    finally:
        # The alarm may have come while the line above was on its way.
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


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
