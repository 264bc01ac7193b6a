"""Planned work: when each customer hears of it, and what follows from the calendar alone. Pure.

It is announced at the last 10:00 of the customer's own clock at least `lead` before its start, and recalled at
the last 10:00 before it; what is written down later than that is announced at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from mailer.core.calendar import latest_at, subtract_duration
from mailer.core.duration import Duration
from mailer.core.incident import Incident, IncidentState

#: When people are told, by their own clocks.
AT = time(10)

#: What `lead` is when nobody says.
LEAD = "48h"

#: A wall time is nowhere further from the same instant elsewhere than this, clock changes included.
_ROUND_THE_WORLD = timedelta(hours=28)

_S = IncidentState
_AHEAD = (_S.SCHEDULED, _S.REMINDED, _S.RESCHEDULED)


@dataclass(frozen=True, slots=True)
class Work:
    """The schedule that stands. Instants are aware, in UTC."""

    starts_at: datetime
    ends_at: datetime | None
    lead: Duration
    since: datetime  # when this schedule was published

    def announced(self, zone: ZoneInfo) -> datetime:
        """When whoever was told nothing so far is told."""
        due = latest_at(AT, zone, subtract_duration(self.starts_at, self.lead, zone))
        return max(due, self.since)

    def recalled(self, zone: ZoneInfo) -> datetime | None:
        """When whoever was told is reminded; None: the schedule was published too late for it."""
        due = latest_at(AT, zone, self.starts_at, strictly=True)
        return due if due > self.since else None

    def may_be_announced(self, now: datetime) -> bool:
        """Whether `announced` may have come in any zone at all; cheap to ask."""
        return now >= min(self.starts_at - self.lead.elapsed(), self.starts_at) - _ROUND_THE_WORLD

    def may_be_recalled(self, now: datetime) -> bool:
        """Whether `recalled` may have come in any zone at all; cheap to ask."""
        return now >= self.starts_at - _ROUND_THE_WORLD


def work_of(incident: Incident) -> Work | None:
    """The schedule of planned work; None for an outage, or a draft."""
    starts_at = incident.current.starts_at
    if not incident.planned or starts_at is None or incident.published_at is None:
        return None
    since = incident.published_at
    for update in reversed(incident.updates):
        if update.starts_at != starts_at:
            break
        since = max(incident.published_at, update.at)
    return Work(starts_at, incident.current.ends_at, Duration.parse(incident.current.lead or LEAD), since)


def asks_zones(incident: Incident, now: datetime) -> bool:
    """Whether `announcing` and `next_by_clock` look at the zones of the affected; cheap to ask."""
    work = work_of(incident)
    return work is not None and incident.current.state in _AHEAD and work.may_be_announced(now)


def announcing(incident: Incident, zones: Iterable[ZoneInfo], now: datetime) -> bool:
    """Whether those who were told nothing so far are told by now, at least where it is earliest.

    An outage is told at once, and so is work that has begun.
    """
    work = work_of(incident)
    if work is None or incident.current.state not in _AHEAD:
        return True
    return work.may_be_announced(now) and any(work.announced(zone) <= now for zone in zones)


def next_by_clock(incident: Incident, zones: Iterable[ZoneInfo], now: datetime) -> IncidentState | None:
    """Where the calendar takes planned work next, if anywhere; asked again until None.

    It is in progress when its time has come and completed when its time is over, which nobody is told; and
    reminded when the first of the affected are to be. Each of them is reminded in their own time.
    """
    work = work_of(incident)
    state = incident.current.state
    if work is None or incident.current.closes:
        return None
    if state in _AHEAD and now >= work.starts_at:
        return _S.IN_PROGRESS
    if state is _S.IN_PROGRESS and work.ends_at is not None and now >= work.ends_at > _last_word(incident):
        return _S.COMPLETED
    if state in (_S.SCHEDULED, _S.RESCHEDULED) and work.may_be_recalled(now):
        times = (work.recalled(zone) for zone in zones)
        return _S.REMINDED if any(at is not None and at <= now for at in times) else None
    return None


def _last_word(incident: Incident) -> datetime:
    """When a person, or a reminder, spoke last: who writes after the end knows that it goes on."""
    return max(update.at for update in incident.updates if not update.silent)


def milestones(incident: Incident, zones: Iterable[ZoneInfo]) -> set[datetime]:
    """Every instant at which planned work does something, if nobody changes its schedule."""
    work = work_of(incident)
    if work is None or incident.current.closes:
        return set()
    places = list(zones)
    found = {work.starts_at, work.ends_at, *map(work.announced, places), *map(work.recalled, places)}
    return {at for at in found if at is not None}
