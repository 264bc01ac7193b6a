"""Durations as people write them: `10m`, `24h`, `30d`. A day is a calendar day; hours are elapsed time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import GetPydanticSchema
from pydantic_core import core_schema

#: Sums with it stay within what calendars hold.
LONGEST = timedelta(days=36_525)

_TEXT = re.compile(r"(\d{1,6})\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_DAYS = {"d": 1, "w": 7}


@dataclass(frozen=True, slots=True)
class Duration:
    """`days` calendar days, then `seconds` of elapsed time. One of the two is zero."""

    days: int = 0
    seconds: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `10m`, `24h`, `90d` or `2w`.

        Raises:
            ValueError: anything else.
        """
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise ValueError(
                f"{text!r} is not a duration; write a number and one of s, m, h, d, w, such as 30d"
            )
        count, unit = int(found[1]), found[2]
        read = cls(days=count * _DAYS[unit]) if unit in _DAYS else cls(seconds=count * _SECONDS[unit])
        if read.elapsed() > LONGEST:
            raise ValueError(f"{text!r} is longer than a hundred years")
        return read

    def elapsed(self) -> timedelta:
        """The same length where no calendar is at hand: a day is 24 hours."""
        return timedelta(days=self.days, seconds=self.seconds)

    def before(self, instant: datetime) -> datetime:
        """The UTC instant this much elapsed time before `instant`."""
        return instant.astimezone(UTC) - self.elapsed()

    def __str__(self) -> str:
        if self.days:
            return f"{self.days}d"
        for unit, size in (("h", 3600), ("m", 60)):
            if self.seconds and self.seconds % size == 0:
                return f"{self.seconds // size}{unit}"
        return f"{self.seconds}s"


def _validate(value: Any) -> Duration:
    if isinstance(value, Duration):
        return value
    return Duration.parse(value if isinstance(value, str) else repr(value))


def _schema(_source: Any, _handler: Any) -> core_schema.CoreSchema:
    return core_schema.no_info_plain_validator_function(
        _validate,
        serialization=core_schema.plain_serializer_function_ser_schema(str),
        json_schema_input_schema=core_schema.str_schema(pattern=r"^\d{1,6}\s*[smhdw]$"),
    )


#: A field of a pydantic model that is written as a duration.
DurationField = Annotated[Duration, GetPydanticSchema(_schema)]
