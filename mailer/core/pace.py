"""When a notice may leave: not too soon after the last one, and planned work not in the night. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from mailer.core.incident import Incident, IncidentState, Update
from mailer.core.planned import work_of
from mailer.core.quiet import QuietHours, held_until
from mailer.core.standing import Kind, Standing

#: Between two updates to one recipient; those in between are never sent, the newest is.
PACE = timedelta(minutes=15)

#: An estimate that moves further than this is told at once.
SLIP = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Hours:
    """The tenant's: the zone of customers whose own is unknown, and when it is night."""

    zone: ZoneInfo
    quiet: QuietHours

    def of(self, zone: str | None) -> ZoneInfo:
        """The zone of a customer."""
        return ZoneInfo(zone) if zone else self.zone


class Timing(NamedTuple):
    """When a notice falls due, and when it may leave: then, or later."""

    due_at: datetime
    not_before: datetime


def only_reminds(news: Sequence[Update]) -> bool:
    """Whether there is nothing to say but what was said before."""
    return bool(news) and all(update.reminds for update in news)


def timing(
    incident: Incident, kind: Kind, told: Standing, zone: str | None, hours: Hours, now: datetime
) -> Timing:
    """When a notice decided at `now` may leave, for somebody who has been told that much."""
    if not incident.planned and kind is not Kind.UPDATE:
        return Timing(now, now)
    work, own_zone = work_of(incident), hours.of(zone)
    news = incident.news_since(told.newest)
    due = now
    if work is not None and kind is Kind.FIRST:
        due = max(now, work.announced(own_zone))
    elif work is not None and kind is Kind.UPDATE and only_reminds(news):
        due = max(now, work.recalled(own_zone) or now)
    if incident.current.urgent or any(update.urgent for update in news):
        return Timing(due, due)
    held = due
    if kind is Kind.UPDATE and told.last_at is not None and not _passes(incident, told.newest):
        held = max(due, told.last_at + PACE)
    if incident.planned:
        held = _by_day(incident, held, own_zone, hours.quiet)
    return Timing(due, held)


def _passes(incident: Incident, newest: int) -> bool:
    """Whether the current update cannot wait, for somebody who knows of update `newest`."""
    known = next((update for update in incident.updates if update.number == newest), None)
    if known is None or known.state is not incident.current.state:
        return True
    return known.eta is not None and (incident.current.eta is None or incident.current.eta - known.eta > SLIP)


def _by_day(incident: Incident, at: datetime, zone: ZoneInfo, quiet: QuietHours) -> datetime:
    """The next morning, unless the work begins or ends before: an unasked mail is less trouble than none."""
    until = held_until(at, zone, quiet)
    if until is None:
        return at
    if incident.current.state is IncidentState.COMPLETED:
        return until
    schedule = (each for update in incident.updates[-2:] for each in (update.starts_at, update.ends_at))
    return at if any(when is not None and at < when <= until for when in schedule) else until
