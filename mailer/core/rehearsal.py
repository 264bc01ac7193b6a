"""What a rehearsal answers: who would be written to, when, and why not. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from mailer.core.calendar import instant
from mailer.core.delivery import State

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TICK = timedelta(microseconds=1)  # the least there is between two instants

#: How coarsely instants may be looked at, when there are many.
GRIDS = (MINUTE, timedelta(minutes=15), HOUR)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Outcome = Literal["send", "skip"]


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` until just before `end`."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    @property
    def last(self) -> datetime:
        """The last instant in it."""
        return self.end - TICK


@dataclass(frozen=True, slots=True)
class Line:
    """One customer in one run of a rehearsal. `at` is the hand-off, or when it would have been."""

    at: datetime
    campaign: str
    occurrence: str
    customer: str
    outcome: Outcome
    reason: str | None
    waits: str | None = None  # core.delivery.Hold: what it still waits for at the end, where nobody paused it


def read_moment(text: str, zone: ZoneInfo) -> datetime:
    """An RFC 3339 instant, or a day with or without a time on the clocks of `zone`, in UTC.

    Raises:
        ValueError: anything else.
    """
    found = datetime.fromisoformat(text.strip().upper())
    return instant(found, zone) if found.tzinfo is None else found.astimezone(UTC)


def outcome(state: str, reason: str | None) -> tuple[Outcome, str | None]:
    """What became of a delivery, in the two words of a rehearsal. What still waits at the end is held: paused."""
    match State(state):
        case State.SENT | State.IN_DOUBT | State.SENDING:
            return "send", None
        case State.QUEUED | State.DEFERRED:
            return "skip", "paused"
        case State.EXPIRED | State.CANCELLED as ended:
            return "skip", ended.value
        case State.SKIPPED | State.FAILED:
            return "skip", reason


def thinned(
    moments: Collection[datetime], most: int, last: datetime, *, coarsest: timedelta = HOUR
) -> set[datetime]:
    """The moments themselves; where they are more than `most`, each put off to the next minute, quarter or hour.

    None is put off by as much as `coarsest`, or beyond `last`.
    """
    found = set(moments)
    for size in GRIDS:
        if len(found) <= most or size > coarsest:
            break
        found = {min(_up(moment, size), last) for moment in moments}
    return found


def _up(moment: datetime, grid: timedelta) -> datetime:
    return moment + (_EPOCH - moment) % grid


def halves(start: datetime, end: datetime, few: bool) -> datetime | None:
    """A whole minute between the two at which to look once more; none: it is known well enough when.

    To the minute, as the scheduler looks; to the hour where more than a `few` are concerned.
    """
    if end - start <= (MINUTE if few else HOUR):
        return None
    middle = start + (end - start) / 2
    middle -= (middle - _EPOCH) % MINUTE
    middle += MINUTE if middle <= start else timedelta()
    return middle if middle < end else None


def grid(window: Window, step: timedelta) -> list[datetime]:
    """`window.start` and each `step` after it, in the window."""
    return [window.start + number * step for number in range(-(-(window.end - window.start) // step))]


class Counts:
    """Lines by the tenant's day and campaign: how many would be sent, how many not, and why not."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._found: dict[tuple[str, str], Counter[str | None]] = {}

    def add(self, line: Line) -> None:
        """Count one more."""
        day = line.at.astimezone(self._zone).date().isoformat()
        reason = None if line.outcome == "send" else line.waits or line.reason or ""
        self._found.setdefault((day, line.campaign), Counter())[reason] += 1

    @property
    def total(self) -> tuple[int, int]:
        """How many would be sent, and how many not."""
        sent = sum(found[None] for found in self._found.values())
        return sent, sum(found.total() for found in self._found.values()) - sent

    def rows(self) -> list[dict[str, Any]]:
        """A row for each day and campaign, in order; the most frequent reason first."""
        return [
            {
                "day": day,
                "campaign": campaign,
                "send": found[None],
                "skip": found.total() - found[None],
                "why": ", ".join(f"{reason} {count}" for reason, count in found.most_common() if reason),
            }
            for (day, campaign), found in sorted(self._found.items())
        ]
