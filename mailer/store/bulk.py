"""Many rows or values in one statement: handed over as one value, so that their number costs the database alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Integer,
    LargeBinary,
    Select,
    Table,
    Text,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

#: As SQLAlchemy writes instants to SQLite; PostgreSQL is told the zone beside.
_INSTANTS = {"sqlite": "%Y-%m-%d %H:%M:%S.%f", "postgresql": "%Y-%m-%d %H:%M:%S.%f+00:00"}


#: Numbers that a row may be compared with one by one.
_FEW = 100

#: To find a row by its number takes PostgreSQL as long as to go over so many in their order, and some more.
_APART = 4


def among(column: ColumnElement[Any], values: Sequence[Any], dialect: str) -> ColumnElement[bool]:
    """Whether a column holds one of the values, however many they are."""
    if dialect == "sqlite":
        each = func.json_each(json.dumps(list(values), ensure_ascii=False)).table_valued("value")
        return column.in_(select(each.c.value))
    if isinstance(column.type, Integer):
        return column == any_(_numbers(column, values))
    return column == any_(literal(list(values), ARRAY(column.type)))


def stretch(column: ColumnElement[int], values: Sequence[int], dialect: str) -> ColumnElement[bool]:
    """Whether a row's own number is one of the values; where these lie close together the rows are read at a stretch.

    Looked up one by one 10,000 take PostgreSQL three times as long, a tenth of what it takes to plan them.
    """
    wanted = set(values)
    low, high = min(wanted), max(wanted)
    between = column.between(low, high)
    if high - low + 1 == len(wanted):
        return between
    if dialect == "sqlite" or high - low > _APART * len(wanted):
        return among(column, values, dialect)
    bits = bytearray((high - low) // 8 + 1)
    for value in wanted:
        bits[(value - low) >> 3] |= 1 << ((value - low) & 7)
    bit = func.get_bit(literal(bytes(bits), LargeBinary), cast(column - low, Integer))
    # Of AND any side may be looked at first, and to ask for a bit beyond the last is an error.
    return between & case((between, bit == 1))


def _numbers(column: ColumnElement[Any], values: Sequence[int]) -> ColumnElement[Any]:
    """The list, handed over as text written here: the driver takes a microsecond for each number.

    Where PostgreSQL reads a table from its beginning it compares each row with each number, unless the list is part
    of the statement: that it makes a table to look into. It asks its statistics about each number there, so rows named
    by their own number are found another way: of a list that a subquery puts together it cannot tell the length, and
    goes by the index. Knowing that 7,500 rows were wanted it read the table.
    """
    spelled = "{" + ",".join(map(str, map(int, values))) + "}"
    rows = isinstance(column, Column) and list(column.table.primary_key) == [column]
    given = cast(bindparam(None, spelled, Text, unique=True, literal_execute=not rows), ARRAY(column.type))
    if not rows or len(values) <= _FEW:
        return given
    one = func.unnest(given).column_valued("given")
    return func.array(select(one).scalar_subquery())


def rows_of(
    conn: AsyncConnection,
    table: Table,
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    same: Mapping[str, Any],
) -> tuple[list[str], Select[Any]]:
    """Columns, and a SELECT of rows for them: `names` differ from row to row, `same` has one value for all.

    Meant for `insert(…).from_select(*rows_of(…))`. Values are what the columns take; instants are aware.
    """
    dialect = conn.dialect.name
    whole = _encoder(partial(_plain, _INSTANTS[dialect]))(_spelled(rows, table, names))
    if dialect == "sqlite":
        value = func.json_each(whole).table_valued("value").c.value
    else:
        value = func.jsonb_array_elements(cast(literal(whole, Text), JSONB)).column_valued("value")
    given = [_field(value, place, table.c[name], dialect).label(name) for place, name in enumerate(names)]
    common = [null() if each is None else literal(each, table.c[name].type) for name, each in same.items()]
    # SQLite takes ON CONFLICT after a SELECT only where that has a WHERE (sqlite.org/lang_upsert.html).
    return [*names, *same], select(*given, *common).where(true())


def _spelled(rows: Sequence[Sequence[Any]], table: Table, names: Sequence[str]) -> Sequence[Sequence[Any]]:
    """The rows with JSON columns as text: what is nested deeply in one concerns nobody but its reader."""
    inner = [place for place, name in enumerate(names) if isinstance(table.c[name].type, JSON)]
    if not inner:
        return rows
    spelled = [list(row) for row in rows]
    for row in spelled:
        for place in inner:
            row[place] = None if row[place] is None else _INNER(row[place])
    return spelled


def _field(value: ColumnElement[Any], place: int, column: Column[Any], dialect: str) -> ColumnElement[Any]:
    text = value.op("->>")(place)
    return type_coerce(text, column.type) if dialect == "sqlite" else cast(text, column.type)


def _encoder(default: Callable[[Any], Any]) -> Callable[[Any], str]:
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, default=default).encode


#: Of the values of JSON columns; json.dumps would make an encoder for each.
_INNER = _encoder(dict)


def _plain(form: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return _instant(form, value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value)} is no value of a row")


@lru_cache(64)  # the rows of a chunk share most of theirs
def _instant(form: str, value: datetime) -> str:
    return value.astimezone(UTC).strftime(form)
