"""A backup: the SQLite database as it stood at one moment, in a file of its own, whole or not at all."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path

from mailer.errors import StoreError, UsageError
from mailer.store.engine import Database
from mailer.store.snapshot import copy_file, trouble
from mailer.store.sqlite_file import SET_ASIDE

PART = ".mailer-part"  # ends the name of what is being written
_BESIDE = ("", "-journal", "-wal", "-shm")  # what SQLite may have put there with it


async def backup(db: Database, file: Path) -> None:
    """Write the SQLite database as it stands to `file`, whole or not at all, while others go on writing.

    What backups that were killed left in that folder is removed.

    Raises:
        UsageError: the file is there already, or the database is on PostgreSQL, which has `pg_dump` for it.
        StoreError: it cannot be read, or there is no room for the copy.
    """
    if db.dialect != "sqlite":
        raise UsageError(f"The database {db.where} is on PostgreSQL; back it up with pg_dump.")
    await asyncio.to_thread(_free, file)
    await asyncio.to_thread(_sweep, file.parent)
    try:
        # Not in a thread: a task that is cancelled meanwhile would never know its name.
        part, held = _part(file)
        try:
            await asyncio.to_thread(_copy, db.where, part, file)
            await asyncio.to_thread(_free, file)
            await asyncio.to_thread(part.rename, file)
        finally:
            await asyncio.to_thread(_remove, part)
            os.close(held)
    except OSError as error:
        raise StoreError(f"The backup cannot be written to {file}: {error.strerror}.") from None


def _free(file: Path) -> None:
    if file.exists():
        raise UsageError(f"{file} is there already; give the backup another name.")


def _part(file: Path) -> tuple[Path, int]:
    """A file of our own to write to, for its owner alone; locked for as long as this process lives."""
    held, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=PART, dir=file.parent)
    with suppress(OSError):  # not every file system can
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return Path(name), held


def _copy(where: str, part: Path, file: Path) -> None:
    with trouble(file):
        copy_file(where, part)
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()
            copy.execute(f"PRAGMA application_id = {SET_ASIDE}")


def _sweep(folder: Path) -> None:
    """Remove what was begun by those that were killed: the customers are in it, and it takes room."""
    for part in folder.glob(f".*{PART}"):
        with suppress(OSError):  # another swept it first, or is at it
            held = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(held).st_size:  # an empty one was made this moment, and is about to be locked
                    _remove(part)
            finally:
                os.close(held)


def _remove(part: Path) -> None:
    for each in _BESIDE:
        part.with_name(part.name + each).unlink(missing_ok=True)
