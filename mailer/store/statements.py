"""The statements a sender lives by, written out: no expression is built and no row unpacked for each mail.

Rows go in as one JSON value. On SQLite they come out as one as well: its driver gives up the interpreter's lock for
every row it fetches, and in a busy process each time means waiting for it. PostgreSQL's driver has no such habit, and
is asked directly, several statements at a time: on the way of each through SQLAlchemy and back a mail could be made.
"""

from __future__ import annotations

import json
import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import Any, NamedTuple

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.store.moments import as_kept

_JSON_COLUMN = re.compile(r"\{([a-z_.]+)\}")
_VALUE = re.compile(r"(?<![:\w]):([a-z_]+)\b")


class Step(NamedTuple):
    """A statement with its values, to be run by itself or with others; see `together`."""

    statement: Statement
    given: Sequence[Any] | None  # none: it is about no rows that are given
    values: Mapping[str, Any]


class Statement:
    """One statement, as SQLite and as PostgreSQL take it."""

    _reads = False  # whether it finds rows
    _sqlite: str
    _postgresql: str

    def of(self, given: Sequence[Any], **values: Any) -> Step:
        """This statement with what it is given and its values. Given nothing it is not run, and finds nothing."""
        return Step(self, given, values)

    async def run(self, connection: AsyncConnection, given: Sequence[Any], **values: Any) -> Any:
        """Run it by itself; what it finds."""
        return (await together(connection, Step(self, given, values)))[0]

    def lite(self, given: Sequence[Any] | None) -> dict[str, Any]:
        """What is given, as SQLite takes it."""
        return {} if given is None else {"ids": json.dumps(list(given))}

    def post(self, given: Sequence[Any] | None) -> dict[str, Any]:
        """What is given, as PostgreSQL takes it."""
        return {} if given is None else {"ids": array_of(given)}

    async def on_sqlite(self, driver: Any, step: Step) -> Any:
        """Run it; what it finds."""
        values = {name: as_kept(value) for name, value in step.values.items()}
        # In one step of the driver's thread instead of four.
        found = await driver.execute_fetchall(self._sqlite, self.lite(step.given) | values)
        return self.from_sqlite(found)

    async def on_postgresql(self, driver: Any, step: Step) -> Any:
        """Send it; the cursor that will know what it finds."""
        cursor = driver.cursor()
        await cursor.execute(self._postgresql, {**self.post(step.given), **step.values})
        return cursor

    async def found(self, cursor: Any) -> Any:
        """What it found on PostgreSQL."""
        return self.from_postgresql(await cursor.fetchall()) if self._reads else []

    def from_sqlite(self, found: Sequence[Any]) -> Any:
        """What SQLite's driver found, as it is read here."""
        return found

    def from_postgresql(self, found: Sequence[Any]) -> Any:
        """What PostgreSQL's driver found, as it is read here."""
        return found


async def together(connection: AsyncConnection, *steps: Step) -> list[Any]:
    """Several statements, one after the other as given; what each found.

    None of them needs to know what another found, so that they are one way to PostgreSQL and back; each sees what was
    committed while the one before it waited for a lock.

    What goes wrong is told as by SQLAlchemy. It sees nothing of it, though, and is shown a connection that was cut, or
    left in the middle: rolling back on it would fail, and that would be told instead, even to a task that is to stop.
    """
    driver: Any = connection.sync_connection.connection.driver_connection  # type: ignore[union-attr]  # it is open
    found: list[Any] = [[] for _ in steps]
    wanted = [(place, step) for place, step in enumerate(steps) if step.given is None or step.given]
    if connection.dialect.name == "sqlite":
        for place, step in wanted:
            found[place] = await step.statement.on_sqlite(driver, step)
        return found
    try:
        async with driver.pipeline() if len(wanted) > 1 else nullcontext():
            sent = [(place, step, await step.statement.on_postgresql(driver, step)) for place, step in wanted]
            for place, step, cursor in sent:
                found[place] = await step.statement.found(cursor)
    except psycopg.Error as error:
        cut = driver.closed
        if cut:
            with suppress(DBAPIError):  # it finds out, and uses nothing else that was connected before
                await connection.exec_driver_sql("select 1")
        raise DBAPIError.instance(
            None,
            None,
            error,
            psycopg.Error,
            hide_parameters=True,
            connection_invalidated=cut,
            dialect=connection.dialect,
        ) from error
    except BaseException:
        await connection.invalidate()
        raise
    return found


