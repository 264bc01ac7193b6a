"""Campaigns that a person starts, and what was started so and cut short before it was whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from mailer.core.agenda import Group, Occasion, by_hand
from mailer.core.calendar import LeapDay, local_date
from mailer.core.campaign import Campaign
from mailer.core.run import HalfPlanned
from mailer.core.trigger import EventTrigger, IncidentTrigger
from mailer.errors import Conflict
from mailer.flow.issue import Prospects
from mailer.flow.plan_occasion import Occasions, PlanReport
from mailer.flow.plan_ports import People, RunBook
from mailer.flow.score import Scoring

MOST_BY_HAND = 1_000  # runs of one campaign started by hand on one day


class ByHand:
    """Starts campaigns now."""

    def __init__(
        self,
        *,
        book: RunBook,
        people: People,
        occasions: Occasions,
        prospects: Prospects,
        scoring: Scoring,
        zone: ZoneInfo,
        leap_day: LeapDay,
    ) -> None:
        self._book = book
        self._people = people
        self._occasions = occasions
        self._prospects = prospects
        self._scoring = scoring
        self._zone = zone
        self._leap_day = leap_day

    async def start(self, campaign: Campaign, now: datetime) -> tuple[str, int]:
        """Start a campaign now; its occurrence, and how many deliveries it has.

        Where an earlier start was cut short, and is not too long ago, that one is finished instead: whoever says it
        again does not mean a second mail.

        Raises:
            Conflict: it is switched off.
            UsageError: it answers events or incidents.
            TemplateFault: its template cannot be used.
        """
        if not campaign.enabled:
            raise Conflict(
                f"{campaign.name} is switched off and never goes out; take enabled: false out of its file first."
            )
        self._prospects.begin(now)
        for half in await self.cut_short([campaign]):
            report = PlanReport()
            await self.finish(campaign, [half], now, report)
            if half.due_at > campaign.catch_up.before(now):
                return half.occurrence, half.written + report.added
        day = local_date(now, self._zone)
        keys = [day.isoformat(), *(f"{day}.{number}" for number in range(2, MOST_BY_HAND))]
        taken = await self._book.ids(campaign.name, keys)
        key = next(key for key in keys if key not in taken)
        report = PlanReport()
        await self._plan(campaign, key, now, now, report)
        return key, report.added

    async def cut_short(self, campaigns: Iterable[Campaign]) -> Sequence[HalfPlanned]:
        """Runs of these campaigns that were started by hand and never became whole."""
        # One that answers events since has nobody to be finished for.
        names = [
            each.name for each in campaigns if not isinstance(each.trigger, EventTrigger | IncidentTrigger)
        ]
        return await self._book.half_planned(names)

    async def finish(
        self, campaign: Campaign, halves: Iterable[HalfPlanned], now: datetime, report: PlanReport
    ) -> None:
        """Add to those of the campaign whoever is missing, as of when each was started, and release them."""
        for half in halves:
            if half.campaign == campaign.name:
                await self._plan(campaign, half.occurrence, half.due_at, now, report)

    async def _plan(
        self, campaign: Campaign, key: str, due: datetime, now: datetime, report: PlanReport
    ) -> None:
        chosen = by_hand(
            campaign, await self._people.zones(), now=due, tenant=self._zone, leap_day=self._leap_day
        )
        await self._scoring.see_to([chosen.rule], now)
        group = Group(due, chosen.zones, chosen.days)
        occasion = Occasion(key, local_date(due, self._zone), (group,), due)
        await self._occasions.plan(campaign, occasion, now, None, report, chosen=chosen.rule)
