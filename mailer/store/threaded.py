"""A connection of SQLite's driver, whose thread is over when opening it has failed."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Any, Self

import aiosqlite

_CHUNK = 64  # rows a streamed result fetches at a time, as the driver's own


class Threaded(aiosqlite.Connection):
    """The driver's own, but for that."""

    @classmethod
    def make(cls, file: str, **options: Any) -> Self:
        """One to open with `await`, as the driver's `connect` gives it."""
        made = cls(partial(sqlite3.connect, file, **options), _CHUNK)
        made._thread.daemon = True  # as SQLAlchemy does with the driver's own
        return made

    async def _connect(self) -> aiosqlite.Connection:
        try:
            return await super()._connect()
        except BaseException:
            # The thread is told to end, and answers the loop that it did. By then whoever asked for a database that
            # cannot be opened may have closed the loop, and the answer fails on the terminal.
            self._thread.join()
            raise
