"""A bell on PostgreSQL: whoever lets senders see a run rings it, and a sender that waits for work looks at once.

A server cannot be looked at fifty times a second for next to nothing, as a file can. A ring may be lost: the connection
broke, or a pooler in between passes none on. So senders look by themselves as well, only not as often.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.store.dialect import driver_url
from mailer.store.engine import reached

log = structlog.get_logger()

_CHANNEL = "mailer_due"
AGAIN = 1.0  # seconds before a server that went away is asked again


async def ring(connection: AsyncConnection) -> None:
    """Let whoever listens know, once the transaction commits. SQLite has no bell and needs none."""
    if connection.dialect.name == "postgresql":
        await connection.exec_driver_sql(f"NOTIFY {_CHANNEL}")


class Bell:
    """Heard by one that waits, from when it waits first; see `listening`."""

    def __init__(self, url: str) -> None:
        self._url = driver_url(url)
        self._rung = asyncio.Event()
        self._hearing: asyncio.Task[None] | None = None

    async def wait(self, seconds: float) -> None:
        """Until it rings, or rang since somebody waited last; no longer than so many seconds."""
        if self._hearing is None:
            self._hearing = asyncio.create_task(self._listen())
        elif self._hearing.done():
            self._hearing.result()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()

    async def stop(self) -> None:
        """Hear no more."""
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.gather(self._hearing, return_exceptions=True)

    async def _listen(self) -> None:
        """Hear it until cancelled, whatever becomes of the database meanwhile."""
        # Not as a URL: SQLAlchemy writes a space in a password, or several hosts, in another way than libpq reads them.
        _, where = self._url.get_dialect()().create_connect_args(self._url)
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    **{**where, **reached({})}, autocommit=True
                ) as connection:
                    await connection.execute(f"LISTEN {_CHANNEL}")
                    self._rung.set()  # what was let out before is not told
                    async for _ring in connection.notifies():
                        self._rung.set()
            except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as trouble:
                log.debug("bell_not_heard", trouble=type(trouble).__name__)  # whoever looks tells of it
            await asyncio.sleep(AGAIN)


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[Bell]:
    """The bell of a database; `url` as in the settings."""
    bell = Bell(url)
    try:
        yield bell
    finally:
        await bell.stop()
