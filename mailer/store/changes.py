"""Statements that change or add many rows at once, written out; see `store.statements`.

Each names its rows in a way that leaves PostgreSQL no choice. What it is asked again and again it plans once, and
keeps to that until the table is counted, a minute later at best. A plan made while hardly a row was there may read the
whole table, and once it holds a hundred thousand rows do so for each row that is to change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from operator import itemgetter
from typing import Any

from mailer.store.moments import spelled
from mailer.store.statements import Statement, array_of, bound

_BY = re.compile(r"\{these by ([a-z_]+)\.([a-z_]+)\}")
_GIVEN = re.compile(r"\bgiven\.([a-z_]+)\b")
_WHERE_GIVEN = re.compile(r"\{where ([a-z_]+\.[a-z_]+) is given\}")

#: What is said of the numbers given, and of those kept in one column, as SQLite and PostgreSQL say it.
_NUMBERS = {
    "{these}": ("in (select value from json_each(:ids))", "= any(cast(:ids as bigint[]))"),
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

#: Looked up one after the other they are found by the index; `offset 0` keeps PostgreSQL from making a join of it.
_ONE_BY_ONE = (
    r"id = any(array(select found.id from unnest(cast(:ids as bigint[])) as wanted(id),"
    r" lateral (select \1.id from \1 where \1.\2 = wanted.id offset 0) as found)) and \2 {these}"
)


class Marking(Statement):
    """A statement that does the same to many rows, whose numbers are given as one value.

    `{these}` stands for being one of the numbers, `{these by TABLE.COLUMN}` for a column of the changed table being one
    where nothing says that it has each but once, `{with these}` and `{without these}` for a column `deliveries` of
    numbers with them added or taken out.
    """

    def __init__(self, statement: str) -> None:
        lite, post = _BY.sub(r"\2 {these}", statement), _BY.sub(_ONE_BY_ONE, statement)
        for said, (on_sqlite, on_postgresql) in _NUMBERS.items():
            lite, post = lite.replace(said, on_sqlite), post.replace(said, on_postgresql)
        self._sqlite, self._postgresql = lite, bound(post)


class Adding(Statement):
    """A statement that adds many rows, each row's values given in the order of its `fields`.

    `{given}` stands for them, a table with the fields by name.
    """

    def __init__(self, statement: str, fields: Mapping[str, str]) -> None:
        post = ", ".join(
            f"cast(value ->> {place} as {kind}) as {name}"
            for place, (name, kind) in enumerate(fields.items())
        )
        given = f"(select {post} from jsonb_array_elements(cast(:rows as jsonb)) as value) as given"
        self._sqlite = statement.replace("{given}", _on_sqlite(fields))
        self._postgresql = bound(statement.replace("{given}", given))

    def lite(self, given: Sequence[Any] | None) -> dict[str, Any]:
        """The rows."""
        return {"rows": json.dumps(given, ensure_ascii=False, default=spelled)}

    def post(self, given: Sequence[Any] | None) -> dict[str, Any]:
        """The rows."""
        return {"rows": json.dumps(given, ensure_ascii=False, default=_iso)}


class Changing(Statement):
    """An UPDATE of many rows, each by values of its own, given in the order of its `fields`.

    The first of them is a number that no other row given has. `{where TABLE.COLUMN is given}` says whose number it is,
    and `given.FIELD` stands for that row's value.
    """

    def __init__(self, statement: str, fields: Mapping[str, str]) -> None:
        number, *others = fields
        self._sqlite = _WHERE_GIVEN.sub(rf"from {_on_sqlite(fields)} where \1 = given.{number}", statement)
        [column] = _WHERE_GIVEN.findall(statement)
        # Joined to a table of the values PostgreSQL might read all rows for each of them. So it reads the rows by their
        # numbers, and looks at which place among those, in order, each row's is: there are its values.
        place = f"width_bucket({column}, cast(:ids as bigint[]))"

        def value(name: str) -> str:
            at = f"{place} * {len(others)} - {len(others) - others.index(name)}"
            return f"cast(cast(:rows as jsonb) ->> ({at}) as {fields[name]})"

        post = _WHERE_GIVEN.sub(r"where \1 = any(cast(:ids as bigint[]))", statement)
        self._postgresql = bound(_GIVEN.sub(lambda found: value(found[1]), post))

    def lite(self, given: Sequence[Any] | None) -> dict[str, Any]:
        """The rows."""
        return {"rows": json.dumps(given, ensure_ascii=False, default=spelled)}

    def post(self, given: Sequence[Any] | None) -> dict[str, Any]:
        """The numbers in order, and all other values in one list."""
        rows = sorted(given or (), key=itemgetter(0))
        values = [value for _number, *values in rows for value in values]
        return {
            "ids": array_of([row[0] for row in rows]),
            "rows": json.dumps(values, ensure_ascii=False, default=_iso),
        }


def _on_sqlite(fields: Mapping[str, str]) -> str:
    """The rows as a table."""
    columns = ", ".join(f"value ->> {place} as {name}" for place, name in enumerate(fields))
    return f"(select {columns} from json_each(:rows)) as given"


def _iso(value: date) -> str:
    return value.isoformat()  # an instant's with its time: of both kinds, each by its own
