"""What a campaign owes at an instant: its occasions, and which customers of which zones each is due for.

Pure arithmetic over the trigger and the zones customers live in. The planner turns an occasion into a run; what
stops a second mail is the run's unique row and the once-key, so an agenda may be asked as often as one likes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from mailer.core.audience import Selection
from mailer.core.calendar import LeapDay, celebrated_on, local_date
from mailer.core.campaign import Campaign
from mailer.core.occurrence import (
    AnniversaryDay,
    Occurrence,
    anniversary_days,
    catch_up_window,
    due_for_event,
    fixed_zone,
    last_due_over_zones,
    next_due,
    occurrences,
)
from mailer.core.segment import Rule
from mailer.core.trigger import (
    AnniversaryTrigger,
    AtTrigger,
    CronTrigger,
    EventTrigger,
    IncidentTrigger,
    SegmentTrigger,
)
from mailer.errors import UsageError

#: How far back a planner that was away looks for what it must call missed.
LONGEST_LOOK_BACK = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Group:
    """Customers who are due at one instant."""

    due: datetime
    zones: frozenset[str | None] | None  # IANA, None in it: the tenant's; none at all: wherever they live
    days: tuple[tuple[int, int], ...] = ()  # anniversaries: the stored (month, day) celebrated


@dataclass(frozen=True, slots=True)
class Occasion:
    """One occurrence of a campaign, as far as it has fallen due."""

    key: str  # the occurrence: the local date
    local_date: date
    groups: tuple[Group, ...]  # in order of their due instants
    closes_at: datetime  # when the last zone with customers in it falls due


def window_start(campaign: Campaign, now: datetime, zone: ZoneInfo, since: datetime | None) -> datetime:
    """The open start of what a pass at `now` looks at: `catch_up` back, or to the last pass if that was earlier.

    What lies between the last pass and `catch_up` is looked at to be called missed, never to be sent.
    """
    start = catch_up_window(now, campaign.catch_up, zone)
    if since is not None and since < start:
        start = max(since, now - LONGEST_LOOK_BACK)
    return start


def agenda(
    campaign: Campaign,
    zones: Iterable[str | None],
    *,
    start: datetime,
    now: datetime,
    tenant: ZoneInfo,
    leap_day: LeapDay,
) -> list[Occasion]:
    """The occasions of a cron, fixed or anniversary campaign due in (start, now], oldest first."""
    trigger = campaign.trigger
    if isinstance(trigger, AnniversaryTrigger):
        return _gather(zones, tenant, lambda zone: anniversary_days(trigger, zone, start, now, leap_day))
    if not isinstance(trigger, CronTrigger | AtTrigger):
        return []
    fixed = fixed_zone(trigger, tenant)
    if fixed is None:
        return _gather(zones, tenant, lambda zone: occurrences(trigger, zone, start, now))
    return [
        Occasion(found.key, found.local_date, (Group(found.due, None),), found.due)
        for found in occurrences(trigger, fixed, start, now)
    ]


def _gather(
    zones: Iterable[str | None],
    tenant: ZoneInfo,
    days: Callable[[ZoneInfo], Sequence[Occurrence | AnniversaryDay]],
) -> list[Occasion]:
    named = {name: ZoneInfo(name) if name else tenant for name in zones}
    everywhere = set(named.values()) or {tenant}
    found: dict[str, dict[tuple[datetime, tuple[tuple[int, int], ...]], set[str | None]]] = {}
    walls: dict[str, tuple[date, datetime]] = {}
    answers = {zone: days(zone) for zone in everywhere}
    for name, zone in named.items():
        for day in answers[zone]:
            celebrated = day.days if isinstance(day, AnniversaryDay) else ()
            found.setdefault(day.key, {}).setdefault((day.due, celebrated), set()).add(name)
            walls[day.key] = (day.local_date, day.wall)
    return [
        Occasion(
            key,
            walls[key][0],
            tuple(
                Group(due, frozenset(names), celebrated)
                for (due, celebrated), names in sorted(groups.items(), key=lambda item: item[0])
            ),
            last_due_over_zones(walls[key][1], everywhere),
        )
        for key, groups in sorted(found.items())
    ]


def event_due(at: datetime, zone: str | None, trigger: EventTrigger, tenant: ZoneInfo) -> datetime:
    """When an event of `at` falls due for a customer in `zone`, days counted by their own calendar."""
    return due_for_event(at, trigger.after, ZoneInfo(zone) if zone else tenant)


def by_hand(
    campaign: Campaign, zones: Iterable[str | None], *, now: datetime, tenant: ZoneInfo, leap_day: LeapDay
) -> Selection:
    """Whom a campaign reaches when a person starts it: of an anniversary's, those whose day it is.

    Raises:
        UsageError: it answers events or incidents, so there is nobody to write to.
    """
    trigger = campaign.trigger
    if isinstance(trigger, EventTrigger):
        raise UsageError(
            f"{campaign.name} answers the event {trigger.event}, so it cannot be started by hand; import the event."
        )
    if isinstance(trigger, IncidentTrigger):
        raise UsageError(
            f"{campaign.name} tells of incidents, so it cannot be started by hand; see mailer incidents open."
        )
    if isinstance(trigger, SegmentTrigger):
        return Selection(rule=Rule(all=(Rule(segment=trigger.segment), campaign.audience)), stored_by=now)
    if not isinstance(trigger, AnniversaryTrigger):
        return Selection(rule=campaign.audience, stored_by=now)
    today = local_date(now, tenant)
    here = (zone for zone in zones if local_date(now, ZoneInfo(zone) if zone else tenant) == today)
    return Selection(
        rule=campaign.audience,
        stored_by=now,
        zones=frozenset(here),
        attribute=trigger.anniversary,
        days=celebrated_on(today, trigger.leap_day or leap_day),
        before_year=today.year,
    )


def entry_occasion(now: datetime, tenant: ZoneInfo) -> Occasion:
    """Those who entered a segment since the last look, by the tenant's date."""
    day = local_date(now, tenant)
    return Occasion(day.isoformat(), day, (Group(now, None),), now)


def next_at(
    campaign: Campaign, zones: Iterable[str | None], *, now: datetime, tenant: ZoneInfo, leap_day: LeapDay
) -> datetime | None:
    """The first instant after `now` at which the campaign falls due for anybody; None: nobody can say."""
    trigger = campaign.trigger
    if isinstance(trigger, CronTrigger | AtTrigger):
        fixed = fixed_zone(trigger, tenant)
        places = {fixed} if fixed else {ZoneInfo(name) if name else tenant for name in zones} or {tenant}
        return min((due for due in (next_due(trigger, zone, now) for zone in places) if due), default=None)
    if isinstance(trigger, AnniversaryTrigger):
        tomorrow = now + timedelta(days=2)
        places = {ZoneInfo(name) if name else tenant for name in zones} or {tenant}
        days = [
            day.due for zone in places for day in anniversary_days(trigger, zone, now, tomorrow, leap_day)
        ]
        return min(days, default=None)
    return None
