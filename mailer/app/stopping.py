"""Wishes to stop: SIGINT and SIGTERM, heard by the event loop."""

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
    the whole group, and so do we. Signals that were held back until somebody listens are let in.
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
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WISHES)
    try:
        yield stop
    finally:
        for number in _WISHES:
            loop.remove_signal_handler(number)
