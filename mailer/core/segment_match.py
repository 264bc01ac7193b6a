"""Whether one value passes a test: the reference for the SQL of `store/segment_value.py`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mailer.core.segment_value import Scalar, ValueTest

#: What counts as a number kept as text. Longer ones are references, not amounts.
LONGEST_NUMBER = 16
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_READABLE = 10**15


def passes(test: ValueTest, value: Any) -> bool:
    """Whether `value` (plain JSON data; None when absent) passes every part of `test`."""
    asked = ((holds, getattr(test, part)) for part, holds in _PARTS.items())
    return all(holds(value, wanted) for holds, wanted in asked if wanted is not None)


def numeric(text: str) -> bool:
    """Whether text is a plain decimal number, as a CSV file brings it."""
    return len(text) <= LONGEST_NUMBER and _NUMBER.fullmatch(text) is not None


def as_text(value: Scalar) -> str:
    """A scalar as it is written in a CSV file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Decimal(str(value))
    return Decimal(value) if isinstance(value, str) and numeric(value) else None


def _letters(value: Any) -> str | None:
    """What `contains` and `starts` look at: text, or a whole number as it reads."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _READABLE:
        return str(value)
    return value if isinstance(value, str) else None


def _equal(value: Any, wanted: Scalar) -> bool:
    if isinstance(wanted, bool):
        return value is wanted or (isinstance(value, str) and value == as_text(wanted))
    if not isinstance(wanted, str):
        return _number(value) == wanted_number(wanted)
    if isinstance(value, bool):
        return as_text(value) == wanted
    if isinstance(value, str):
        return value == wanted
    return numeric(wanted) and _number(value) == Decimal(wanted)


def wanted_number(wanted: float) -> Decimal:
    """A number of a rule, exactly as it was written."""
    return Decimal(str(wanted))


def _has(value: Any, wanted: Scalar) -> bool:
    if isinstance(value, list):
        return any(_equal(item, wanted) for item in value)
    if isinstance(value, str):
        return f";{as_text(wanted)};" in f";{value.replace('; ', ';')};"
    return _equal(value, wanted)


def _compare(value: Any, limit: float | str, holds: Callable[[Any, Any], bool]) -> bool:
    if isinstance(limit, str):
        return isinstance(value, str) and _DAY.match(value) is not None and holds(value[:10], limit)
    number = _number(value)
    return number is not None and holds(number, wanted_number(limit))


def _missing(value: Any) -> bool:
    return value is None or value in ("", [])


_PARTS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": _equal,
    "is_not": lambda value, wanted: not _equal(value, wanted),
    "one_of": lambda value, wanted: any(_equal(value, one) for one in wanted),
    "has": _has,
    "contains": lambda value, wanted: wanted in (_letters(value) or ""),
    "starts": lambda value, wanted: (_letters(value) or "").startswith(wanted),
    "gt": lambda value, limit: _compare(value, limit, operator.gt),
    "gte": lambda value, limit: _compare(value, limit, operator.ge),
    "lt": lambda value, limit: _compare(value, limit, operator.lt),
    "lte": lambda value, limit: _compare(value, limit, operator.le),
    "missing": lambda value, wanted: _missing(value) is wanted,
}
