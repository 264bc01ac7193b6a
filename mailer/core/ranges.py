"""Ranges as people write them: `2..`, `..7`, `2..7`, and a bare number for exactly that. Both ends belong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Self

from pydantic import GetPydanticSchema
from pydantic_core import core_schema

from mailer.core.rfm import HIGHEST, LOWEST

_RANGE = re.compile(r"(-?\d{1,15}(?:\.\d{1,15})?)?\.\.(-?\d{1,15}(?:\.\d{1,15})?)?")
_MONEY_PLACES = 4
_E4 = 10_000
_LARGEST_MONEY = 10**11  # a hundred thousand million units: sums of it still fit 64 bits in ten-thousandths


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`, both included; None leaves that side open."""

    low: int | None = None
    high: int | None = None

    def holds(self, value: int) -> bool:
        """Whether `value` lies inside."""
        return (self.low is None or self.low <= value) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.low == self.high:
            return str(self.low)
        return f"{'' if self.low is None else self.low}..{'' if self.high is None else self.high}"


class Count(Range):
    """A range of how many, from zero up."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read `2`, `2..`, `..7` or `2..7`.

        Raises:
            ValueError: anything else, a fraction, or less than none.
        """
        low, high = _whole(value)
        if (low is not None and low < 0) or (high is not None and high < 0):
            raise ValueError(f"{value!r} counts below zero; write a range such as 2.. or 0..3")
        return cls(low, high)


class Days(Range):
    """A range of days from today, at most a year to either side; both ends are needed."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read `0`, `0..7` or `-3..0`.

        Raises:
            ValueError: anything else, an open end, or more than 366 days away.
        """
        low, high = _whole(value)
        if low is None or high is None:
            raise ValueError(f"{value!r} is open; write both ends, such as 0..7")
        if low < -366 or high > 366:  # noqa: PLR2004  # a year, the longest distance to an anniversary
            raise ValueError(f"{value!r} reaches further than a year")
        return cls(low, high)


class Score(Range):
    """A range of scores, which go from 1 to 5."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read `5`, `4..`, `..2` or `2..4`.

        Raises:
            ValueError: anything else, a fraction, or a score nobody has.
        """
        low, high = _whole(value)
        if any(end is not None and not LOWEST <= end <= HIGHEST for end in (low, high)):
            raise ValueError(f"{value!r} leaves the scores, which go from {LOWEST} to {HIGHEST}")
        return cls(low, high)


class Money(Range):
    """A range of money. `low` and `high` are ten-thousandths of the currency's unit."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read `1000`, `1000..`, `..99.90` or `10..20`, in units of the currency.

        Raises:
            ValueError: anything else, more than four decimal places, or a sum beyond all sense.
        """
        low, high = _ends(value)
        return cls(_money(low, value), _money(high, value))

    def __str__(self) -> str:
        if self.low is not None and self.low == self.high:
            return _units(self.low)
        low, high = ("" if end is None else _units(end) for end in (self.low, self.high))
        return f"{low}..{high}"


def _ends(value: object) -> tuple[Decimal | None, Decimal | None]:
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        number = Decimal(str(value))
        if number.is_finite():
            return number, number
    if isinstance(value, str):
        text = value.strip()
        found = _RANGE.fullmatch(text)
        if found is not None and (found[1] or found[2]):
            low = Decimal(found[1]) if found[1] else None
            high = Decimal(found[2]) if found[2] else None
            if low is not None and high is not None and low > high:
                raise ValueError(f"{value!r} runs backwards; write the smaller end first")
            return low, high
        try:
            if found is None and "_" not in text and Decimal(text).is_finite():
                return Decimal(text), Decimal(text)
        except InvalidOperation:
            pass
    raise ValueError(f"{value!r} is not a range; write a..b, a.., ..b or a number")


def _whole(value: object) -> tuple[int | None, int | None]:
    low, high = _ends(value)
    for end in (low, high):
        if end is not None and (end.copy_abs() >= 10**15 or end != end.to_integral_value()):
            raise ValueError(f"{value!r} needs whole numbers")
    return None if low is None else int(low), None if high is None else int(high)


def _money(number: Decimal | None, value: object) -> int | None:
    if number is None:
        return None
    if number.copy_abs() > _LARGEST_MONEY:  # abs() rounds, and of 1e1000000 fails by that
        raise ValueError(f"{value!r} is more money than we count")
    if number != round(number, _MONEY_PLACES):
        raise ValueError(f"{value!r} has more than four decimal places")
    return int(number * _E4)


def _units(e4: int) -> str:
    text = f"{Decimal(e4) / _E4:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _schema(kind: type[Count | Days | Money | Score]) -> GetPydanticSchema:
    def validate(value: Any) -> Range:
        return value if isinstance(value, kind) else kind.parse(value)

    def schema(_source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            validate,
            serialization=core_schema.plain_serializer_function_ser_schema(str),
            json_schema_input_schema=core_schema.union_schema(
                [core_schema.float_schema(), core_schema.str_schema(pattern=r"^[-0-9. ]+$")]
            ),
        )

    return GetPydanticSchema(schema)


#: Fields of a pydantic model that are written as ranges.
CountField = Annotated[Count, _schema(Count)]
DaysField = Annotated[Days, _schema(Days)]
MoneyField = Annotated[Money, _schema(Money)]
ScoreField = Annotated[Score, _schema(Score)]
