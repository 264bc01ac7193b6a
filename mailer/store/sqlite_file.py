"""An SQLite file: made for its owner alone, opened as we want it, and watched over while it is in use."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from mailer.errors import StoreError
from mailer.store.dialect import LOCK_SECONDS
from mailer.store.inline import inline
from mailer.store.threaded import Threaded

#: The application id of a backup that nobody has opened yet. Such a file has no log of its own.
SET_ASIDE = 0x6D626B70

#: How large the log grows before it is brought into the file, in pages of 4,096 bytes: 64 MB. SQLite's own 1,000 are
#: written several times for each page of a run that is planned, and the same pages of its indexes go into the file over
#: and over; planning 100,000 took up to a third longer. What is in the log is as durable as what is in the file.
LOG_PAGES = 16_000

#: The execution option of an engine whose transactions write.
WRITES = "mailer_writes"


def as_json(value: Any) -> str:
    """A value as both databases keep it."""
    # SQLite finds a key only where it stands as itself, not as \u escapes; and it reads no NaN.
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def sqlite(url: Any, where: str, *, durable: bool, short: bool) -> tuple[AsyncEngine, Callable[[], None]]:
    """The engine of a file, which is made where it is missing; and what raises once it is not that file any more.

    Raises:
        StoreError: it is a folder, its folder cannot be made, or another file's log lies beside it.
    """
    file = Path(url.database).expanduser()
    if where.endswith(os.sep) or os.path.isdir(file):  # noqa: PTH112 - the other raises where it may not look
        raise StoreError(
            f"The database {where} is a folder, and a file is wanted: name one in it in database_url, "
            f"such as {Path(where) / 'mailer.db'}."
        )
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
    _see_log(file, where)
    engine = create_async_engine(
        url.set(database=str(file)),
        pool_size=5, max_overflow=15, pool_timeout=LOCK_SECONDS,
        connect_args={"factory": _Undone, "async_creator_fn": inline if short else Threaded.make},
        json_serializer=as_json,
    )  # fmt: skip
    patience = 0 if short else LOCK_SECONDS * 1000  # see store.inline
    event.listen(engine.sync_engine, "connect", partial(_prepare_sqlite, patience=patience))
    if not durable:
        event.listen(engine.sync_engine, "connect", _waits_for_no_disk)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    there = partial(_same_file, file, where, _number(file))
    event.listen(engine.sync_engine, "do_connect", lambda *_: there())
    return engine, there


def _see_log(file: Path, where: str) -> None:
    """See that what lies beside a backup is not the log of the database it was put in place of.

    SQLite would take it for the backup's own and write pages of the one into the other.

    Raises:
        StoreError: it is.
    """
    log = file.with_name(f"{file.name}-wal")
    with suppress(OSError, sqlite3.Error):  # opening it says better what else is wrong
        if not log.stat().st_size:  # first: whoever opens a backup takes the mark off before there is a log
            return
        # Without the log, and through SQLite: to close a handle of ours would drop its locks.
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True)) as alone:
            if alone.execute("PRAGMA application_id").fetchone()[0] != SET_ASIDE:
                return
        raise StoreError(
            f"The database {where} is a backup, and beside it lies {log.name} of the database it was put in place of; "
            f"opened together they would be mixed. Take {log.name} and {file.name}-shm away and start again."
        )


def _number(file: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = os.stat(file)  # noqa: PTH116 - asked before every transaction
        return found.st_dev, found.st_ino
    return None


def _same_file(file: Path, where: str, opened: tuple[int, int] | None) -> None:
    """See that the file is still the one that was opened.

    What is written to one that was moved away is lost, and a log that is put beside another file spoils it.

    Raises:
        StoreError: it was moved, removed, or another one is in its place.
    """
    if opened is not None and _number(file) != opened:
        raise StoreError(
            f"The database {where} was moved, removed or replaced while it was in use; nothing more is written. "
            "End every mailer, put the right file there without a -wal or -shm beside it, and start again."
        )


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
    cursor.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
    # A reader that stays lets it grow beyond that; what it then is on the disk is given back.
    cursor.execute(f"PRAGMA journal_size_limit = {LOG_PAGES * 4096}")
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
            cursor.execute("PRAGMA application_id")
            if cursor.fetchone()[0] == SET_ASIDE:
                cursor.execute("PRAGMA application_id = 0")
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
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