class Asking(Statement):
    """A SELECT by values alone; `locking` is how it ends where a database is not locked as a whole."""

    _reads = True

    def __init__(self, statement: str, locking: str = "") -> None:
        self._sqlite, self._postgresql = statement, bound(f"{statement} {locking}")

    def by(self, **values: Any) -> Step:
        """This statement with its values."""
        return Step(self, None, values)


class Reading(Statement):
    """A SELECT over deliveries, or customers, whose numbers are given as one value, `:ids`.

    `columns` are expressions by name; `{x}` among them is a JSON column as a value. `tables` begins with
    `cross join`, and its `where` says what `= wanted.id`, a number given once. Instants and days are found as the
    database gives them; see `instant` and `day`.
    """

    _reads = True

    def __init__(self, columns: Mapping[str, str], tables: str) -> None:
        self._row = _row_of(columns)
        self._json = [place for place, each in enumerate(columns.values()) if _JSON_COLUMN.search(each)]
        inner = ", ".join(columns.values())
        lite, post = (_JSON_COLUMN.sub(form, inner) for form in (r"json(\1)", r"cast(\1 as text)"))
        self._sqlite = (
            f"select json_group_array(json_array({lite}))"
            f" from (select value as id from json_each(:ids)) as wanted {tables}"
        )
        # Not joined to the numbers: of rows just written PostgreSQL has no statistics, and it took them to be few
        # and the numbers to be what is looked up for each.
        where = (
            tables.strip().removeprefix("cross join ").replace("= wanted.id", "= any(cast(:ids as bigint[]))")
        )
        self._postgresql = bound(f"select {post} from {where}")

    def from_sqlite(self, found: Sequence[Any]) -> list[Any]:
        """Its one value."""
        return list(map(self._row, json.loads(found[0][0])))

    def from_postgresql(self, found: Sequence[Any]) -> list[Any]:
        """Its rows, their JSON columns read each at once."""
        if not self._json:
            return list(map(self._row, found))
        columns: list[Sequence[Any]] = list(zip(*found, strict=True))
        for place in self._json if columns else ():
            columns[place] = _loaded(columns[place])
        return list(map(self._row, zip(*columns, strict=True)))


def _row_of(columns: Iterable[str]) -> Callable[[Iterable[Any]], Any]:
    kind: Any = namedtuple("Row", list(columns))  # type: ignore[misc]  # noqa: PYI024 - its columns are known only here
    make: Callable[[Iterable[Any]], Any] = kind._make
    return make


class Inspecting(Reading):
    """A reading that finds its rows, and whether it is known at once that every letter of their text can be printed."""

    def from_sqlite(self, found: Sequence[Any]) -> Any:
        """Its one value, that is looked at as a whole."""
        return super().from_sqlite(found), all_printable(found[0][0])

    def from_postgresql(self, found: Sequence[Any]) -> Any:
        """Its rows, looked at a column at a time."""
        texts = [column for column in zip(*found, strict=True) if str in set(map(type, column))]
        said = "".join(["".join([each for each in column if each is not None]) for column in texts])
        return super().from_postgresql(found), all_printable(said)


def all_printable(said: str) -> bool:
    """Whether no text in a piece of JSON has a letter that cannot be printed. No means that it was not seen at once."""
    return "\\" not in said and said.isprintable()


def numbers(value: Any) -> list[int]:
    """What a column of numbers holds."""
    return list(json.loads(value) if isinstance(value, str) else value or ())


def bound(statement: str) -> str:
    """With its values as PostgreSQL's driver wants them, so that no expression is compiled for it."""
    return _VALUE.sub(r"%(\1)s", statement.replace("%", "%%"))


def array_of(ids: Sequence[int]) -> str:
    """Numbers as one value of PostgreSQL's: its driver writes a list out one by one."""
    return f"{{{','.join(map(str, ids))}}}"


def _loaded(texts: Sequence[str | None]) -> list[Any]:
    """The values of a JSON column, read at once."""
    whole: list[Any] = json.loads(f"[{','.join([each or 'null' for each in texts])}]")
    return whole
