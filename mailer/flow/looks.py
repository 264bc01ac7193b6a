"""What goes through all customers and need not hold up planning: scores grown stale, and who entered a segment.

With a million customers either takes up to a minute. Planning goes on meanwhile with the scores there are, and with
those already known to have entered; what is found is written in short transactions and planned afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from mailer.core.campaign import Campaign
from mailer.core.segment import Rule
from mailer.core.trigger import SegmentTrigger
from mailer.errors import FileFault
from mailer.flow.plan_entries import EntryPlanning
from mailer.flow.score import Scoring, rules_of


class Looks:
    """Looks for the campaigns of one catalogue."""

    def __init__(
        self,
        campaigns: Mapping[str, Campaign],
        segments: Mapping[str, Rule],
        scoring: Scoring,
        entries: EntryPlanning,
    ) -> None:
        self._campaigns = campaigns
        self._segments = segments
        self._scoring = scoring
        self._entries = entries

    async def take(self, now: datetime, *, only: Collection[str] | None = None) -> bool:
        """Score everybody anew where a campaign asks for scores and there are none of today; note who entered.

        `only` names the campaigns to look for; none: all. Returns whether there may be something to plan now.
        """
        found = False
        for campaign in list(self._campaigns.values()):
            if not campaign.enabled or (only is not None and campaign.name not in only):
                continue
            try:
                scored = await self._scoring.see_to(rules_of(campaign, self._segments), now)
                await self._entries.look(campaign, now)
            except (FileFault, KeyError):  # a segment that is gone; planning tells of it
                continue
            found = found or scored or isinstance(campaign.trigger, SegmentTrigger)
        return found

    async def ready(self, campaign: Campaign) -> bool:
        """Whether a campaign can be planned: it asks for no scores, or there are some, though they may be stale."""
        return await self._scoring.ready(rules_of(campaign, self._segments))
