"""A backup is whole, apart from the original, and never written over another file."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailer.errors import StoreError, UsageError
from mailer.store.customers import Customers
from mailer.store.engine import Database
from mailer.store.snapshot import backup
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
