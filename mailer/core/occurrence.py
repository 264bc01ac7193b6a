"""When a trigger's occurrences fall due: wall times of a zone, as instants in a window (start, end].

Windows are open at the start and closed at the end: neighbouring ones together see every occurrence once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from mailer.core.calendar import (
    LeapDay,
    add_duration,
    celebrated_on,
    instant,
    subtract_duration,
    wall_time,
    zone_named,
)
from mailer.core.cron import read_cron, walls_between
from mailer.core.duration import Duration
from mailer.core.trigger import AnniversaryTrigger, AtTrigger, CronTrigger

#: More than the longest gap or fold: Apia, Kwajalein and Manila moved by a whole day.
_SHIFT = timedelta(hours=26)
#: More than any zone's distance from UTC and a shift.
_REACH = timedelta(days=2)
#: How many days ahead the next occurrence is looked for, in turn. The rarest there is, a 29 February on one
#: weekday, waits 40 years at most.
_SPANS = (1, 35, 400, 41 * 366)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time a cron or a fixed time falls due in one zone."""

    key: str  # the local date; with its time where there can be several a day
    local_date: date
    due: datetime  # UTC
    wall: datetime  # naive: what the campaign meant


@dataclass(frozen=True, slots=True)
class AnniversaryDay:
    """One local day of an anniversary in one zone, and which stored dates are celebrated on it."""

    local_date: date
    due: datetime  # UTC
    wall: datetime  # naive
    days: tuple[tuple[int, int], ...]  # (month, day)

    @property
    def key(self) -> str:
        """The local date."""
        return self.local_date.isoformat()


def fixed_zone(trigger: CronTrigger | AtTrigger, tenant: ZoneInfo) -> ZoneInfo | None:
    """The one zone the trigger's wall times are meant in; None: each customer's own."""
    if trigger.timezone == "customer":
        return None
    return tenant if trigger.timezone is None else zone_named(trigger.timezone)


def occurrences(
    trigger: CronTrigger | AtTrigger, zone: ZoneInfo, start: datetime, end: datetime
) -> list[Occurrence]:
    """What falls due in (start, end] in `zone`, in order.

    Two wall times that the clocks' change brings to one instant are one occurrence, the one the clocks show.
    """
    walls: tuple[datetime, ...]
    if isinstance(trigger, AtTrigger):
        walls, key = (trigger.at,), "%Y-%m-%d"
    else:
        walls = walls_between(trigger.cron, (start - _REACH).date(), (end + _REACH).date())
        key = "%Y-%m-%dT%H:%M" if read_cron(trigger.cron).several_a_day else "%Y-%m-%d"
        first = bisect_left(walls, wall_time(start, zone) - _SHIFT)
        walls = walls[first : bisect_right(walls, wall_time(end, zone) + _SHIFT)]
    found: dict[datetime, Occurrence] = {}
    for wall in walls:
        due = instant(wall, zone)
        if start < due <= end and (due not in found or wall == wall_time(due, zone)):
            found[due] = Occurrence(wall.strftime(key), wall.date(), due, wall)
    return [found[due] for due in sorted(found)]


def next_due(trigger: CronTrigger | AtTrigger, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The first instant strictly after `after` at which it falls due; None: never again."""
    if isinstance(trigger, AtTrigger):
        due = instant(trigger.at, zone)
        return due if due > after else None
    for span in _SPANS:
        found = occurrences(trigger, zone, after, after + timedelta(days=span))
        if found:
            return found[0].due
    return None


def never_comes(trigger: AtTrigger, tenant: ZoneInfo, since: datetime) -> bool:
    """Whether its one moment was over everywhere when the campaign was first there: that is never caught up."""
    return instant(trigger.at, fixed_zone(trigger, tenant) or _LAST_ZONE) < since


def anniversary_days(
    trigger: AnniversaryTrigger, zone: ZoneInfo, start: datetime, end: datetime, leap_day: LeapDay
) -> list[AnniversaryDay]:
    """The local days whose due instant lies in (start, end], in order.

    `leap_day` is the tenant's policy, used where the trigger has none of its own.
    """
    leap = trigger.leap_day or leap_day
    day, last = (start - _REACH).date(), (end + _REACH).date()
    found = []
    while day <= last:
        wall = datetime.combine(day, trigger.at)
        due = instant(wall, zone)
        if start < due <= end:
            found.append(AnniversaryDay(day, due, wall, celebrated_on(day, leap)))
        day += timedelta(days=1)
    return found


def last_due_over_zones(wall: datetime, zones: Iterable[ZoneInfo]) -> datetime:
    """The last instant at which any of `zones`, at least one, reaches the naive `wall`."""
    return max(instant(wall, zone) for zone in zones)


def due_for_event(at: datetime, after: Duration, zone: ZoneInfo) -> datetime:
    """When an event of `at` falls due: `after` it, days counted by `zone`'s calendar."""
    return add_duration(at, after, zone)


def catch_up_window(now: datetime, catch_up: Duration, zone: ZoneInfo | None = None) -> datetime:
    """The open start of the window (start, now] a planner looks at. Without a zone a day is 24 hours."""
    return subtract_duration(now, catch_up, zone or _UTC)


_UTC = ZoneInfo("UTC")
_LAST_ZONE = ZoneInfo("Etc/GMT+12")  # where a day ends last
