"""Wishes to stop: SIGINT, SIGTERM and a terminal that goes away, heard by the event loop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_WISHES = (signal.SIGINT, signal.SIGTERM)


@asynccontextmanager
async def stop_on_signals(*, patient: bool = False) -> AsyncIterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set: what was begun is finished. A second signal does not wait.

    With `patient` it does. A child of ours hears of one wish to stop twice: Ctrl-C and service managers tell
    the whole group, and so do we. A terminal that is closed (SIGHUP) is a wish, too, unless `nohup` had it ignored;
    as the shell and the system may both tell of it, it never is the second one. Signals that were held back until
    somebody listens are let in.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask() -> None:
        stop.set()
        if not patient:
            for number in _WISHES:
                loop.remove_signal_handler(number)

    for number in _WISHES:
        loop.add_signal_handler(number, ask)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_WISHES, signal.SIGHUP))
    try:
        yield stop
    finally:
        for number in (*_WISHES, signal.SIGHUP):
            loop.remove_signal_handler(number)
