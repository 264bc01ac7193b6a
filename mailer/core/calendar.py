"""Wall time and instants. Intentions are wall times in a zone; everything stored is an instant in UTC.

A wall time that the clocks skip (a gap) shifts forward by the gap's length; one that comes twice (a fold)
means its first occurrence. The same holds for a whole day that never was (Apia, 2011-12-30).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from mailer.core.duration import Duration

#: What 29 February means in a common year.
LeapDay = Literal["feb28", "mar1"]

#: Where sums of instants stop; ordinary calendars end a little later, and a zone must still fit.
EARLIEST, LATEST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)

_MACHINE_ZONES = ("posix/", "right/", "localtime", "posixrules", "Factory")  # the machine's, not a place's
_LEAP = (2, 29)


def zone_named(name: str) -> ZoneInfo:
    """The IANA time zone of this name, such as `Europe/Istanbul`.

    Raises:
        ValueError: there is none.
    """
    if name and not name.startswith(_MACHINE_ZONES):
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # OSError: the name is a folder of zones, such as Europe
            pass
    raise ValueError(f"{name!r} is not a time zone; write an IANA name such as Europe/Istanbul")


def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The UTC instant at which clocks in `zone` show the naive `wall` (PEP 495, fold 0)."""
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def wall_time(moment: datetime, zone: ZoneInfo) -> datetime:
    """What clocks in `zone` show at `moment`, naive."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def local_date(moment: datetime, zone: ZoneInfo) -> date:
    """The day it is in `zone` at `moment`."""
    return moment.astimezone(zone).date()


def add_duration(moment: datetime, duration: Duration, zone: ZoneInfo) -> datetime:
    """`moment` and then `duration`: days keep the wall time in `zone`, hours are elapsed time. UTC."""
    return _moved(moment, duration.days, duration.seconds, zone)


def subtract_duration(moment: datetime, duration: Duration, zone: ZoneInfo) -> datetime:
    """`moment` less `duration`: days keep the wall time in `zone`, hours are elapsed time. UTC."""
    return _moved(moment, -duration.days, -duration.seconds, zone)


def _moved(moment: datetime, days: int, seconds: int, zone: ZoneInfo) -> datetime:
    try:
        if days:  # not with none: it would turn the second pass of a fold into the first
            moment = instant(wall_time(moment, zone) + timedelta(days=days), zone)
        moved = moment.astimezone(UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return LATEST if days + seconds > 0 else EARLIEST
    return min(max(moved, EARLIEST), LATEST)


def aged_before(moment: datetime, age: Duration, zone: ZoneInfo) -> datetime:
    """What happened strictly before the answer is at least `age` old at `moment`.

    Days are counted between local dates, whatever the hour, so that the mail of last year's birthday is
    365 days old all day long.
    """
    if age.days:
        last_day = datetime.combine(local_date(moment, zone), time())
        try:
            return instant(last_day + timedelta(days=1 - age.days), zone)
        except OverflowError:
            return EARLIEST
    return subtract_duration(moment, age, zone) + timedelta(microseconds=1)


def latest_at(at: time, zone: ZoneInfo, moment: datetime, *, strictly: bool = False) -> datetime:
    """The last instant, at or before `moment` (`strictly`: before it), at which it is due `at` in `zone`."""
    day = local_date(moment, zone) + timedelta(days=1)
    while True:
        found = instant(datetime.combine(day, at), zone)
        if found < moment or (found == moment and not strictly):
            return found
        day -= timedelta(days=1)


def celebrated_on(day: date, leap: LeapDay) -> tuple[tuple[int, int], ...]:
    """Which stored (month, day) are celebrated on `day`: its own, and 29 February's where that stands in."""
    own = (day.month, day.day)
    stand_in = (2, 28) if leap == "feb28" else (3, 1)
    return (own, _LEAP) if own == stand_in and not is_leap(day.year) else (own,)


def is_leap(year: int) -> bool:
    """Whether `year` has a 29 February."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
