"""A copy says what the original says, and what is done to it stays there."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from mailer.store.engine import Database
from mailer.store.snapshot import PREFIX, snapshot
from mailer.store.tables import customer, customer_date, delivery, metadata, named_list, service_point
from tests.store.rows import NOW, a_coupon, a_customer_row, a_delivery, add, put

ODD = datetime(2027, 3, 28, 0, 59, 59, 120_003, tzinfo=UTC)


def left_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def everything(database: Database) -> dict[str, list[Any]]:
    async with database.read() as conn:
        return {
            table.name: [
                tuple(row) for row in await conn.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in metadata.sorted_tables
        }


async def a_shop(database: Database) -> int:
    who = await a_customer_row(
        database, "Ayşe'\"", stored_at=ODD, services=["fibre", "tv"], first_name="Ayşe",
        attributes={"interests": ["çay", "coffee"], "nested": {"n": 1.5, "none": None}, "ş": "\u2028"},
    )  # fmt: skip
    await put(database, customer_date, customer_id=who, attr="birthday", month=2, day=29, year=None, set_at=NOW,
              placeholder=True)  # fmt: skip
    await add(database, service_point, customer_id=who, ext_id="p", service="tv", lat=41.01, lon=None,
              stored_at=NOW)  # fmt: skip
    await add(database, named_list, name="l", loaded_at=NOW)
    mail = await a_delivery(database, customer_id=who, context={"event": "x"})
    await a_coupon(database, mail, valid_until=date(2027, 6, 9))
    return mail


async def test_a_copy_has_every_row_as_it_is(database: Database) -> None:
    await a_shop(database)
    async with snapshot(database) as copy:
        assert await everything(copy) == await everything(database)
        assert copy.dialect == "sqlite"


async def test_what_is_done_to_a_copy_stays_there(database: Database, tmp_path: Path) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    mail = await a_shop(database)
    before = await everything(database)
    async with snapshot(database, place) as copy:
        assert [name.startswith(PREFIX) for name in left_in(place)] == [True]
        async with copy.write() as conn:
            await conn.execute(update(delivery).values(state="sent"))
            await conn.execute(update(customer).values(email="x"))
        await a_delivery(copy)  # numbers go on from where they were
        async with copy.read() as conn:
            assert int(await conn.scalar(select(func.max(delivery.c.id))) or 0) > mail
    assert await everything(database) == before
    assert left_in(place) == []


async def test_a_copy_is_gone_whatever_happens_on_it(database: Database, tmp_path: Path) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    with pytest.raises(RuntimeError, match="halfway"):
        async with snapshot(database, place):
            raise RuntimeError("halfway")
    assert left_in(place) == []


async def test_a_copy_has_the_same_indexes(postgresql_database: Database, sqlite_database: Database) -> None:
    async def indexes(database: Database) -> set[tuple[str, str]]:
        async with database.read() as conn:
            found = await conn.exec_driver_sql(
                "select name, tbl_name from sqlite_master where type = 'index'"
            )
            return {(row[0], row[1]) for row in found if not row[1].startswith("alembic")}

    async with snapshot(postgresql_database) as copy:
        assert await indexes(copy) == await indexes(sqlite_database)


async def test_a_copy_that_was_left_by_somebody_killed_goes_with_the_next(
    sqlite_database: Database, tmp_path: Path
) -> None:
    tmp_path = tmp_path / "tmp %41?#"
    tmp_path.mkdir()
    left, other = tmp_path / f"{PREFIX}dead", tmp_path / "mailer-else"
    for each in (left, other):
        each.mkdir()
        (each / "copy.db").write_text("all customers")
    (tmp_path / f"{PREFIX}link").symlink_to(other)
    async with snapshot(sqlite_database, tmp_path), snapshot(sqlite_database, tmp_path):
        found = left_in(tmp_path)
        assert left.name not in found
        assert all((tmp_path / each / "copy.db").stat().st_size for each in found if "link" not in each)
        assert len(found) == 4, "both that live, the link and what it leads to"
    assert sorted(left_in(tmp_path)) == ["mailer-else", f"{PREFIX}link"]
    assert left_in(other) == ["copy.db"]
