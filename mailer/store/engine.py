"""The way to the database: one `Database` a process, transactions that read and transactions that write."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncResult, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from mailer.errors import StoreBusy, StoreError
from mailer.store.dialect import LOCK_SECONDS, driver_url, explain, is_busy, is_store_trouble, public_name
from mailer.store.inline import inline

_WRITES = "mailer_writes"


def _json(value: Any) -> str:
    # SQLite finds a key only where it stands as itself, not as \u escapes; and it reads no NaN.
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


#: A frozen process must not hold its locks for ever.
_POSTGRESQL = {"lock_timeout": f"{LOCK_SECONDS}s", "idle_in_transaction_session_timeout": "60s"}

#: For short statements, which name the rows they want. Of a run just planned PostgreSQL has no statistics: it took its
#: rows to be few, and read all of them and all customers for each chunk a sender took. So: by index, and planned once.
_SHORT = {
    "enable_seqscan": "off", "enable_bitmapscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
    "enable_material": "off", "jit": "off", "plan_cache_mode": "force_generic_plan",
}  # fmt: skip


class Database:
    """A database, SQLite or PostgreSQL, for one event loop of one process."""

    def __init__(self, engine: AsyncEngine, where: str) -> None:
        self.dialect = engine.dialect.name  # sqlite or postgresql
        self.where = where  # as it may be shown
        self._engine = engine
        self._reader = engine
        self._writer = engine.execution_options(**{_WRITES: True})
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
        if parsed.get_backend_name() == "sqlite":
            engine = _sqlite(parsed, where, durable=durable, short=short)
        else:
            options = _POSTGRESQL | (_SHORT if short else {})
            engine = create_async_engine(
                parsed, pool_size=5, max_overflow=15, pool_pre_ping=True, pool_timeout=LOCK_SECONDS,
                json_serializer=_json,
                connect_args={
                    "connect_timeout": 10,
                    # A server whose machine went away without a word is given up within a minute, not after hours.
                    "keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 4,
                    "tcp_user_timeout": 40_000,
                    "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
                },
            )  # fmt: skip
            event.listen(engine.sync_engine, "begin", _begin_postgresql)
        database = cls(engine, where)
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
        with self._trouble():
            async with self._queue(), self._writer.connect() as connection, connection.begin():
                yield connection

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


def _sqlite(url: Any, where: str, *, durable: bool, short: bool) -> AsyncEngine:
    file = Path(url.database).expanduser()
    folder = file.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder of the database {where} cannot be made: {error.strerror or error}."
        ) from error
    # What is there already keeps its rights, and SQLite says better what else is wrong.
    with suppress(OSError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))  # its log takes after it
    engine = create_async_engine(
        url.set(database=str(file)),
        pool_size=5, max_overflow=15, pool_timeout=LOCK_SECONDS,
        connect_args={"factory": _Undone} | ({"async_creator_fn": inline} if short else {}),
        json_serializer=_json,
    )  # fmt: skip
    patience = 0 if short else LOCK_SECONDS * 1000  # see store.inline
    event.listen(engine.sync_engine, "connect", partial(_prepare_sqlite, patience=patience))
    if not durable:
        event.listen(engine.sync_engine, "connect", _waits_for_no_disk)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


class _Undone(sqlite3.Connection):
    """Closing it undoes what was not committed.

    SQLite itself waits with that for the last of its cursors. A task that was cancelled leaves one behind, and the
    one writer's place would stay taken.
    """

    def close(self) -> None:
        """Roll back, then close."""
        with suppress(sqlite3.Error):
            self.rollback()
        super().close()


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry, *, patience: int) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: _begin_sqlite does
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {LOCK_SECONDS * 1000}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA cache_size = -16000")
    cursor.execute("PRAGMA temp_store = MEMORY")
    _write_ahead(cursor)
    cursor.execute(f"PRAGMA busy_timeout = {patience}")
    cursor.close()


def _waits_for_no_disk(connection: Any, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = OFF")
    cursor.execute("PRAGMA cache_size = -64000")
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    # The switch to WAL is kept in the file, and is the one step that does not ask the busy handler.
    give_up = time.monotonic() + LOCK_SECONDS
    while True:
        cursor.execute("PRAGMA journal_mode")
        if cursor.fetchone()[0] == "wal":
            return
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.fetchone()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
        if time.monotonic() > give_up:
            raise sqlite3.OperationalError("its write-ahead log cannot be switched on")
        time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that turns to writing ignores busy_timeout; ours say at once what they are.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    # Reading holds no locks; a listing that somebody pages through slowly may stay open.
    if not connection.get_execution_options().get(_WRITES):
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
