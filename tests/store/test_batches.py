"""Deliveries written together, where some of them are there already."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from mailer.core.run import Batch, Reserve
from mailer.store.engine import Database
from mailer.store.tables import delivery
from tests.store.planned import a_row, codes, customers, runs_of
from tests.store.rows import NOW, a_run

GENERATED = Reserve(kind="generated", prefix="SS", percent=15)
AROUND = ("offer:", ":2027-05-10")


async def written(database: Database, run_id: int) -> list[int]:
    async with database.read() as connection:
        wanted = select(delivery.c.customer_id).where(delivery.c.run_id == run_id)
        return sorted((await connection.scalars(wanted)).all())


@pytest.mark.parametrize("reserve", [None, GENERATED], ids=["plain", "coupon"])
async def test_who_is_there_already_stays_and_the_others_are_added(
    database: Database, reserve: Reserve | None
) -> None:
    people = await customers(database, 6)
    run_id = await a_run(database, state="planning")
    book, like = runs_of(database), replace(a_row(0, GENERATED), coupon=reserve)
    assert await book.add(run_id, [], NOW, [Batch(like, AROUND, people[:3])]) == 3
    whole = Batch(like, AROUND, people)
    assert await book.add(run_id, [], NOW, [whole]) == 3
    assert await book.add(run_id, [], NOW, [whole]) == 0
    assert await written(database, run_id) == people
    held = [row["customer_id"] for row in await codes(database)]
    assert held == (people if reserve else [])


async def test_whose_once_key_is_held_is_left_out_of_another_run(database: Database) -> None:
    people = await customers(database, 4)
    first, second = await a_run(database, state="planning"), await a_run(database, state="planning")
    book, like = runs_of(database), replace(a_row(0, GENERATED), coupon=None)
    assert await book.add(first, [], NOW, [Batch(like, AROUND, people[1:2])]) == 1
    assert await book.add(second, [], NOW, [Batch(like, AROUND, people)]) == 3
    assert await written(database, second) == [people[0], *people[2:]]


async def test_without_once_keys_it_is_their_run_that_has_each_once(database: Database) -> None:
    people = await customers(database, 4)
    first, second = await a_run(database, state="planning"), await a_run(database, state="planning")
    book, like = runs_of(database), replace(a_row(0, GENERATED), coupon=None)
    assert await book.add(first, [], NOW, [Batch(like, None, people[:3])]) == 3
    assert await book.add(first, [], NOW, [Batch(like, None, people)]) == 1
    assert await book.add(second, [], NOW, [Batch(like, None, people)]) == 4
    assert (await written(database, first), await written(database, second)) == (people, people)
