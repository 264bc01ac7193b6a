"""A backup is whole, apart from the original, and never written over another file."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

import pytest

from mailer.errors import StoreError, UsageError
from mailer.store.backup import PART, backup
from mailer.store.customers import Customers
from mailer.store.engine import Database
from tests.store.rows import a_customer_row


async def test_a_backup_holds_what_stood_and_goes_its_own_way(
    sqlite_database: Database, tmp_path: Path
) -> None:
    await a_customer_row(sqlite_database, ext_id="before")
    await backup(sqlite_database, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0
    await a_customer_row(sqlite_database, ext_id="after")
    copy = await Database.connect(f"sqlite:///{tmp_path / 'copy.db'}")
    try:
        assert [row["id"] async for row in Customers(copy).list()] == ["before"]
    finally:
        await copy.close()


async def who(file: Path) -> list[str]:
    database = await Database.connect(f"sqlite:///{file}")
    try:
        return [row["id"] async for row in Customers(database).list()]
    finally:
        await database.close()


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def bytes_of(*files: Path) -> list[bytes]:
    return [each.read_bytes() for each in files]


def killed(database: Database, file: Path) -> None:
    """Let `file` be what a process leaves that is killed this moment."""
    for end in ("", "-wal", "-shm"):
        shutil.copy(f"{database.where}{end}", f"{file}{end}")
    assert Path(f"{file}-wal").stat().st_size


async def test_a_backup_put_beside_the_log_of_another_is_refused_until_that_is_taken_away(
    sqlite_database: Database, tmp_path: Path
) -> None:
    here, copy = tmp_path / "here.db", tmp_path / "copy.db"
    await a_customer_row(sqlite_database, ext_id="before")
    await backup(sqlite_database, copy)
    await a_customer_row(sqlite_database, ext_id="after")
    killed(sqlite_database, here)
    log, index = tmp_path / "here.db-wal", tmp_path / "here.db-shm"
    shutil.copy(copy, here)
    before = bytes_of(here, log, index)
    with pytest.raises(StoreError, match=r"Take here\.db-wal and here\.db-shm away and start again\."):
        await who(here)
    assert bytes_of(here, log, index) == before
    log.unlink()
    index.unlink()
    assert await who(here) == ["before"]


async def test_the_log_of_a_backup_that_is_in_use_is_its_own(
    sqlite_database: Database, tmp_path: Path
) -> None:
    await backup(sqlite_database, tmp_path / "copy.db")
    copy = await Database.connect(f"sqlite:///{tmp_path / 'copy.db'}")
    try:
        await a_customer_row(copy, ext_id="new")
        killed(copy, tmp_path / "again.db")
    finally:
        await copy.close()
    assert await who(tmp_path / "again.db") == ["new"]


async def test_what_a_killed_backup_left_is_removed_by_the_next_and_one_at_work_is_not(
    sqlite_database: Database, tmp_path: Path
) -> None:
    left, at_work, other = (
        tmp_path / name for name in (f".old.db.a1{PART}", f".old.db.b2{PART}", ".film.mkv.part")
    )
    for each in (left, at_work, other, left.with_name(f"{left.name}-journal")):
        each.write_text("half")
    with at_work.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        await backup(sqlite_database, tmp_path / "new.db")
    assert {each for each in names(tmp_path) if PART in each} == {at_work.name}
    assert names(tmp_path) >= {other.name, "new.db"}


async def test_a_file_that_is_there_stays(sqlite_database: Database, tmp_path: Path) -> None:
    there = tmp_path / "copy.db"
    there.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        await backup(sqlite_database, there)
    assert there.read_text() == "mine"


async def test_a_folder_that_is_not_there_is_a_sentence(sqlite_database: Database, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be"):
        await backup(sqlite_database, tmp_path / "nowhere" / "copy.db")


async def test_postgresql_has_its_own_tool(postgresql_database: Database, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pg_dump"):
        await backup(postgresql_database, tmp_path / "copy.db")
