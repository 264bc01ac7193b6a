"""When somebody on PostgreSQL waits for a lock of ours."""

from __future__ import annotations

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_FOR_ME = text("select pid from pg_stat_activity where pg_backend_pid() = any(pg_blocking_pids(pid))")


async def until_it_waits(connection: AsyncConnection) -> int:
    """The process of the server that waits for what this transaction locked, as soon as there is one."""
    async with asyncio.timeout(60):
        while (pid := await connection.scalar(_FOR_ME)) is None:
            await asyncio.sleep(0.01)
            await connection.execute(text("select pg_stat_clear_snapshot()"))
    return int(pid)
