"""The way to the database: one `Database` a process, transactions that read and transactions that write."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import psycopg
from sqlalchemy import Connection, Dialect, Select, Table, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncResult, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from mailer.errors import StoreBusy, StoreError
from mailer.store.dialect import LOCK_SECONDS, driver_url, explain, is_busy, is_store_trouble, public_name
from mailer.store.sqlite_file import WRITES, as_json, sqlite

#: A frozen process must not hold its locks for ever. Compiling a statement takes longer than it saves: half the time of
#: a planner's pages went there.
_POSTGRESQL = {"lock_timeout": f"{LOCK_SECONDS}s", "idle_in_transaction_session_timeout": "60s", "jit": "off"}

#: For short statements, which name the rows they want. Of a run just planned PostgreSQL has no statistics: it took its
#: rows to be few, and read all of them and all customers for each chunk a sender took. So: by index, and planned once.
_SHORT = {
    "enable_seqscan": "off", "enable_bitmapscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
    "enable_material": "off", "plan_cache_mode": "force_generic_plan",
}  # fmt: skip

# What happens to a connection is told by whoever has work for it, in a sentence.
logging.getLogger("psycopg").addHandler(logging.NullHandler())


#: Seconds after which a connection is asked whether its server is still there before it is used.
ASKED_AFTER = 0.5
_RESTS = "mailer_rests"

#: Seconds for which a connection of PostgreSQL's keeps to what it planned. It would until a table is counted, a minute
#: later at best: planned while there were five mails, each statement of a sender went through all of 100,000.
#: To plan anew it looks how large the tables are, and takes milliseconds for all that a sender asks.
PLANS_LAST = 2.0
_PLANNED = "mailer_planned"


def connection_name(host: str, pid: int) -> str:
    """What PostgreSQL calls the connections of a process of ours."""
    return f"mailer {pid}@{host}"[:63]  # as long as it keeps


def reached(options: Mapping[str, str]) -> dict[str, Any]:
    """How a connection to PostgreSQL is made, with these options of the server's."""
    return {
        "connect_timeout": 10,
        # A server whose machine went away without a word is given up within a minute, not after hours.
        "keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 4, "tcp_user_timeout": 40_000,
        "application_name": connection_name(socket.gethostname(), os.getpid()),
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
    }  # fmt: skip


