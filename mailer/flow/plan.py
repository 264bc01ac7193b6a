"""Planning: what has fallen due becomes runs, and each run's audience becomes deliveries.

A pass may be repeated, interrupted or made twice at once: the unique rows of run and delivery decide what is new.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

import structlog

from mailer.core.agenda import agenda, window_start
from mailer.core.calendar import LeapDay
from mailer.core.campaign import Campaign
from mailer.core.fault_words import in_short
from mailer.core.policy import Rules
from mailer.core.segment import Rule
from mailer.core.trigger import EventTrigger, IncidentTrigger, ManualTrigger, SegmentTrigger
from mailer.errors import FeedFault, FileFault, MailerError, why
from mailer.flow.issue import FeedsPort, Issues, Prospects
from mailer.flow.looks import Looks
from mailer.flow.plan_caps import Yielding
from mailer.flow.plan_entries import EntryPlanning
from mailer.flow.plan_events import EventPlanning
from mailer.flow.plan_fill import Filling
from mailer.flow.plan_hand import ByHand
from mailer.flow.plan_occasion import Occasions, PlanReport
from mailer.flow.plan_ports import KnownCampaign, People, RunBook, Version
from mailer.flow.plan_rows import Rows
from mailer.flow.score import Scoring

log = structlog.get_logger()


class Planner:
    """The planner over one catalogue of campaigns."""

    def __init__(
        self,
        *,
        campaigns: Mapping[str, Campaign],
        segments: Mapping[str, Rule],
        book: RunBook,
        people: People,
        feeds: FeedsPort,
        version: Version,
        rules: Rules,
        leap_day: LeapDay,
        currency: str,
    ) -> None:
        self._campaigns = campaigns
        self._segments = segments
        self._book = book
        self._people = people
        self._zone = rules.zone
        self._leap_day = leap_day
        self._prospects = Prospects(book, people, feeds)
        yielding = Yielding(
            campaigns=campaigns, people=people, prospects=self._prospects, rules=rules, leap_day=leap_day
        )
        self._rows = Rows(people, rules, currency, yielding)
        filling = Filling(book, people, self._rows)
        self._occasions = Occasions(book=book, filling=filling, issues=Issues(people, feeds), version=version)
        self._events = EventPlanning(
            book=book, people=people, rows=self._rows, version=version, zone=rules.zone
        )
        self._entries = EntryPlanning(
            segments=segments,
            book=book,
            people=people,
            filling=filling,
            version=version,
            zone=rules.zone,
        )
        scoring = Scoring(people, segments, rules.zone)
        self.looks = Looks(campaigns, segments, scoring, self._entries)
        self._hand = ByHand(
            book=book,
            people=people,
            occasions=self._occasions,
            prospects=self._prospects,
            scoring=scoring,
            zone=rules.zone,
            leap_day=leap_day,
        )

    async def look(self, now: datetime) -> None:
        """Note the campaigns that are here now: nothing due before this moment is ever caught up."""
        await self._book.seen(list(self._campaigns), now)

    async def plan(
        self, now: datetime, *, events_only: bool = False, only: Collection[str] | None = None
    ) -> PlanReport:
        """One pass: everything that fell due by `now`. A campaign that cannot be planned stops no other.

        `events_only` looks at nothing but what customers did: a quick pass between two whole ones. `only` names
        the campaigns to look at; none: all. What takes a look at all customers is `looks`' affair.
        """
        report = PlanReport()
        self._prospects.begin(now)
        seen = await self._book.seen(list(self._campaigns), now)
        self._rows.paused = {name for name, known in seen.items() if known.paused}
        awake = (
            [] if events_only else [each for each in self._campaigns.values() if not seen[each.name].paused]
        )
        halves = await self._hand.cut_short(awake)
        done, asleep = [], []
        for campaign in self._chosen(only, events_only=events_only):
            known, before = seen[campaign.name], report.missed
            if not campaign.enabled:
                asleep += [campaign.name] if known.planned_at is not None else []
                continue
            try:
                if not await self.looks.ready(campaign):  # the first look will tell
                    continue
                await self._hand.finish(campaign, halves, now, report)
                await self._plan_campaign(campaign, known, now, report)
                done.append(campaign.name)
            except FileFault as fault:
                again = " (it is tried again within its catch_up)" if isinstance(fault, FeedFault) else ""
                said = in_short([fault, *fault.others])
                report.faults.append(f"The campaign {campaign.name} cannot go out: {said}{again}")
            except MailerError:
                raise
            except Exception as fault:  # a fault of ours with one campaign is no reason to send nothing
                log.debug("planning_failed", campaign=campaign.name, exc_info=fault)
                report.faults.append(f"The campaign {campaign.name} cannot be planned: {why(fault)}")
            if report.missed > before:
                report.faults.append(_missed(campaign, report.missed - before))
        if not events_only:
            await self._book.planned(done, now)
            await self._book.forget(asleep)
            await self._entries.forget(self._campaigns, seen)
        return report

    async def run_by_hand(self, campaign: Campaign, now: datetime) -> tuple[str, int]:
        """Start a campaign now; see `ByHand.start`."""
        return await self._hand.start(campaign, now)

    def _chosen(self, only: Collection[str] | None, *, events_only: bool) -> Iterator[Campaign]:
        """The campaigns a pass looks at, the highest first: lower ones yield to what it writes down."""
        for campaign in sorted(self._campaigns.values(), key=lambda each: (-each.priority, each.name)):
            if only is not None and campaign.name not in only:
                continue
            if not events_only or isinstance(campaign.trigger, EventTrigger):
                yield campaign

    async def _plan_campaign(
        self, campaign: Campaign, known: KnownCampaign, now: datetime, report: PlanReport
    ) -> None:
        trigger = campaign.trigger
        if isinstance(trigger, IncidentTrigger | ManualTrigger):
            return
        if isinstance(trigger, EventTrigger):
            found = await self._events.plan(campaign, trigger, known, now)
            report.added += found.added
            report.missed += found.missed
            report.runs += [f"{campaign.name} {event}" for event in found.events]
            return
        if isinstance(trigger, SegmentTrigger):
            entered = await self._entries.plan(campaign, now)
            report.added += entered.added
            report.missed += entered.missed
            report.runs += [f"{campaign.name} {day}" for day in entered.runs]
            return
        # Nothing due before the first look is caught up; what is due at that very instant is.
        first = known.first_seen_at - timedelta(microseconds=1)
        occasions = agenda(
            campaign,
            await self._people.zones(),
            start=max(window_start(campaign, now, self._zone, known.planned_at), first),
            now=now,
            tenant=self._zone,
            leap_day=self._leap_day,
        )
        for occasion in occasions:
            await self._occasions.plan(campaign, occasion, now, known.planned_at, report)


def _missed(campaign: Campaign, count: int) -> str:
    whom, are = ("1 customer", "this is") if count == 1 else (f"{count} customers", "they are")
    return (
        f"The campaign {campaign.name} was due to {whom} longer ago than its catch_up "
        f"({campaign.catch_up}); {are} recorded as missed, see mailer deliveries --campaign {campaign.name}"
    )
