"""Several statements on one way to PostgreSQL and back, when something goes wrong on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.errors import StoreBusy, StoreError
from mailer.store import engine
from mailer.store.changes import Marking
from mailer.store.engine import Database
from mailer.store.statements import Asking, Step, together
from mailer.store.tables import customer
from tests.store.rows import a_customer_row, one
from tests.store.waiting import until_it_waits

LOCK = Marking("select id from customer where id {these} order by id for update")
CALL = Marking("update customer set first_name = :name where id {these}")
NAMES = Asking("select first_name from customer where id = :key")
PID = Asking("select pg_backend_pid()")


@pytest.fixture
async def someone(postgresql_database: Database) -> int:
    return await a_customer_row(postgresql_database, first_name="Ada")


@pytest.fixture
async def impatient(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """The same database, by somebody who gives up on a lock at once."""
    monkeypatch.setitem(engine._POSTGRESQL, "lock_timeout", "50ms")
    opened = await Database.connect(postgresql_url)
    yield opened
    await opened.close()


def rename(key: int) -> list[Step]:
    """Four statements, of which the second may have to wait."""
    return [PID.by(), LOCK.of([key]), CALL.of([key], name="Eda"), NAMES.by(key=key)]


async def server_of(connection: AsyncConnection) -> int:
    """The process of the server that serves a connection."""
    ((pid,),) = (await together(connection, PID.by()))[0]
    return int(pid)


async def renamed(database: Database, key: int) -> int:
    """Rename them in a transaction of its own; the process of the server that did it."""
    async with database.write() as connection:
        ((pid,),), *_nothing, names = await together(connection, *rename(key))
    assert names == [("Eda",)]
    return int(pid)


async def attempt(database: Database, served: list[int], *steps: Step) -> None:
    """Run these in a transaction of their own; who served it is added to `served`."""
    async with database.write() as connection:
        served.append(await server_of(connection))
        await together(connection, *steps)


@pytest.mark.parametrize("before", range(8))
async def test_a_lock_nobody_gives_back_in_time_may_pass_and_the_connection_serves_on(
    postgresql_database: Database, impatient: Database, someone: int, before: int
) -> None:
    """However often the statements ran before: from some time on the driver has them prepared by the server."""
    served = [await renamed(impatient, someone) for _ in range(before)]
    async with postgresql_database.write() as holder:
        await together(holder, LOCK.of([someone]))
        with pytest.raises(StoreBusy, match="stayed locked"):
            await attempt(impatient, served, *rename(someone))
    served += [await renamed(impatient, someone) for _ in range(8)]
    assert len(set(served)) == 1


async def test_of_two_that_wait_for_each_other_one_is_told_that_it_may_pass(
    postgresql_database: Database,
) -> None:
    keys = [await a_customer_row(postgresql_database) for _ in range(2)]
    both = asyncio.Barrier(2)

    async def in_turn(first: int, then: int) -> None:
        async with postgresql_database.write() as connection:
            await together(connection, LOCK.of([first]), CALL.of([first], name=f"by {first}"))
            await both.wait()
            await together(connection, *rename(then))

    ends = await asyncio.gather(in_turn(*keys), in_turn(*keys[::-1]), return_exceptions=True)
    assert sorted(type(end) for end in ends if end is not None) == [StoreBusy]
    won = keys[ends.index(None)]
    (lost,) = {*keys} - {won}
    names = [(await one(postgresql_database, customer, key))["first_name"] for key in (won, lost)]
    assert names == [f"by {won}", "Eda"]
    for key in keys:
        await renamed(postgresql_database, key)


@pytest.mark.parametrize("when", ["between two statements", "while it waits"])
async def test_a_connection_cut_by_the_server_is_replaced_and_said_so_in_one_sentence(
    postgresql_database: Database,
    someone: int,
    when: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as in a process that is no test
    cut = text("select pg_terminate_backend(:pid, 5000)")
    served = []
    async with postgresql_database.write() as holder:
        await together(holder, LOCK.of([someone]))

        async def broken() -> None:
            async with postgresql_database.write() as connection:
                served.append(await server_of(connection))
                if when == "between two statements":
                    await holder.execute(cut, {"pid": served[0]})
                await together(connection, *rename(someone))

        trying = asyncio.create_task(broken())
        if when == "while it waits":
            await holder.execute(cut, {"pid": await until_it_waits(holder)})
        with pytest.raises(
            StoreError, match=r"cannot be used: .*(terminating|closed the) connection"
        ) as caught:
            await trying
    assert not isinstance(caught.value, StoreBusy)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().err == ""
    assert await renamed(postgresql_database, someone) not in served


async def test_one_connection_that_was_cut_is_enough_to_use_none_of_the_same_server(
    postgresql_database: Database, impatient: Database, someone: int
) -> None:
    async with postgresql_database.write() as one_of_them, postgresql_database.write() as other:
        served = [await server_of(each) for each in (one_of_them, other)]
    async with impatient.write() as connection:
        for pid in served:
            await connection.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    with pytest.raises(StoreError):
        await attempt(postgresql_database, [], *rename(someone))
    assert await renamed(postgresql_database, someone) not in served


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
async def test_whoever_is_asked_to_stop_while_waiting_stops(
    postgresql_database: Database, someone: int, times: int
) -> None:
    async def wait() -> None:
        async with postgresql_database.write() as connection:
            await together(connection, *rename(someone))

    async with postgresql_database.write() as holder:
        await together(holder, LOCK.of([someone]))
        waiting = asyncio.create_task(wait())
        await until_it_waits(holder)
        for _ in range(times):
            waiting.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert (await one(postgresql_database, customer, someone))["first_name"] == "Ada"
    await renamed(postgresql_database, someone)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("select 1 / (:key - :key)", "division by zero"),
        ("selec :key", "syntax error"),
        ("select * from customer where id = :nobody_says", "nobody_says"),  # the driver's own
    ],
)
async def test_a_statement_that_is_wrong_is_told_by_its_own_error(
    postgresql_database: Database, someone: int, statement: str, said: str
) -> None:
    *before, name, after = rename(someone)
    served: list[int] = []
    with pytest.raises(DBAPIError, match=said):
        await attempt(
            postgresql_database, served, *before, name, Asking(statement).by(key=someone), name, after
        )
    assert (await one(postgresql_database, customer, someone))["first_name"] == "Ada"
    assert [await renamed(postgresql_database, someone)] == served


async def test_what_is_missing_from_the_database_is_told_as_of_another_version(
    postgresql_database: Database, someone: int
) -> None:
    wrong = Asking("select nothing from customer").by()
    with pytest.raises(StoreError, match="another version of mailer"):
        await attempt(postgresql_database, [], wrong, *rename(someone))


async def test_what_is_given_nothing_is_not_run_and_finds_nothing(database: Database) -> None:
    key = await a_customer_row(database, first_name="Ada")
    wrong = Marking("update nothing set x = 1 where id {these}")
    async with database.write() as connection:
        assert await together(connection) == []
        assert await together(connection, wrong.of([])) == [[]]
        found = await together(connection, wrong.of([]), NAMES.by(key=key), wrong.of([]))
        assert [list(map(tuple, each)) for each in found] == [[], [("Ada",)], []]
