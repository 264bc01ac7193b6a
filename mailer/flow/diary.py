"""The instants of a rehearsal: everything that can fall due in a window, and for which campaigns."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from mailer.core.agenda import agenda, event_due
from mailer.core.calendar import LeapDay
from mailer.core.campaign import Campaign
from mailer.core.policy import OWN_ACTION, OWN_ACTION_EVENT
from mailer.core.rehearsal import TICK, Window, grid, thinned
from mailer.core.rfm import nights
from mailer.core.segment import Rule
from mailer.core.trigger import EventTrigger, SegmentTrigger
from mailer.flow.score import asks_scores, rules_of

#: So many instants of events are looked at one by one; where there are more, several together.
MOST = 10_000

#: Who is in a segment is looked at so often, and in between wherever that finds somebody.
SEGMENTS_EVERY = timedelta(hours=12)


class Stored(Protocol):
    """What the copy knows of times to come."""

    async def dates(self, attribute: str) -> Collection[tuple[int, int]]: ...
    async def events(
        self, name: str, since: datetime
    ) -> Collection[tuple[datetime, datetime, str | None]]: ...
    async def happenings(self, window: Window) -> Collection[datetime]: ...


class Diary:
    """Which campaigns to plan when, soonest first."""

    def __init__(self) -> None:
        self._times: list[datetime] = []
        self._names: dict[datetime, set[str]] = {}

    def note(self, at: datetime, name: str) -> None:
        """The campaign is looked at then."""
        if at not in self._names:
            heapq.heappush(self._times, at)
        self._names.setdefault(at, set()).add(name)

    def next(self) -> datetime | None:
        """The next instant."""
        return self._times[0] if self._times else None

    def take(self, now: datetime) -> set[str]:
        """The campaigns to look at now."""
        names: set[str] = set()
        while self._times and self._times[0] <= now:
            names |= self._names.pop(heapq.heappop(self._times))
        return names


class DiaryMaker:
    """Looks ahead."""

    def __init__(
        self,
        *,
        campaigns: Mapping[str, Campaign],
        segments: Mapping[str, Rule],
        stored: Stored,
        zone: ZoneInfo,
        leap_day: LeapDay,
    ) -> None:
        self._campaigns = campaigns
        self._segments = segments
        self._stored = stored
        self._zone = zone
        self._leap_day = leap_day

    async def of(self, window: Window, zones: Collection[str | None]) -> tuple[Diary, bool]:
        """The diary of a window, and whether customers are known to do anything in it."""
        diary = Diary()
        doings = await self._stored.happenings(window)
        for campaign in self._campaigns.values():
            if not campaign.enabled:
                continue
            trigger = campaign.trigger
            if isinstance(trigger, EventTrigger):
                due = await self._events(trigger, window)
                moments = thinned({*doings, *due}, MOST, window.last, coarsest=_patience(campaign, trigger))
            elif isinstance(trigger, SegmentTrigger):
                moments = {*thinned(doings, MOST, window.last), *grid(window, SEGMENTS_EVERY)}
                if asks_scores(rules_of(campaign, self._segments), self._segments):
                    moments.update(nights(window.start, window.end, self._zone))
            else:
                moments = await self._calendar(campaign, window, zones)
            for moment in moments:
                diary.note(moment, campaign.name)
        return diary, bool(doings)

    async def _calendar(
        self, campaign: Campaign, window: Window, zones: Collection[str | None]
    ) -> set[datetime]:
        """When a cron, a fixed time or an anniversary that somebody has falls due."""
        occasions = agenda(
            campaign,
            zones,
            start=window.start - TICK,
            now=window.last,
            tenant=self._zone,
            leap_day=self._leap_day,
        )
        groups = [group for occasion in occasions for group in occasion.groups]
        if campaign.anniversary is not None:
            dates = set(await self._stored.dates(campaign.anniversary.anniversary))
            groups = [group for group in groups if not dates.isdisjoint(group.days)]
        return {group.due for group in groups}

    async def _events(self, trigger: EventTrigger, window: Window) -> set[datetime]:
        """When what customers did falls due, or becomes known after that."""
        since = window.start - trigger.after.elapsed() - timedelta(days=2)
        found = await self._stored.events(trigger.event, since)
        reached = (max(event_due(at, zone, trigger, self._zone), stored) for at, stored, zone in found)
        return {moment for moment in reached if moment in window}


def _patience(campaign: Campaign, trigger: EventTrigger) -> timedelta:
    """How much later than it falls due a mail is decided about in the same way."""
    catch_up = campaign.catch_up.elapsed()
    return min(catch_up, OWN_ACTION) if trigger.event == OWN_ACTION_EVENT else catch_up
