"""Dispatchers of every kind on a real database, asked the same things."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

from sqlalchemy import text

from mailer.cluster import schema
from mailer.cluster.queue import ProcrastinateQueue
from mailer.cluster.taker import taking_shards
from mailer.flow.dispatch import Dispatcher, Embedded
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from mailer.store.shards import Shards
from tests.store.rows import NOW

SIZE = 10  # deliveries of a shard
PATIENCE = 30.0


class Site:
    """An installation with one kind of dispatcher."""

    def __init__(self, database: Database, url: str, *, queued: bool) -> None:
        self.database, self.url, self.queued = database, url, queued
        self.ledger = Ledger(database)
        self.shards = Shards(database, ProcrastinateQueue(), SIZE) if queued else None
        self._open = AsyncExitStack()

    async def dispatcher(self, *, urgent: bool = False) -> Dispatcher:
        """What a new sender takes its work from."""
        if not self.queued:
            return Embedded(self.ledger, urgent=urgent)

        async def claim(sender: int, now: datetime, limit: int, runs: Sequence[int]) -> list[int]:
            return await self.ledger.claim(sender, now, limit, runs=runs)

        before = await self.count("procrastinate_workers")
        taker = await self._open.enter_async_context(taking_shards(self.url, claim, SIZE, urgent=urgent))
        async with asyncio.timeout(PATIENCE):
            while await self.count("procrastinate_workers") == before:  # noqa: ASYNC110 (the database has no event for it)
                await asyncio.sleep(0.01)
        return taker

    async def look(self, now: datetime = NOW) -> int:
        """The look that the scheduler takes every second."""
        return await self.shards.sweep(now) if self.shards is not None else 0

    async def count(self, table: str, where: str = "true") -> int:
        async with self.database.read() as connection:
            return int(await connection.scalar(text(f"select count(*) from {table} where {where}")) or 0)

    async def todo(self) -> int:
        """Shards nobody has begun."""
        return await self.count("procrastinate_jobs", "status = 'todo'")

    async def close(self) -> None:
        await self._open.aclose()


@asynccontextmanager
async def site(database: Database, url: str, *, queued: bool) -> AsyncIterator[Site]:
    """Open one."""
    if queued:
        async with database.write() as connection:
            await schema.install(connection)
    opened = Site(database, url, queued=queued)
    try:
        yield opened
    finally:
        await opened.close()


async def taken(
    dispatcher: Dispatcher,
    sender: int,
    least: int = 0,
    *,
    now: datetime = NOW,
    limit: int = SIZE,
    most: int = 10_000,
) -> list[int]:
    """All a sender is given until there is nothing for a moment; `least` are waited for on a busy machine."""
    ids: list[int] = []
    idle, end = 0, time.monotonic() + PATIENCE
    while (idle < 2 or (len(ids) < least and time.monotonic() < end)) and len(ids) < most:
        found = await dispatcher.take(sender, now, min(limit, most - len(ids)))
        ids += found
        idle = 0 if found else idle + 1
        if not found:
            await dispatcher.wait(0.1)
    return ids


async def taken_by_all(takers: Sequence[tuple[Dispatcher, int]], least: int) -> list[list[int]]:
    """What each sender is given, until it is so much together and there is nothing more for a moment."""
    each: list[list[int]] = [[] for _ in takers]
    end = time.monotonic() + PATIENCE

    async def take(number: int) -> None:
        dispatcher, sender = takers[number]
        while sum(map(len, each)) < least and time.monotonic() < end:
            each[number] += await taken(dispatcher, sender)
        each[number] += await taken(dispatcher, sender)

    await asyncio.gather(*map(take, range(len(takers))))
    return each
