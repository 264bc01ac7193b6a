"""The statements a sender lives by, written out: no expression is built and no row unpacked for each mail.

Rows go in as one JSON value. On SQLite they come out as one as well: its driver gives up the interpreter's lock for
every row it fetches, and in a busy process each time means waiting for it. PostgreSQL's driver has no such habit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

_JSON_COLUMN = re.compile(r"\{([a-z_.]+)\}")
_VALUE = re.compile(r"(?<![:\w]):([a-z_]+)\b")


#: Numbers kept in one column, as SQLite and PostgreSQL add and take out those given.
_NUMBERS = {
    "{with these}": (
        (
            "(select json_group_array(value) from"
            " (select value from json_each(deliveries) union all select value from json_each(:ids)))"
        ),
        "deliveries || cast(:ids as bigint[])",
    ),
    "{without these}": (
        (
            "(select json_group_array(value) from json_each(deliveries)"
            " where value not in (select value from json_each(:ids)))"
        ),
        (
            "array(select each from unnest(deliveries) as each"
            " where each not in (select unnest(cast(:ids as bigint[]))))"
        ),
    ),
}


class Reading:
    """A SELECT over deliveries, or customers, whose numbers are given as one value, `:ids`.

    `columns` are expressions by name; `{x}` among them is a JSON column as a value. `tables` begins with
    `cross join`, and its `where` says what `= wanted.id`, a number given once.
    """

    def __init__(self, columns: Mapping[str, str], tables: str) -> None:
        self._names = tuple(columns)
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
        self._postgresql = _bound(f"select {post} from {where}")

    async def rows(
        self, connection: AsyncConnection, ids: Sequence[int], **values: Any
    ) -> list[dict[str, Any]]:
        """The rows, by column name. Instants and days are as the database gives them; see `instant` and `day`."""
        return (await self.looked_at(connection, ids, **values))[0]

    async def looked_at(
        self, connection: AsyncConnection, ids: Sequence[int], **values: Any
    ) -> tuple[list[dict[str, Any]], bool]:
        """The rows, and whether it is known at once of all their text that every letter of it can be printed."""
        names = self._names
        if not ids:
            return [], True
        if connection.dialect.name == "sqlite":
            given = {name: _lite(value) for name, value in values.items()}
            whole = await _fetched(connection, self._sqlite, {"ids": json.dumps(list(ids)), **given})
            said = whole[0][0]
            return [dict(zip(names, row, strict=True)) for row in json.loads(said)], all_printable(said)
        found = await connection.exec_driver_sql(self._postgresql, {"ids": _array(ids), **values})
        read = [list(row) for row in found]
        said = "".join([each for row in read for each in row if type(each) is str])
        for place in self._json:
            for row, value in zip(read, _loaded([row[place] for row in read]), strict=True):
                row[place] = value
        return [dict(zip(names, row, strict=True)) for row in read], all_printable(said)


def all_printable(said: str) -> bool:
    """Whether no text in a piece of JSON has a letter that cannot be printed. No means that it was not seen at once."""
    return "\\" not in said and said.isprintable()


class Writing:
    """A statement that changes or adds many rows. `{given}` stands for them, a table with `fields` by name."""

    def __init__(self, statement: str, fields: Mapping[str, str]) -> None:
        names = list(fields)
        lite = ", ".join(f"value ->> {place} as {name}" for place, name in enumerate(names))
        post = ", ".join(
            f"cast(value ->> {place} as {fields[name]}) as {name}" for place, name in enumerate(names)
        )
        self._sqlite = statement.replace("{given}", f"(select {lite} from json_each(:rows)) as given")
        self._postgresql = _bound(
            statement.replace(
                "{given}",
                f"(select {post} from jsonb_array_elements(cast(:rows as jsonb)) as value) as given",
            )
        )

    async def run(self, connection: AsyncConnection, rows: Sequence[Sequence[Any]], **values: Any) -> None:
        """Run it over all rows at once; each row's values in the order of the fields."""
        lite = connection.dialect.name == "sqlite"
        if lite:
            values = {name: _lite(value) for name, value in values.items()}
        whole = json.dumps(rows, ensure_ascii=False, default=_spelled if lite else _iso)
        if lite:
            await _fetched(connection, self._sqlite, {"rows": whole, **values})
        else:
            await connection.exec_driver_sql(self._postgresql, {"rows": whole, **values})


class Marking:
    """A statement that does the same to many rows, whose numbers are given as one value.

    `{these}` stands for being one of the numbers, `{with these}` and `{without these}` for a column `deliveries` of
    numbers with them added or taken out.
    """

    def __init__(self, statement: str) -> None:
        lite = statement.replace("{these}", "in (select value from json_each(:ids))")
        post = statement.replace("{these}", "= any(cast(:ids as bigint[]))")
        for change, (on_sqlite, on_postgresql) in _NUMBERS.items():
            lite, post = lite.replace(change, on_sqlite), post.replace(change, on_postgresql)
        self._sqlite, self._postgresql = lite, _bound(post)

    async def run(self, connection: AsyncConnection, ids: Sequence[int], **values: Any) -> None:
        """Run it over all of them at once."""
        if connection.dialect.name == "sqlite":
            given = {name: _lite(value) for name, value in values.items()}
            await _fetched(connection, self._sqlite, {"ids": json.dumps(list(ids)), **given})
        else:
            await connection.exec_driver_sql(self._postgresql, {"ids": _array(ids), **values})


def _bound(statement: str) -> str:
    """With its values as PostgreSQL's driver wants them, so that no expression is compiled for it."""
    return _VALUE.sub(r"%(\1)s", statement.replace("%", "%%"))


def _array(ids: Sequence[int]) -> str:
    """Numbers as one value of PostgreSQL's: its driver writes a list out one by one."""
    return f"{{{','.join(map(str, ids))}}}"


def _loaded(texts: Sequence[str | None]) -> list[Any]:
    """The values of a JSON column, read at once."""
    whole: list[Any] = json.loads(f"[{','.join([each or 'null' for each in texts])}]")
    return whole


async def _fetched(connection: AsyncConnection, statement: str, values: Mapping[str, Any]) -> Sequence[Any]:
    """What a statement finds on SQLite, in one step of its thread instead of four."""
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None  # noqa: S101 - a connection in use has one
    return await raw.execute_fetchall(statement, values)  # type: ignore[no-any-return]  # the driver's own type is not SQLAlchemy's


def known(value: Any) -> datetime:
    """An instant as a reading gives it, aware, in UTC."""
    return value.astimezone(UTC) if isinstance(value, datetime) else _read(value)


@lru_cache(256)  # the rows of a chunk share most of theirs
def _read(value: str) -> datetime:
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def instant(value: Any) -> datetime | None:
    """An instant that may be missing; see `known`."""
    return None if value is None else known(value)


def known_day(value: Any) -> date:
    """A date as a reading gives it."""
    return value if isinstance(value, date) else date.fromisoformat(value)


def day(value: Any) -> date | None:
    """A date that may be missing."""
    return None if value is None else known_day(value)


def _lite(value: Any) -> Any:
    return _spelled(value) if isinstance(value, date) else value


def _iso(value: date) -> str:
    return value.isoformat()  # an instant's with its time: of both kinds, each by its own


@lru_cache(64)  # the rows of a wave share most of theirs
def _spelled(value: Any) -> str:
    """As SQLAlchemy keeps instants and days on SQLite."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value)} is no value of a row")
