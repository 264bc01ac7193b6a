"""Scoring customers: at night, and whenever something asks for scores that are missing or of another day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from mailer.core.campaign import Campaign
from mailer.core.mentions import mentions
from mailer.core.rfm import Round, is_stale
from mailer.core.segment import Rule
from mailer.core.trigger import SegmentTrigger


class ScoresPort(Protocol):
    """Where scores are kept."""

    async def last_scored(self) -> Round | None: ...
    async def score(self, now: datetime) -> None: ...


def rules_of(campaign: Campaign, segments: Mapping[str, Rule]) -> list[Rule]:
    """The rules that decide whom a campaign reaches."""
    trigger = campaign.trigger
    watched = [segments[trigger.segment]] if isinstance(trigger, SegmentTrigger) else []
    return [campaign.audience, *watched]


def asks_scores(rules: Iterable[Rule], segments: Mapping[str, Rule]) -> bool:
    """Whether one of the rules, or a segment it names, asks how customers stand among all.

    Raises:
        SegmentFault: a segment that is named is unknown.
    """
    return any(mentions(rule, segments).scores for rule in rules)


class Scoring:
    """Keeps scores fresh for those rules that ask for them; a shop without any is never scored."""

    def __init__(self, scores: ScoresPort, segments: Mapping[str, Rule], zone: ZoneInfo) -> None:
        self._scores = scores
        self._segments = segments
        self._zone = zone

    async def see_to(self, rules: Iterable[Rule], now: datetime) -> bool:
        """Score all customers anew if one of the rules asks for scores and those there are have grown stale.

        Whether it did.

        Raises:
            SegmentFault: a segment that is named is unknown.
        """
        if not asks_scores(rules, self._segments):
            return False
        stale = is_stale(await self._scores.last_scored(), now, self._zone)
        if stale:
            await self._scores.score(now)
        return stale

    async def ready(self, rules: Iterable[Rule]) -> bool:
        """Whether there are scores, however old, if one of the rules asks for them.

        Where nobody was ever scored such a rule finds nobody, which would be taken for the truth.

        Raises:
            SegmentFault: a segment that is named is unknown.
        """
        return not asks_scores(rules, self._segments) or await self._scores.last_scored() is not None
