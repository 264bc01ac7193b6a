"""Planning for those who enter a segment: they join the run of the tenant's day on which they were seen to enter.

Who entered is written down first, as owed a mail, and ticked off once the run is whole. So a planner may stop
anywhere and another finds what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from mailer.core.agenda import Occasion, entry_occasion
from mailer.core.audience import Selection
from mailer.core.campaign import Campaign
from mailer.core.run import NewRun, RunState
from mailer.core.segment import Rule
from mailer.core.trigger import SegmentTrigger
from mailer.flow.plan_fill import Filling
from mailer.flow.plan_ports import KnownCampaign, People, RunBook, Version


@dataclass
class PlannedEntries:
    """What a pass over those who entered did."""

    added: int = 0
    missed: int = 0
    runs: list[str] = field(default_factory=list)


class EntryPlanning:
    """Plans campaigns with the trigger `{segment: NAME}`."""

    def __init__(
        self,
        *,
        segments: Mapping[str, Rule],
        book: RunBook,
        people: People,
        filling: Filling,
        version: Version,
        zone: ZoneInfo,
    ) -> None:
        self._segments = segments
        self._book = book
        self._people = people
        self._filling = filling
        self._version = version
        self._zone = zone

    async def look(self, campaign: Campaign, now: datetime) -> None:
        """Note who entered the segment it waits for, if it waits for one, and who left."""
        if isinstance(campaign.trigger, SegmentTrigger):
            rule = self._segments[campaign.trigger.segment]
            await self._people.look_at_members(campaign.name, rule, now)

    async def forget(self, campaigns: Mapping[str, Campaign], seen: Mapping[str, KnownCampaign]) -> None:
        """Let campaigns that were switched off, or given another trigger, start over when they come back."""
        for name, known in seen.items():
            watches = campaigns[name].enabled and isinstance(campaigns[name].trigger, SegmentTrigger)
            if known.baseline_at is not None and not watches:
                await self._people.forget_members(name)

    async def plan(self, campaign: Campaign, now: datetime) -> PlannedEntries:
        """Write down everybody who entered and is still owed a mail."""
        planned = PlannedEntries()
        for entered_at in await self._people.owed(campaign.name):
            occasion = entry_occasion(entered_at, self._zone)
            found = (await self._book.ids(campaign.name, [occasion.key])).get(occasion.key)
            run_id, state = found or (None, None)
            if state is not RunState.CANCELLED:  # called off for that day, for whoever still enters too
                await self._fill(campaign, occasion, entered_at, run_id, now, planned)
            await self._people.settle_entries(campaign.name, entered_at)
        return planned

    async def _fill(
        self,
        campaign: Campaign,
        occasion: Occasion,
        entered_at: datetime,
        run_id: int | None,
        now: datetime,
        planned: PlannedEntries,
    ) -> None:
        """Add to the day's run those in the audience it does not have yet, and release it."""
        selection = Selection(rule=campaign.audience, entered=(campaign.name, entered_at))

        async def begin() -> int:
            return (await self._book.open(await self._new_run(campaign, occasion, now), now)).id

        filled = await self._filling.fill(campaign, occasion.key, selection, entered_at, now, run_id, begin)
        planned.added += filled.added
        planned.missed += filled.missed
        if filled.run_id is not None:  # also one that an earlier pass left half planned
            missed = entered_at <= campaign.catch_up.before(now)
            await self._book.release(filled.run_id, now, missed=missed)
        if filled.grew:
            planned.runs.append(occasion.key)

    async def _new_run(self, campaign: Campaign, occasion: Occasion, now: datetime) -> NewRun:
        return NewRun(
            campaign=campaign.name,
            occurrence=occasion.key,
            version_id=await self._version(campaign, now),
            purpose=campaign.purpose,
            topic=campaign.topic,
            priority=campaign.priority,
            due_at=occasion.groups[0].due,
            closes_at=occasion.closes_at,
        )
