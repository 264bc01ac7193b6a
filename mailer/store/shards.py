"""Shards are made ready here: in the transaction that lets senders see a run, and by looks at what is due since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.shard import OF_ONE_RUN, OpenRun, Shard, wanting
from mailer.errors import StoreError
from mailer.store.bell import ring
from mailer.store.due import is_free, is_urgent, open_runs
from mailer.store.engine import Database
from mailer.store.tables import delivery, run

_SWEEP_LOCK = 7_021_003  # our number among PostgreSQL's advisory locks: one look at a time

#: Runs that one look goes through; the rest are seen by the next.
_MOST_RUNS = 5_000

#: Shards of a run made ready by the transaction that releases it, which is to be short; a look adds the rest.
_AT_ONCE = 20


class ShardQueue(Protocol):
    """Where shards wait for a sender, in the same database: what is put there is part of the transaction."""

    async def installed(self, connection: AsyncConnection) -> bool:
        """Whether the database has what the queue needs."""

    async def alive(self, connection: AsyncConnection) -> bool:
        """Whether anybody takes shards."""

    async def waiting(self, connection: AsyncConnection) -> Sequence[Shard]:
        """The shards nobody has begun."""

    async def put(self, connection: AsyncConnection, shards: Sequence[Shard]) -> None:
        """Add shards."""


class Shards:
    """Keeps a queue filled. `size` is how many deliveries a sender claims at a time."""

    def __init__(self, db: Database, queue: ShardQueue, size: int) -> None:
        self._db = db
        self._queue = queue
        self._size = size

    async def require(self) -> None:
        """See that shards can be handed out at all.

        Raises:
            StoreError: the database was made by a program that knew of none.
        """
        async with self._db.read() as connection:
            if not await self._queue.installed(connection):
                raise StoreError(
                    f"The database {self._db.where} serves one machine so far; "
                    "run `mailer migrate` to make it serve several."
                )

    async def announce(self, connection: AsyncConnection, run_ids: Sequence[int], now: datetime) -> None:
        """Senders may see these runs when the transaction commits: their first shards commit with it."""
        if run_ids and await self._queue.alive(connection):
            await self._fill(connection, now, _AT_ONCE, run_ids)

    async def sweep(self, now: datetime) -> int:
        """Make ready what is due, nobody's, and without a shard; returns how many shards that were.

        That is what the window had no room for, what was put off until now, what a dead sender held, and what
        was paused or halted. Two processes may do this at once: one does it.
        """
        async with self._db.write() as connection:
            mine = await connection.scalar(select(func.pg_try_advisory_xact_lock(_SWEEP_LOCK)))
            if not mine or not await self._queue.alive(connection):
                return 0
            return await self._fill(connection, now, OF_ONE_RUN)

    async def _fill(
        self, connection: AsyncConnection, now: datetime, most: int, only: Sequence[int] | None = None
    ) -> int:
        runs = await _open(connection, now, most * self._size, only)
        if not runs:
            return 0
        shards = wanting(runs, await self._queue.waiting(connection), self._size)
        if shards:
            await self._queue.put(connection, shards)
        return len(shards)


async def announce(
    shards: Shards | None, connection: AsyncConnection, run_ids: Sequence[int], now: datetime
) -> None:
    """See `Shards.announce`; senders that take no shards look for themselves, and on PostgreSQL hear the bell."""
    if run_ids:
        await ring(connection)
    if shards is not None:
        await shards.announce(connection, run_ids, now)


async def _open(
    connection: AsyncConnection, now: datetime, most: int, only: Sequence[int] | None
) -> list[OpenRun]:
    """Runs with something to claim, the most urgent first; at most `most` deliveries of each are counted."""
    some = (
        select(delivery.c.id)
        .where(delivery.c.run_id == run.c.id, is_free(), delivery.c.not_before <= now)
        .limit(most)
        .correlate(run)
        .subquery()
    )
    due = select(func.count()).select_from(some).scalar_subquery()
    wanted = open_runs(now).add_columns(is_urgent().label("urgent"), due.label("due")).limit(_MOST_RUNS)
    if only is not None:
        wanted = wanted.where(run.c.id.in_(only))
    return [OpenRun(row.id, row.priority, row.urgent, row.due) for row in await connection.execute(wanted)]
