"""Whether this machine knows a host's address, within a time that can be relied on.

The system's own look-up cannot be stopped, and a program waits for its threads before it ends. So it runs in a thread
that nobody waits for; only a host it found is then looked up again by whoever connects.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

_SECONDS = 4.0


async def trouble(host: str) -> str:
    """Why a host cannot be found; empty: it can."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[str] = loop.create_future()

    def say(what: str) -> None:
        if not found.done():
            found.set_result(what)

    def look() -> None:
        what = ""
        try:
            socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            what = f"the name {host} is not known"
        with contextlib.suppress(RuntimeError):  # the loop ended meanwhile
            loop.call_soon_threadsafe(say, what)

    threading.Thread(target=look, daemon=True).start()
    try:
        async with asyncio.timeout(_SECONDS):
            return await found
    except TimeoutError:
        return f"the name {host} could not be looked up in time"
