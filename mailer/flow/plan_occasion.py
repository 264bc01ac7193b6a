"""One occasion of a campaign: its run, grown by those who have fallen due, and released."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from mailer.core.agenda import Occasion
from mailer.core.audience import Selection
from mailer.core.campaign import Campaign
from mailer.core.content import FeedContent
from mailer.core.run import NewRun, RunState
from mailer.core.segment import Rule
from mailer.flow.issue import Issues
from mailer.flow.plan_fill import Filling
from mailer.flow.plan_ports import RunBook, Version

#: A record that changed so long before the last pass is looked at again: clocks of machines differ a little.
CHANGED_MARGIN = timedelta(hours=1)


@dataclass
class PlanReport:
    """What a pass did, and what it could not do."""

    added: int = 0
    runs: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    missed: int = 0  # found too late to be written to


class Occasions:
    """Writes occasions down as runs."""

    def __init__(self, *, book: RunBook, filling: Filling, issues: Issues, version: Version) -> None:
        self._book = book
        self._filling = filling
        self._issues = issues
        self._version = version

    async def plan(
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
        fresh = run_id is None and not late
        new = await self._new_run(campaign, occasion, fresh=fresh, by_hand=chosen is not None)
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

    async def _new_run(self, campaign: Campaign, occasion: Occasion, *, fresh: bool, by_hand: bool) -> NewRun:
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
            by_hand=by_hand,
        )
