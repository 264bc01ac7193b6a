"""A bell on PostgreSQL: whoever lets senders see a run rings it, and a sender that waits for work looks at once.

A server cannot be looked at fifty times a second for next to nothing, as a file can. A ring may be lost: the connection
broke, or a pooler in between passes none on. So senders look by themselves as well, only not as often.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.store.dialect import driver_url
from mailer.store.engine import connection_name

_CHANNEL = "mailer_due"
AGAIN = 1.0  # seconds before a server that went away is asked again


async def ring(connection: AsyncConnection) -> None:
    """Let whoever listens know, once the transaction commits. SQLite has no bell and needs none."""
    if connection.dialect.name == "postgresql":
        await connection.exec_driver_sql(f"NOTIFY {_CHANNEL}")


class Bell:
    """Heard by one that waits."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Until it rings, or rang since somebody waited last; no longer than so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()

    async def listen(self, url: str) -> None:
        """Hear it until cancelled, whatever becomes of the database meanwhile."""
        where = driver_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        name = connection_name(socket.gethostname(), os.getpid())
        while True:
            with suppress(psycopg.Error, OSError):
                async with await psycopg.AsyncConnection.connect(
                    where, autocommit=True, connect_timeout=10, application_name=name
                ) as connection:
                    await connection.execute(f"LISTEN {_CHANNEL}")
                    self._rung.set()  # what was let out before is not told
                    async for _ring in connection.notifies():
                        self._rung.set()
            await asyncio.sleep(AGAIN)


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[Bell]:
    """The bell of a database; `url` as in the settings."""
    bell = Bell()
    hearing = asyncio.create_task(bell.listen(url))
    try:
        yield bell
    finally:
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
