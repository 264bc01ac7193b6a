"""Quiet hours, and when a delivery has become too late to be useful."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from mailer.core.calendar import add_duration, instant, local_date
from mailer.core.duration import Duration

_TEXT = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_NONE = "none"  # an empty variable of the environment means the default, so there has to be a word


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` until just before `end`, customer-local, even over midnight. None: never."""

    start: time | None = None
    end: time | None = None

    @classmethod
    def parse(cls, text: str) -> QuietHours:
        """Read `21:00-09:00`; `none`, and empty text, mean no quiet hours.

        Raises:
            ValueError: anything else, or hours that end when they start.
        """
        if text.strip() in ("", _NONE):
            return cls()
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is not quiet hours; write two times of day such as 21:00-09:00")
        start, end = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
        if start == end:
            raise ValueError(f"{text!r} ends when it starts; write none to have no quiet hours")
        return cls(start, end)

    def __str__(self) -> str:
        return "" if self.start is None or self.end is None else f"{self.start:%H:%M}-{self.end:%H:%M}"


@lru_cache(4096)  # a run asks it of every customer, and they live in few zones
def held_until(now: datetime, zone: ZoneInfo, quiet: QuietHours) -> datetime | None:
    """When the quiet hours that `now` lies in end in `zone`; None: `now` lies in none."""
    if quiet.start is None or quiet.end is None:
        return None
    today = local_date(now, zone)
    for back in range(3):  # yesterday's may last until now; a skipped day makes it the day before
        day = today - timedelta(days=back)
        last_day = day if quiet.start < quiet.end else day + timedelta(days=1)
        begins = instant(datetime.combine(day, quiet.start), zone)
        ends = instant(datetime.combine(last_day, quiet.end), zone)
        if begins <= now < ends:
            return ends
    return None


@lru_cache(4096)
def expires_at(
    due: datetime, ttl: Duration | None, ends_at: datetime | None, zone: ZoneInfo
) -> datetime | None:
    """The earlier of `ttl` after `due` and the naive `ends_at` in `zone`; None: never too late."""
    ends = [] if ttl is None else [add_duration(due, ttl, zone)]
    if ends_at is not None:
        ends.append(instant(ends_at, zone))
    return min(ends, default=None)
