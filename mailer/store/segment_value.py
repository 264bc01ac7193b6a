"""One value in SQL: a column, or a field of a JSON column, and the tests of a rule on it.

Every test is true or false, never null, so that `not` means what it says. What they mean is told by
`core/segment_match.py`, which both databases are held against. Letters compare by their bytes everywhere:
LIKE, which takes `a` for `A` on SQLite and reads wildcards, is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    FromClause,
    Numeric,
    Text,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from mailer.core.segment_match import LONGEST_NUMBER, as_text, numeric, wanted_number
from mailer.core.segment_value import Scalar, ValueTest

_Items = Callable[[], tuple[FromClause, "Value"]]
_READABLE = 10**15


@dataclass(frozen=True, slots=True)
class Value:
    """A value taken apart; each part is null where the value is of another kind."""

    dialect: str
    text: ColumnElement[Any]
    absent: ColumnElement[bool]
    number: ColumnElement[Any]
    flag: ColumnElement[Any]  # 'true' or 'false'
    letters: ColumnElement[Any]  # text, or a whole number as it reads
    items: _Items | None = None  # of a list

    def passes(self, test: ValueTest) -> ColumnElement[bool]:
        """Whether it passes every part of `test`."""
        return and_(*self._parts(test))

    def _parts(self, test: ValueTest) -> Iterator[ColumnElement[bool]]:
        if test.equals is not None:
            yield self._equals([test.equals])
        if test.is_not is not None:
            yield ~self._equals([test.is_not])
        if test.one_of is not None:
            yield self._equals(test.one_of)
        if test.has is not None:
            yield self._has(test.has)
        if test.contains is not None:
            yield _sure(_position(self.letters, test.contains, self.dialect) > 0)
        if test.starts is not None:
            yield _sure(func.substr(self.letters, 1, len(test.starts)) == test.starts)
        for limit, compare in (
            (test.gt, "__gt__"), (test.gte, "__ge__"), (test.lt, "__lt__"), (test.lte, "__le__")
        ):  # fmt: skip
            if limit is not None:
                yield self._compares(limit, compare)
        if test.missing is not None:
            yield self.absent if test.missing else ~self.absent

    def _equals(self, wanted: Sequence[Scalar], *, as_list: bool = False) -> ColumnElement[bool]:
        """Whether it equals one of `wanted`; `as_list` leaves text to be looked at as a list."""
        words = [as_text(one) for one in wanted if isinstance(one, (str, bool))]
        flags = [word for word in words if word in ("true", "false")]
        exact = [
            _amount(Decimal(one), self.dialect) for one in wanted if isinstance(one, str) and numeric(one)
        ]
        amounts = [_amount(wanted_number(one), self.dialect) for one in wanted
                   if not isinstance(one, (str, bool))]  # fmt: skip
        tests: list[ColumnElement[bool]] = []
        if words and not as_list:
            tests.append(self.text.in_(words))
        if flags:
            tests.append(self.flag.in_(flags))
        if exact or (amounts and as_list):
            tests.append(self.number.in_([*exact, *amounts]))
        if amounts and not as_list:
            tests.append(self._amount.in_(amounts))
        return or_(false(), *(_sure(test) for test in tests))

    def _has(self, wanted: Scalar) -> ColumnElement[bool]:
        listed = literal(";", Text).concat(func.replace(self.text, "; ", ";")).concat(";")
        tests = [
            _sure(_position(listed, f";{as_text(wanted)};", self.dialect) > 0),
            self._equals([wanted], as_list=True),
        ]
        if self.items is not None:
            source, item = self.items()
            tests.append(exists(select(1).select_from(source).where(item._equals([wanted]))))  # noqa: SLF001 (its own kind)
        return or_(*tests)

    def _compares(self, limit: float | str, compare: str) -> ColumnElement[bool]:
        if isinstance(limit, str):
            return _sure(getattr(_day(self.text, self.dialect), compare)(limit))
        return _sure(getattr(self._amount, compare)(_amount(wanted_number(limit), self.dialect)))

    @property
    def _amount(self) -> ColumnElement[Any]:
        """A number, also one kept as text."""
        plain = case((_is_numeric(self.text, self.dialect), cast(self.text, Numeric(asdecimal=False))))
        return func.coalesce(self.number, plain)


def text_value(column: ColumnElement[str], dialect: str) -> Value:
    """A text column that is never null, and empty where nothing is known."""
    nothing = null()
    return Value(
        dialect, text=column, absent=column == "", number=cast(nothing, Numeric), flag=cast(nothing, Text),
        letters=column,
    )  # fmt: skip


def json_value(column: ColumnElement[Any], name: str | None, dialect: str) -> Value:
    """The field `name` of a JSON object, or with None the whole of a JSON column."""
    if dialect == "postgresql":
        node = column if name is None else func.jsonb_extract_path(column, name, type_=JSONB)
        return _postgresql(node)
    # The name holds no quote and no backslash (core.segment_value), so it ends where we end it.
    path = "$" if name is None else f'$."{name}"'
    kind, raw = func.json_type(column, path, type_=Text), func.json_extract(column, path)

    def items() -> tuple[FromClause, Value]:
        item = func.json_each(
            case((kind == "array", column), else_="[]"), case((kind == "array", path), else_="$")
        )
        rows = item.table_valued("type", "value")
        return rows, _sqlite(rows.c.type, rows.c.value, None)

    return _sqlite(kind, raw, items)


def _sqlite(kind: ColumnElement[Any], raw: ColumnElement[Any], items: _Items | None) -> Value:
    text = case((kind == "text", raw))
    short = and_(kind == "integer", raw > -_READABLE, raw < _READABLE)
    return Value(
        "sqlite",
        text=text,
        absent=or_(
            _unknown(kind), _sure(and_(kind == "text", raw == "")), _sure(and_(kind == "array", raw == "[]"))
        ),
        number=case((kind.in_(("integer", "real")), raw)),
        flag=case((kind.in_(("true", "false")), kind)),
        letters=case((kind == "text", raw), (short, cast(raw, Text))),
        items=items,
    )


def _postgresql(node: ColumnElement[Any], *, nested: bool = True) -> Value:
    kind = func.jsonb_typeof(node, type_=Text)
    raw = node.op("#>>", return_type=Text())(literal([], ARRAY(Text)))
    number = case((kind == "number", cast(raw, Numeric)))

    def items() -> tuple[FromClause, Value]:
        rows = func.jsonb_array_elements(
            case((kind == "array", node), else_=literal([], JSONB))
        ).table_valued("value")  # fmt: skip
        return rows, _postgresql(rows.c.value, nested=False)

    whole = and_(kind == "number", raw.op("~")("^-?[0-9]{1,15}$"))
    return Value(
        "postgresql",
        text=case((kind == "string", raw)),
        absent=or_(
            _unknown(kind),
            _sure(and_(kind == "string", raw == "")),
            _sure(and_(kind == "array", raw == "[]")),
        ),
        number=number,
        flag=case((kind == "boolean", raw)),
        letters=case((or_(kind == "string", whole), raw)),
        items=items if nested else None,
    )


def _unknown(kind: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(kind.is_(None), _sure(kind == "null"))


def _sure(test: ColumnElement[bool]) -> ColumnElement[bool]:
    return func.coalesce(test, false())


def _position(text: ColumnElement[Any], wanted: str, dialect: str) -> ColumnElement[int]:
    find = func.strpos if dialect == "postgresql" else func.instr
    position: ColumnElement[int] = find(text, wanted)
    return position


def _day(text: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    """The first ten letters of text that begins with an ISO 8601 day; else null."""
    if dialect == "postgresql":
        day = case((text.op("~")("^[0-9]{4}-[0-9]{2}-[0-9]{2}"), func.substr(text, 1, 10)))
        return day.collate("C")  # digits in the order of their bytes, as on SQLite
    return case((text.op("GLOB")("[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*"), func.substr(text, 1, 10)))


def _is_numeric(text: ColumnElement[Any], dialect: str) -> ColumnElement[bool]:
    """The SQL of `core.segment_match.numeric`."""
    short = func.length(text) <= LONGEST_NUMBER
    if dialect == "postgresql":
        return and_(short, text.op("~")(r"^-?[0-9]+(\.[0-9]+)?$"))
    body = case((func.substr(text, 1, 1) == "-", func.substr(text, 2)), else_=text)
    begins_and_ends = and_(body.op("GLOB")("[0-9]*"), body.op("GLOB")("*[0-9]"))
    strange = or_(body.op("GLOB")("*[^0-9.]*"), body.op("GLOB")("*.*.*"))
    return and_(short, begins_and_ends, ~strange)


def _amount(number: Decimal, dialect: str) -> ColumnElement[Any]:
    if dialect == "postgresql":
        return literal(number, Numeric())
    if number == number.to_integral_value():
        return literal(int(number), BigInteger())
    return literal(float(number), Float())
