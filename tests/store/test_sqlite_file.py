"""An SQLite file in use: another one in its place is not written to, nor joined with what was begun."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest

from mailer.errors import StoreError
from mailer.store.engine import Database

ADD = "insert into t values (1)"


@pytest.mark.parametrize("what", ["moved away", "another in its place"])
async def test_a_file_that_is_no_longer_the_one_that_was_opened_is_left_alone(
    tmp_path: Path, what: str
) -> None:
    file, kept, copy = tmp_path / "m.db", tmp_path / "kept.db", tmp_path / "copy.db"
    database = await Database.connect(f"sqlite:///{file}")
    async with database.write() as connection:
        await connection.exec_driver_sql("create table t (n int)")
    await database.checkpoint()
    shutil.copy(file, copy)
    async with database.write() as connection:
        await connection.exec_driver_sql(ADD)
    file.rename(kept)
    if what == "another in its place":
        copy.rename(file)
    with pytest.raises(StoreError, match=r"m\.db was moved, removed or replaced"):
        async with database.write() as connection:
            await connection.exec_driver_sql(ADD)
    # One reader more than there are connections: the new one is not opened, as it would join file and log.
    async with database.read() as connection:
        await connection.exec_driver_sql("select 1")

        async def another() -> None:
            async with database.read() as beside:
                await beside.exec_driver_sql("select 1")

        with pytest.raises(StoreError, match="put the right file there"):
            await asyncio.gather(*(another() for _ in range(5)))
    kept.replace(file)
    async with database.write() as connection:  # it is there again, and so are its log and we
        await connection.exec_driver_sql(ADD)
    await database.close()
    with sqlite3.connect(file) as found:
        assert found.execute("select count(*) from t").fetchone() == (2,)
        assert found.execute("pragma integrity_check").fetchone() == ("ok",)
    found.close()
