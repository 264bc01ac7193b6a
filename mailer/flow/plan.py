"""Planning: what has fallen due becomes runs, and each run's audience becomes deliveries.

A pass may be repeated, interrupted or made twice at once: the unique rows of run and delivery decide what is new.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from mailer.core.agenda import Group, Occasion, agenda, by_hand, window_start
from mailer.core.audience import Selection
from mailer.core.calendar import LeapDay, local_date
from mailer.core.campaign import Campaign
from mailer.core.content import FeedContent
from mailer.core.fault_words import in_short
from mailer.core.policy import Rules
from mailer.core.run import NewRun, RunState
from mailer.core.segment import Rule
from mailer.core.trigger import EventTrigger, IncidentTrigger, ManualTrigger, SegmentTrigger
from mailer.errors import FeedFault, FileFault, MailerError, why
from mailer.flow.issue import FeedsPort, Issues, Prospects
from mailer.flow.looks import Looks
from mailer.flow.plan_caps import Yielding
from mailer.flow.plan_entries import EntryPlanning
from mailer.flow.plan_events import EventPlanning
from mailer.flow.plan_fill import Filling
from mailer.flow.plan_ports import KnownCampaign, People, RunBook, Version
from mailer.flow.plan_rows import Rows
from mailer.flow.score import Scoring

log = structlog.get_logger()

MOST_BY_HAND = 1_000  # runs of one campaign started by hand on one day

#: A record that changed so long before the last pass is looked at again: clocks of machines differ a little.
CHANGED_MARGIN = timedelta(hours=1)


@dataclass
class PlanReport:
    """What a pass did, and what it could not do."""

    added: int = 0
    runs: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    missed: int = 0  # found too late to be written to


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
        self._issues = Issues(people, feeds)
        self._version = version
        self._zone = rules.zone
        self._leap_day = leap_day
        self._prospects = Prospects(book, people, feeds)
        yielding = Yielding(
            campaigns=campaigns, people=people, prospects=self._prospects, rules=rules, leap_day=leap_day
        )
        self._rows = Rows(people, rules, currency, yielding)
        self._filling = Filling(book, people, self._rows)
        self._events = EventPlanning(
            book=book, people=people, rows=self._rows, version=version, zone=rules.zone
        )
        self._entries = EntryPlanning(
            segments=segments,
            book=book,
            people=people,
            filling=self._filling,
            version=version,
            zone=rules.zone,
        )
        self._scoring = Scoring(people, segments, rules.zone)
        self.looks = Looks(campaigns, segments, self._scoring, self._entries)

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
        done, asleep = [], []
        for campaign in self._chosen(only, events_only=events_only):
            known, before = seen[campaign.name], report.missed
            if not campaign.enabled:
                asleep += [campaign.name] if known.planned_at is not None else []
                continue
            try:
                if not await self.looks.ready(campaign):  # the first look will tell
                    continue
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
        """Start a campaign now; its occurrence, and how many deliveries it has.

        Raises:
            UsageError: it answers events or incidents.
            TemplateFault: its template cannot be used.
        """
        chosen = by_hand(
            campaign, await self._people.zones(), now=now, tenant=self._zone, leap_day=self._leap_day
        )
        day = local_date(now, self._zone)
        keys = [day.isoformat(), *(f"{day}.{number}" for number in range(2, MOST_BY_HAND))]
        taken = await self._book.ids(campaign.name, keys)
        await self._scoring.see_to([chosen.rule], now)
        group = Group(now, chosen.zones, chosen.days)
        occasion = Occasion(next(key for key in keys if key not in taken), day, (group,), now)
        self._prospects.begin(now)
        report = PlanReport()
        await self._plan_occasion(campaign, occasion, now, None, report, chosen=chosen.rule)
        return occasion.key, report.added

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
            await self._plan_occasion(campaign, occasion, now, known.planned_at, report)

    async def _plan_occasion(
        self,
        campaign: Campaign,
        occasion: Occasion,
        now: datetime,
        planned_at: datetime | None,
        report: PlanReport,
        *,
        chosen: Rule | None = None,
    ) -> None:
        """One run, grown by the groups that have fallen due. Written down once somebody is in it.

        `chosen` is whom a person starts it for; that run is written down even without anybody.
        """
        run_id, state = await self._standing(campaign, occasion)
        if state in (RunState.CANCELLED, RunState.SKIPPED_EMPTY):
            return
        missed = all(group.due <= campaign.catch_up.before(now) for group in occasion.groups)
        # What nobody can get any more needs no feed, which may be gone for good.
        late = missed and isinstance(campaign.content, FeedContent)
        new = await self._new_run(campaign, occasion, fresh=run_id is None and not late)
        if new.state is RunState.SKIPPED_EMPTY:
            await self._book.open(new, now)
            report.runs.append(f"{campaign.name} {occasion.key}")
            return
        begun: int | None = None  # filled as one not written down: nobody is in it, so nobody is asked

        async def begin() -> int:
            nonlocal begun
            if begun is None:
                begun = await self._begin(campaign, new, now)
            return begun

        if run_id is None and chosen is not None:
            await begin()
            state = RunState.PLANNING
        half_planned = state in (None, RunState.PLANNING)
        grew = False
        for group in occasion.groups:
            seen_whole = planned_at is not None and group.due <= planned_at and not half_planned
            if seen_whole and group.zones is None:  # nobody moves into it: a run keeps its members
                continue
            selection = Selection(
                rule=campaign.audience if chosen is None else chosen,
                zones=group.zones,
                stored_by=group.due,
                changed_since=planned_at - CHANGED_MARGIN if planned_at is not None and seen_whole else None,
                attribute=campaign.anniversary.anniversary if campaign.anniversary else None,
                days=group.days,
                before_year=occasion.local_date.year if group.days else None,
            )
            filled = await self._filling.fill(
                campaign, new.occurrence, selection, group.due, now, run_id, begin
            )
            run_id, grew = filled.run_id, grew or filled.grew
            report.added += filled.added
            report.missed += filled.missed
        run_id = begun if run_id is None else run_id
        if run_id is not None and (grew or state is RunState.PLANNING):
            await self._book.release(run_id, now, missed=missed)
            report.runs.append(f"{campaign.name} {occasion.key}")

    async def _standing(self, campaign: Campaign, occasion: Occasion) -> tuple[int | None, RunState | None]:
        """The occasion's run as it stands, if it was written down."""
        found = (await self._book.ids(campaign.name, [occasion.key])).get(occasion.key)
        return found if found is not None else (None, None)

    async def _begin(self, campaign: Campaign, new: NewRun, now: datetime) -> int:
        version = await self._version(campaign, now)
        return (await self._book.open(replace(new, version_id=version), now)).id

    async def _new_run(self, campaign: Campaign, occasion: Occasion, *, fresh: bool) -> NewRun:
        """The run as it would be written down; a fresh one with its content, or empty."""
        first = occasion.groups[0].due
        content: dict[str, Any] | None = None
        state = RunState.PLANNING
        if campaign.content is not None and fresh:
            content = {"posts": await self._issues.posts(campaign.name, campaign.content, first)}
            state = state if content["posts"] else RunState.SKIPPED_EMPTY
        return NewRun(
            campaign=campaign.name,
            occurrence=occasion.key,
            version_id=None,
            purpose=campaign.purpose,
            topic=campaign.topic,
            priority=campaign.priority,
            due_at=first,
            closes_at=occasion.closes_at,
            state=state,
            content=content,
        )


def _missed(campaign: Campaign, count: int) -> str:
    whom, are = ("1 customer", "this is") if count == 1 else (f"{count} customers", "they are")
    return (
        f"The campaign {campaign.name} was due to {whom} longer ago than its catch_up "
        f"({campaign.catch_up}); {are} recorded as missed, see mailer deliveries --campaign {campaign.name}"
    )
