"""Planning for what customers did: a run for each event, the event's id its occurrence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from mailer.core.agenda import event_due, window_start
from mailer.core.campaign import Campaign
from mailer.core.delivery import Skip
from mailer.core.policy import OWN_ACTION_EVENT, Candidate
from mailer.core.run import NewRun, RunState
from mailer.core.trigger import EventTrigger
from mailer.flow.plan_ports import KnownCampaign, People, RunBook, Version
from mailer.flow.plan_rows import Happening, Rows

EVENTS = 500  # event runs written at a time


@dataclass
class PlannedEvents:
    """What a pass over a campaign's events did."""

    added: int = 0
    missed: int = 0
    events: list[str] = field(default_factory=list)


class EventPlanning:
    """Plans campaigns with the trigger `{event: NAME}`."""

    def __init__(
        self, *, book: RunBook, people: People, rows: Rows, version: Version, zone: ZoneInfo
    ) -> None:
        self._book = book
        self._people = people
        self._rows = rows
        self._version = version
        self._zone = zone

    async def plan(
        self, campaign: Campaign, trigger: EventTrigger, known: KnownCampaign, now: datetime
    ) -> PlannedEvents:
        """Write down every event that has fallen due."""
        reach = trigger.after.elapsed() + timedelta(days=1)  # a calendar day may last 25 hours
        since = window_start(campaign, now, self._zone, known.planned_at) - reach
        planned, after = PlannedEvents(), 0
        version: int | None = None
        while events := await self._people.events(trigger.event, campaign.name, since, now, after, EVENTS):
            after = events[-1]["id"]
            ids = [str(event["ext_id"]) for event in events]
            members = await self._people.answering(campaign.audience, ids, now)
            found = []
            for event in events:
                candidate = members.get(event["ext_id"])
                due = event_due(event["at"], event["zone"], trigger, self._zone)
                if candidate is not None and starts(campaign, event, due, known, now):
                    found.append(_happening(trigger, event, candidate, due))
            for wave in _waves(found):
                version = version or await self._version(campaign, now)
                rows = await self._rows.of_events(campaign, wave, now)
                runs = [_run(campaign, each, version) for each in wave]
                planned.added += await self._book.add_small(list(zip(runs, rows, strict=True)), now)
                planned.missed += sum(row.reason == Skip.MISSED for row in rows)
                planned.events += [each.occurrence for each in wave]
        return planned


def starts(
    campaign: Campaign, event: Mapping[str, Any], due: datetime, known: KnownCampaign, now: datetime
) -> bool:
    """Whether an event is a reason to write: fallen due, young enough, and news since the campaign is here.

    What became too old since a pass last looked is a reason too: it is written down as missed.
    """
    reached = max(due, event["stored_at"])
    if due > now or reached < known.first_seen_at or due <= campaign.catch_up.before(event["stored_at"]):
        return False
    looked_at = known.planned_at is not None and reached <= known.planned_at
    return due > campaign.catch_up.before(now) or not looked_at


def _happening(
    trigger: EventTrigger, event: Mapping[str, Any], candidate: Candidate, due: datetime
) -> Happening:
    context: dict[str, Any] = {
        "event": trigger.event,
        "event_at": event["at"].astimezone(UTC).isoformat(),
        "properties": event["properties"],
    }
    own_action_at = event["at"] if trigger.event == OWN_ACTION_EVENT else None
    if own_action_at is not None:
        context["own_action_at"] = own_action_at.astimezone(UTC).isoformat()
    return Happening(str(event["ext_id"]), replace(candidate, context=context), due, own_action_at)


def _waves(found: Iterable[Happening]) -> list[list[Happening]]:
    """Each customer once in a wave: the second mail of two is decided knowing of the first."""
    waves: list[list[Happening]] = []
    met: dict[int, int] = {}
    for each in found:
        wave = met.get(each.candidate.key, 0)
        met[each.candidate.key] = wave + 1
        if wave == len(waves):
            waves.append([])
        waves[wave].append(each)
    return waves


def _run(campaign: Campaign, of: Happening, version: int) -> NewRun:
    return NewRun(
        campaign=campaign.name,
        occurrence=of.occurrence,
        version_id=version,
        purpose=campaign.purpose,
        topic=campaign.topic,
        priority=campaign.priority,
        due_at=of.due,
        closes_at=of.due,
        state=RunState.QUEUED,
    )