class Database:
    """A database, SQLite or PostgreSQL, for one event loop of one process."""

    def __init__(self, engine: AsyncEngine, where: str, there: Callable[[], None] | None = None) -> None:
        self._there = there  # raises where the file is no longer the one that was opened
        self.dialect = engine.dialect.name  # sqlite or postgresql
        self.where = where  # as it may be shown
        self._engine = engine
        self._reader = engine
        self._writer = engine.execution_options(**{WRITES: True})
        if self.dialect == "postgresql":
            self._reader = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        # SQLite has one writer. Waiting here is fair and wakes at once; its own busy handler polls.
        self._turn = asyncio.Lock() if self.dialect == "sqlite" else None

    @classmethod
    async def connect(cls, url: str, *, durable: bool = True, short: bool = False) -> Database:
        """Open the database of `url` (`sqlite:///path`, `postgresql://…`, `postgres://…`).

        An SQLite file and its folder are made when missing; a relative path starts at the working folder.
        One that is not `durable` need not survive a power cut: a copy to try things on.
        `short` says that no statement of this process takes long; see `store.inline`.

        Raises:
            SettingsError: a URL we cannot use.
            StoreError: the database cannot be reached.
        """
        parsed = driver_url(url)
        where = public_name(parsed)
        there = None
        if parsed.get_backend_name() == "sqlite":
            engine, there = sqlite(parsed, where, durable=durable, short=short)
        else:
            options = _POSTGRESQL | (_SHORT if short else {})
            engine = create_async_engine(
                parsed, pool_size=5, max_overflow=15, pool_timeout=LOCK_SECONDS,
                json_serializer=as_json,
                connect_args=reached(options),
            )  # fmt: skip
            event.listen(engine.sync_engine, "begin", _begin_postgresql)
            event.listen(engine.sync_engine, "checkout", _still_there(engine.dialect))
            event.listen(engine.sync_engine, "checkin", _rests)
        database = cls(engine, where, there)
        try:
            async with database.read() as connection:
                await connection.exec_driver_sql("select 1")
        except BaseException:
            await engine.dispose()
            raise
        return database

    def __repr__(self) -> str:
        return f"Database({self.where!r})"

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that reads one snapshot and never waits for a writer.

        Raises:
            StoreError: the database cannot be used.
        """
        with self._trouble():
            async with self._reader.connect() as connection, connection.begin():
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write; committed at the end, rolled back by any exception.

        On SQLite it holds the one writer's place from its first moment, so keep it short, and never open one
        inside another.

        Raises:
            StoreBusy: locked for too long, or a conflict that may pass when tried again.
            StoreError: the database cannot be used. When the failure was in COMMIT itself nobody knows
                whether it took: read again.
        """
        if self._there is not None:
            self._there()
        with self._trouble():
            async with self._queue(), self._writer.connect() as connection, connection.begin():
                yield connection

    async def survey(self, *tables: Table) -> None:
        """Let PostgreSQL look how much it has of what in these tables; by itself it does within about a minute.

        Where it cannot, somebody vacuums them, say, nothing is lost but a little speed. SQLite's queries are written so
        that they need no such knowledge.
        """
        if self.dialect == "postgresql":
            with suppress(StoreError):
                async with self.write() as connection:
                    await connection.exec_driver_sql(f"ANALYZE {', '.join(table.name for table in tables)}")

    async def checkpoint(self) -> None:
        """Bring the write-ahead log of an SQLite file into it and empty it, as far as readers let us."""
        if self.dialect == "sqlite":
            with self._trouble():
                async with self._engine.connect() as connection:
                    raw = (await connection.get_raw_connection()).driver_connection
                    assert raw is not None  # noqa: S101 - it is open
                    await raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def mark(self) -> object:
        """Another value after a change by anybody, on SQLite: its log grew, or was begun anew.

        Two changes within a tick of the file system's clock may look like one.
        """
        with suppress(OSError):
            log = os.stat(f"{self._engine.url.database}-wal")  # noqa: PTH116 - asked fifty times a second
            return log.st_mtime_ns, log.st_size
        return None

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @asynccontextmanager
    async def _queue(self) -> AsyncIterator[None]:
        if self._turn is None:
            yield
            return
        try:
            async with asyncio.timeout(LOCK_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise StoreBusy(
                f"The database {self.where} was kept by another writer of this program for "
                f"{LOCK_SECONDS} seconds."
            ) from None
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if not is_store_trouble(error):
                raise
            kind = StoreBusy if is_busy(error) else StoreError
            raise kind(explain(error, self.where)) from error
        except (PoolTimeout, sqlite3.Error) as error:
            raise StoreError(explain(error, self.where)) from error


@asynccontextmanager
async def streamed(connection: AsyncConnection, statement: Select[Any]) -> AsyncIterator[AsyncResult[Any]]:
    """The rows of a statement as they come, closed also when whoever reads them breaks off."""
    found = await connection.stream(statement)  # its own context manager closes only after a good end
    try:
        yield found
    finally:
        await found.close()


def _rests(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info[_RESTS] = time.monotonic()


def _still_there(dialect: Dialect) -> Callable[[DBAPIConnection, ConnectionPoolEntry, object], None]:
    """Asks a connection that was not used for a moment, once it is wanted, whether the server is still there.

    One just given back is not asked: a sender takes one several times for each wave, and asking takes as long as its
    shorter transactions.
    """

    def ask(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
        rests = record.info.get(_RESTS)
        if rests is None or time.monotonic() - rests < ASKED_AFTER:
            return
        try:
            dialect.do_ping(connection)
        except psycopg.Error as error:
            raise InvalidatePoolError from error

    return ask


def _begin_postgresql(connection: Connection) -> None:
    now = time.monotonic()
    if now - connection.info.setdefault(_PLANNED, now) > PLANS_LAST:
        connection.info[_PLANNED] = now
        connection.exec_driver_sql("DISCARD PLANS")
    # Reading holds no locks; a listing that somebody pages through slowly may stay open.
    if not connection.get_execution_options().get(WRITES):
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
