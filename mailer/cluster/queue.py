"""Shards as Procrastinate's jobs: put in a transaction of ours, looked through, and kept tidy."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import groupby

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.types import JSONDict
from psycopg.conninfo import make_conninfo
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.shard import Shard
from mailer.errors import StoreError

TASK = "mailer.shard"
URGENT, OTHER = "mailer_urgent", "mailer_other"  # queues

HEARTBEAT = 5.0  # seconds between two signs of life
STALLED = 20.0  # seconds without one, and a worker counts as dead

CONNECT_SECONDS = 10.0  # how long somebody who asks waits for a connection

_BULK = 100  # so many at once change what the database's planner should know of the table
_KEPT_HOURS = 24  # jobs that ended otherwise than well; the others are removed when they end

# Trouble with the database is told by whoever has work for it, in a sentence.
for _name in ("procrastinate", "psycopg.pool"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


def connector(url: str, connections: int) -> PsycopgConnector:
    """Procrastinate's way to the database of our `database_url`."""
    # Not as a URL: SQLAlchemy writes a space in a password, or several hosts, in another way than libpq reads them.
    read = make_url(url).set(drivername="postgresql+psycopg")
    _, where = read.get_dialect()().create_connect_args(read)
    return PsycopgConnector(
        conninfo=make_conninfo(**where),
        min_size=0,  # made when one is asked for: a database that is away is found out by whoever asks
        max_size=connections,
        timeout=CONNECT_SECONDS,
        kwargs={"connect_timeout": 10, "options": "-c lock_timeout=30s", "application_name": "mailer"},
    )


@contextmanager
def trouble() -> Iterator[None]:
    """What goes wrong with the database, as the rest of us knows it.

    Raises:
        StoreError: the database cannot be used.
    """
    try:
        yield
    except ConnectorException as error:
        cause = str(error.__cause__ or error).strip().partition("\n")[0].rstrip(".")
        raise StoreError(f"The queue of shards cannot be used: {cause}.") from error


class ProcrastinateQueue:
    """The queue as planners see it: everything happens in the transaction they are in."""

    def __init__(self) -> None:
        self._app = App(connector=PsycopgConnector())  # never opened: the connection is given

    async def installed(self, connection: AsyncConnection) -> bool:
        """Whether Procrastinate's tables are here."""
        return await connection.scalar(text("select to_regclass('procrastinate_workers')")) is not None

    async def alive(self, connection: AsyncConnection) -> bool:
        """Whether a worker takes shards. Without one nothing is put: it would lie there for ever."""
        if not await self.installed(connection):
            return False
        seen = text(
            "select exists(select 1 from procrastinate_workers "
            "where last_heartbeat > now() - make_interval(secs => :stalled))"
        )
        return bool(await connection.scalar(seen, {"stalled": STALLED}))

    async def waiting(self, connection: AsyncConnection) -> list[Shard]:
        """The shards nobody has begun."""
        found = await connection.execute(
            text(
                "select queue_name, priority, array(select jsonb_array_elements_text(args->'runs')::bigint) "
                "from procrastinate_jobs where status = 'todo' and task_name = :task"
            ),
            {"task": TASK},
        )
        return [Shard(tuple(runs), priority, queue == URGENT) for queue, priority, runs in found]

    async def put(self, connection: AsyncConnection, shards: Sequence[Shard]) -> None:
        """Add shards."""
        plain = (await connection.get_raw_connection()).driver_connection

        def lane(shard: Shard) -> tuple[int, bool]:
            return shard.priority, shard.urgent

        with trouble():
            for (priority, urgent), part in groupby(sorted(shards, key=lane, reverse=True), lane):
                deferrer = self._app.configure_task(
                    TASK, queue=URGENT if urgent else OTHER, priority=priority, connection=plain
                )
                jobs: list[JSONDict] = [{"runs": list(shard.runs)} for shard in part]
                await deferrer.batch_defer_async(*jobs)
        if len(shards) >= _BULK:
            await connection.execute(text("analyze procrastinate_jobs"))


class Housekeeping:
    """What Procrastinate leaves to its users; made by `housekeeping`."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def take_back(self) -> int:
        """Let others take the shards of workers that died; how many those were."""
        with trouble():
            stalled = list(await self._app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED))
        back = 0
        for job in stalled:
            if job.task_name == TASK:
                try:
                    await self._app.job_manager.retry_job(job)
                except ConnectorException:  # it ended, or another was faster
                    continue
                back += 1
        return back

    async def prune(self) -> None:
        """Remove what is over: jobs that were aborted, and workers that died."""
        with trouble():
            await self._app.job_manager.prune_stalled_workers(STALLED)
            for queue in (URGENT, OTHER):
                await self._app.job_manager.delete_old_jobs(
                    _KEPT_HOURS, queue, include_failed=True, include_cancelled=True, include_aborted=True
                )


@asynccontextmanager
async def housekeeping(url: str) -> AsyncIterator[Housekeeping]:
    """Housekeeping on the database of our `database_url`."""
    app = App(connector=connector(url, 2))
    await app.open_async()
    try:
        yield Housekeeping(app)
    finally:
        await app.close_async()
