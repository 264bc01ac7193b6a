"""Between planning and hand-off life goes on: who bought meanwhile gets no offer.

A run freezes who is in it; what its audience asks of a customer is asked once more when a sender takes the
delivery. Dates are not asked again: a birthday held over quiet hours is still the birthday it was planned for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from mailer.core.campaign import Campaign, Goal
from mailer.core.delivery import Skip
from mailer.core.handoff import SendJob
from mailer.core.message import Draft, Message
from mailer.core.policy import Candidate
from mailer.core.segment import Rule
from mailer.core.segment_recast import live
from mailer.core.trigger import EventTrigger, SegmentTrigger
from mailer.flow.making import ComposerPort


class VersionsPort(Protocol):
    """Campaigns as they were released."""

    async def parts(self, version_id: int) -> dict[str, Any]: ...


class PeoplePort(Protocol):
    """Customers as they are now."""

    async def fitting(self, rule: Rule, keys: Sequence[int], now: datetime) -> set[int]: ...
    async def answering(
        self, rule: Rule, events: Sequence[str], now: datetime
    ) -> Mapping[str, Candidate]: ...
    async def did(self, event: str, since: Mapping[int, datetime], now: datetime) -> set[int]: ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a version asks at hand-off."""

    rule: Rule
    goal: Goal | None
    by_event: bool  # an event sets it off, which is its occurrence


class Recheck:
    """Stands before the composer of a sender: looks at each chunk as it is taken up, and notes who no longer fits.

    It asks the released definition; what that says is kept for the life of the process.
    """

    def __init__(
        self,
        *,
        versions: VersionsPort,
        people: PeoplePort,
        segments: Mapping[str, Rule],
        composer: ComposerPort,
        clock: Callable[[], datetime],
    ) -> None:
        self._composer = composer
        self._clock = clock
        self._versions = versions
        self._people = people
        self._segments = segments
        self._asked: dict[int, _Asked] = {}

    async def prepare(self, jobs: Sequence[SendJob]) -> None:
        """Get ready to compose these, and see who no longer fits."""
        await self._composer.prepare(jobs)
        unfit = await self.unfit(jobs, self._clock())
        for job in jobs:
            job.unfit = unfit.get(job.delivery_id)

    async def foresee(self) -> None:
        """See `Composer.foresee`."""
        await self._composer.foresee()

    def message_id(self, job: SendJob) -> str:
        """The Message-ID of a delivery; see `Composer.message_id`."""
        return self._composer.message_id(job)

    def draft(self, job: SendJob, now: datetime) -> Draft:
        """What its template says; see `Composer.draft`."""
        return self._composer.draft(job, now)

    def put_together(self, draft: Draft) -> Message:
        """The message; see `Composer.put_together`."""
        return self._composer.put_together(draft)

    async def unfit(self, jobs: Sequence[SendJob], now: datetime) -> dict[int, Skip]:
        """The deliveries whose customer no longer fits, or has done already what the mail asks for."""
        found: dict[int, Skip] = {}
        for version_id in {job.version_id for job in jobs}:
            asked = await self._version(version_id)
            mine = [job for job in jobs if job.version_id == version_id]
            if asked.goal is not None:
                since = {job.customer_key: _since(job) for job in mine}
                reached = await self._people.did(asked.goal.event, since, now)
                found |= {job.delivery_id: Skip.GOAL_MET for job in mine if job.customer_key in reached}
            if asks(asked.rule):
                fit = await self._fit(asked, mine, now)
                found |= {job.delivery_id: Skip.NOT_ELIGIBLE for job in mine if job.delivery_id not in fit}
        return found

    async def _fit(self, asked: _Asked, jobs: Sequence[SendJob], now: datetime) -> set[int]:
        """The deliveries whose customer the rule still finds; of an event's, as of that event."""
        if asked.by_event:
            events = await self._people.answering(asked.rule, [job.occurrence for job in jobs], now)
            return {job.delivery_id for job in jobs if job.occurrence in events}
        keys = tuple({job.customer_key for job in jobs})
        found = await self._people.fitting(asked.rule, keys, now)
        return {job.delivery_id for job in jobs if job.customer_key in found}

    async def _version(self, version_id: int) -> _Asked:
        if version_id not in self._asked:
            definition = (await self._versions.parts(version_id))["definition"]
            campaign = Campaign.model_validate(definition)
            asked = [campaign.audience]
            if isinstance(campaign.trigger, SegmentTrigger):
                asked.append(Rule(segment=campaign.trigger.segment))
            rule = live(Rule(all=tuple(asked)), self._segments) if campaign.commercial else Rule()
            by_event = isinstance(campaign.trigger, EventTrigger)
            self._asked[version_id] = _Asked(rule, campaign.goal, by_event)
        return self._asked[version_id]


def asks(rule: Rule) -> bool:
    """Whether a rule asks anything at all."""
    return any(
        value is not None
        for node in rule.walk()
        for name, value in node
        if name not in {"all", "any", "not_"}
    )


def _since(job: SendJob) -> datetime:
    """From when on the goal counts: the event that set the mail off, else its planning."""
    at = job.context.get("event_at")
    return datetime.fromisoformat(at) if at else job.planned_at
