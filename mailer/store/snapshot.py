"""A copy of the database to try things on: an SQLite file that is gone afterwards, whatever the original is."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Column, Date, Select, Table, Text, cast, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from mailer.errors import StoreError
from mailer.files.url import sqlite_url
from mailer.store.dialect import LOCK_SECONDS, explain
from mailer.store.engine import Database
from mailer.store.tables import Instant, metadata

PREFIX = "mailer-rehearsal-"  # of its folder
PART = 5_000  # rows that travel at once
_MAKING = "mailer-copy-"

_INSTANT = "YYYY-MM-DD HH24:MI:SS.US"  # as SQLAlchemy keeps them on SQLite


@asynccontextmanager
async def snapshot(db: Database, place: Path | None = None) -> AsyncIterator[Database]:
    """The database as it stood at one moment, to be written to at will. The original is only read.

    It lies in a folder of its own below `place`; none: where the system keeps temporary files (TMPDIR).

    Raises:
        StoreError: it cannot be read, or there is no room for the copy.
    """
    await asyncio.to_thread(_sweep, Path(place or tempfile.gettempdir()))
    # Not in a thread: a task that is cancelled meanwhile would never know its name.
    folder, held = _own_folder(place)
    try:
        file = folder / "copy.db"
        with trouble(file):
            if db.dialect == "sqlite":
                await asyncio.to_thread(copy_file, db.where, file)
            else:
                await _copy_rows(db, file)
        copy = await Database.connect(sqlite_url(file), durable=False)
        try:
            yield copy
        finally:
            await copy.close()
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if held is not None:
            os.close(held)


def _own_folder(place: Path | None) -> tuple[Path, int | None]:
    """A folder that has its name only once it is locked, so that nobody takes it for one that was left."""
    draft = Path(tempfile.mkdtemp(prefix=_MAKING, dir=place))
    held = _held(draft)
    return draft.rename(draft.with_name(draft.name.replace(_MAKING, PREFIX, 1))), held


def _held(folder: Path) -> int | None:
    """The folder, locked for as long as this process lives; None: somebody holds it, or it is none of ours."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.fstat(handle).st_uid == os.geteuid():
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
    except OSError:
        pass
    os.close(handle)
    return None


def _sweep(place: Path) -> None:
    """Remove the copies of those that were killed: all of the customers are in them."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another swept it first
            if (held := _held(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(held)


@contextmanager
def trouble(file: Path) -> Iterator[None]:
    """Say what SQLite has to say of `file` as ours.

    Raises:
        StoreError: in its words.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(explain(error, str(file))) from error


def copy_file(where: str, file: Path) -> None:
    """The SQLite file `where` as it stands at this moment, as `file`."""
    file.touch(mode=0o600)  # it holds the customers
    source = Path(where).expanduser()
    with (
        closing(sqlite3.connect(source, timeout=LOCK_SECONDS)) as here,
        closing(sqlite3.connect(file)) as there,
    ):
        here.backup(there)  # in one step: writers go on beside it, and nothing of theirs is half in it


async def _copy_rows(db: Database, file: Path) -> None:
    """Every table in one transaction's view, as plain values: nothing is turned into objects on the way."""
    with closing(sqlite3.connect(file, check_same_thread=False, isolation_level=None)) as there:
        there.execute("PRAGMA synchronous = OFF")
        there.execute("PRAGMA journal_mode = OFF")
        there.execute("BEGIN")
        async with db.read() as connection:
            for table in metadata.sorted_tables:
                there.execute(str(CreateTable(table).compile(dialect=sqlite.dialect())))
                statement = _insert(table)
                rows = await connection.stream(_plain(table), execution_options={"yield_per": PART})
                async for part in rows.partitions():
                    await asyncio.to_thread(_write, there, statement, part)
        for table in metadata.sorted_tables:  # the rows first: an index is built faster than it is kept
            for index in sorted(table.indexes, key=lambda each: str(each.name)):
                await asyncio.to_thread(
                    there.execute, str(CreateIndex(index).compile(dialect=sqlite.dialect()))
                )
        there.execute("COMMIT")


def _write(there: sqlite3.Connection, statement: str, rows: Sequence[Any]) -> None:
    there.executemany(statement, rows)


def _insert(table: Table) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    return f'insert into "{table.name}" ({names}) values ({", ".join("?" * len(table.columns))})'


def _plain(table: Table) -> Select[Any]:
    return select(*(_as_sqlite_keeps_it(column) for column in table.columns))


def _as_sqlite_keeps_it(column: Column[Any]) -> Any:
    """A PostgreSQL column as the value SQLite has in its place."""
    if isinstance(column.type, Instant):
        return func.to_char(func.timezone("UTC", column), _INSTANT, type_=Text)
    if isinstance(column.type, JSON | Date):
        return cast(column, Text)
    return column
