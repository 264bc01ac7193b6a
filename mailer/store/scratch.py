"""Values on disk for the length of one dry run: what it would have written, so that memory stays flat."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import aiosqlite


class Scratch:
    """Plain values by key, in a private database that is gone when closed."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """A new, empty one."""
        # SQLite's empty name: a file of its own that nobody else sees, deleted on closing.
        async with aiosqlite.connect("") as connection:
            await connection.execute("create table kept (key text primary key, value text) without rowid")
            yield cls(connection)

    async def put(self, values: Mapping[str, Any]) -> None:
        """Keep plain values, in place of what their keys had."""
        await self._connection.executemany(
            "insert or replace into kept values (?, ?)",
            [(key, json.dumps(value)) for key, value in values.items()],
        )
        await self._connection.commit()

    async def get(self, keys: Collection[str]) -> dict[str, Any]:
        """The values of those keys that have one."""
        rows = await self._connection.execute_fetchall(
            "select key, value from kept where key in (select value from json_each(?))",
            (json.dumps(list(keys)),),
        )
        return {key: json.loads(value) for key, value in rows}
