"""How senders of several machines get their work, where the database is PostgreSQL.

Procrastinate is imported where it is used: no command on SQLite pays for it with time or memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.app.stores import Stores
from mailer.flow.dispatch import Dispatcher, Embedded, Supply, Watch
from mailer.store.bell import listening


async def install(connection: AsyncConnection) -> None:
    """Make Procrastinate's tables, or bring them up to date; PostgreSQL only."""
    if connection.dialect.name == "postgresql":
        from mailer.cluster import schema  # noqa: PLC0415 (see above)

        await schema.install(connection)


class Dispatch(Stores):
    """The dispatchers, and what keeps the shared one supplied."""

    @asynccontextmanager
    async def dispatcher(self, *, shared: bool, urgent: bool) -> AsyncIterator[Dispatcher]:
        """What a sender takes its work from: what is due, or shards `shared` with other machines.

        An `urgent` one hands out incidents and other service mail only.
        """
        url, size = self.settings.database_url.get_secret_value(), self.settings.sender.claim_size
        if not shared and self.db.dialect == "sqlite":
            # A file says for next to nothing whether it changed.
            yield Embedded(self.ledger, urgent=urgent, watch=Watch(self.db.mark, self.clock, 0.02))
            return
        if not shared:
            async with listening(url) as bell:
                watch = Watch(object, self.clock, 0.2, bell.wait)
                yield Embedded(self.ledger, urgent=urgent, watch=watch)
            return
        from mailer.cluster.taker import taking_shards  # noqa: PLC0415 (see above)

        async def claim(sender_id: int, now: datetime, limit: int, runs: Sequence[int]) -> list[int]:
            return await self.ledger.claim(sender_id, now, limit, runs=runs)

        async with taking_shards(url, claim, size, urgent=urgent) as taker:
            yield taker

    async def require_shards(self) -> None:
        """See that this database serves several machines.

        Raises:
            StoreError: it was made for one.
        """
        if self.shards is not None:
            await self.shards.require()

    @asynccontextmanager
    async def supply(self) -> AsyncIterator[Supply | None]:
        """What keeps shards coming; none on SQLite."""
        if self.shards is None:
            yield None
            return
        from mailer.cluster.queue import housekeeping  # noqa: PLC0415 (see above)

        async with housekeeping(self.settings.database_url.get_secret_value()) as tidy:
            yield Supply(self.shards, self.senders, tidy, self.clock)
