"""Cron expressions as crontab(5) reads them, over wall times.

APScheduler does the arithmetic, but counts weekdays from Monday as 0 and takes day-of-month *and* day-of-week
where crontab means *or*. So a field is read here into plain numbers, and its classes only ever see those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from heapq import merge
from itertools import chain

from apscheduler.triggers.cron import CronTrigger as WallClock  # type: ignore[import-untyped]  # it ships no types

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SUNDAY = 7  # crontab's other name for 0
_ITEM = re.compile(
    r"(?P<first>\*|[a-z]+|\d{1,4})(?:-(?P<last>[a-z]+|\d{1,4}))?(?:/(?P<step>\d{1,4}))?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    words: dict[str, int]

    def number(self, text: str, whole: str) -> int:
        value = int(text) if text.isdigit() else self.words.get(text)
        if value is None:
            raise ValueError(f"the {self.name} field {whole!r} is not understood at {text!r}")
        if not self.low <= value <= self.high:
            raise ValueError(
                f"the {self.name} field {whole!r} holds {value}; it goes from {self.low} to {self.high}"
            )
        return value

    def item(self, text: str, whole: str) -> range:
        found = _ITEM.fullmatch(text)
        if found is None or (found["first"] == "*" and found["last"]):
            raise ValueError(f"the {self.name} field {whole!r} is not understood at {text!r}")
        step = int(found["step"] or 1)
        if step == 0:
            raise ValueError(f"the {self.name} field {whole!r} has a step of 0")
        if found["first"] == "*":
            return range(self.low, self.high + 1, step)
        first = self.number(found["first"], whole)
        if found["last"]:
            last = self.number(found["last"], whole)
            if found["last"] == "sun":
                last = _SUNDAY  # fri-sun ends the week
        else:
            last = self.high if found["step"] else first
        if last < first:
            raise ValueError(f"the {self.name} field {whole!r} has a range that runs backwards, {text!r}")
        return range(first, last + 1, step)

    def read(self, text: str) -> frozenset[int]:
        return frozenset(chain.from_iterable(self.item(part, text) for part in text.split(",")))


_FIELDS = (
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day-of-month", 1, 31, {}),
    _Field("month", 1, 12, {word: number for number, word in enumerate(_MONTHS, 1)}),
    _Field("day-of-week", 0, 7, {word: number for number, word in enumerate(_DAYS)}),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression, understood. Weekdays are 0 (Sunday) to 6."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool  # day-of-month or day-of-week suffices: both were restricted

    @property
    def several_a_day(self) -> bool:
        """Whether it can fire more than once on one day."""
        return len(self.minutes) * len(self.hours) > 1

    def walls(self, start: datetime) -> Iterator[datetime]:
        """Its naive wall times from `start` on, in order, each once. Without end: take what you need."""
        every: Iterator[datetime]
        if self.either_day:
            every = merge(
                self._fires(start, days=self.days, weekdays=None),
                self._fires(start, days=None, weekdays=self.weekdays),
            )
        else:
            every = self._fires(start, days=self.days, weekdays=self.weekdays)
        last = None
        for wall in every:
            if wall != last:
                yield wall
            last = wall

    def _fires(
        self, start: datetime, *, days: frozenset[int] | None, weekdays: frozenset[int] | None
    ) -> Iterator[datetime]:
        clock = WallClock(
            month=_listed(self.months, 12),
            day=_listed(days, 31),
            day_of_week=_listed(frozenset((day - 1) % 7 for day in weekdays) if weekdays else None, 7),
            hour=_listed(self.hours, 24),
            minute=_listed(self.minutes, 60),
            timezone=UTC,  # a clock without shifts: wall times as they are written
        )
        at = start.replace(tzinfo=UTC)
        while (fire := clock.get_next_fire_time(None, at)) is not None:
            yield fire.replace(tzinfo=None)
            at = fire + timedelta(seconds=1)


def _listed(values: frozenset[int] | None, size: int) -> str:
    return "*" if values is None or len(values) == size else ",".join(map(str, sorted(values)))


@lru_cache(maxsize=256)
def read_cron(text: str) -> Cron:
    """Understand `minute hour day-of-month month day-of-week`; see crontab(5). Names may be in either case.

    Raises:
        ValueError: it cannot be understood, or names only days that no calendar has.
    """
    parts = text.lower().split()
    if len(parts) != len(_FIELDS):
        raise ValueError(
            f"{text!r} is not a cron: it takes five fields (minute hour day-of-month month day-of-week), "
            f"not {len(parts)}"
        )
    minutes, hours, days, months, weekdays = (
        field.read(part) for field, part in zip(_FIELDS, parts, strict=True)
    )
    either = not parts[2].startswith("*") and not parts[4].startswith("*")
    if not either and not any(day <= _LONGEST[month - 1] for month in months for day in days):
        raise ValueError(f"{text!r} never fires: no calendar has such a day")
    return Cron(minutes, hours, days, months, frozenset(day % _SUNDAY for day in weekdays), either)


@lru_cache(maxsize=64)
def walls_between(text: str, first: date, last: date) -> tuple[datetime, ...]:
    """Every wall time of the expression on the days `first` to `last`, both included, in order."""
    found = []
    end = datetime(last.year, last.month, last.day, 23, 59, 59)  # noqa: DTZ001  # wall times have no zone
    for wall in read_cron(text).walls(datetime(first.year, first.month, first.day)):  # noqa: DTZ001  # the same
        if wall > end:
            break
        found.append(wall)
    return tuple(found)
