"""Planning for what customers did: a run for each event, the event's id its occurrence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from mailer.core.agenda import window_start
from mailer.core.audience import Selection
from mailer.core.calendar import add_duration
from mailer.core.campaign import Campaign
from mailer.core.policy import OWN_ACTION_EVENT, Candidate
from mailer.core.run import NewDelivery, NewRun, RunState
from mailer.core.trigger import EventTrigger
from mailer.flow.plan_ports import KnownCampaign, People, RunBook, Version
from mailer.flow.plan_rows import Rows

EVENTS = 500  # event runs written at a time


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
    ) -> tuple[int, list[str]]:
        """Write down every event that has fallen due; how many deliveries, and of which events."""
        reach = trigger.after.elapsed() + timedelta(days=1)  # a calendar day may last 25 hours
        since = window_start(campaign, now, self._zone, known.planned_at) - reach
        added, planned, after = 0, list[str](), 0
        version: int | None = None
        while events := await self._people.events(trigger.event, campaign.name, since, now, after, EVENTS):
            after = events[-1]["id"]
            members = await self._members(campaign, events, now)
            wanted = []
            for event in events:
                candidate = members.get(event["customer"])
                due = add_duration(event["at"], trigger.after, self._zone)
                if candidate is None or not starts(campaign, event, due, known, now):
                    continue
                if version is None:
                    version = await self._version(campaign, now)
                row = await self._row(campaign, trigger, event, candidate, due, now)
                wanted.append((_run(campaign, event, version, due), row))
            if wanted:
                added += await self._book.add_small(wanted, now)
                planned += [new.occurrence for new, _row in wanted]
        return added, planned

    async def _members(
        self, campaign: Campaign, events: Sequence[Mapping[str, Any]], now: datetime
    ) -> dict[str, Candidate]:
        """Those among the events' customers that are in the audience."""
        ids = tuple({str(event["customer"]) for event in events})
        chunk = await self._people.chunk(Selection(rule=campaign.audience, ids=ids), now, 0, len(ids))
        return {candidate.id: candidate for candidate in chunk}

    async def _row(
        self,
        campaign: Campaign,
        trigger: EventTrigger,
        event: Mapping[str, Any],
        candidate: Candidate,
        due: datetime,
        now: datetime,
    ) -> NewDelivery:
        context: dict[str, Any] = {"event": trigger.event, "properties": event["properties"]}
        own_action_at = event["at"] if trigger.event == OWN_ACTION_EVENT else None
        if own_action_at is not None:
            context["own_action_at"] = own_action_at.astimezone(UTC).isoformat()
        reached = max(due, event["stored_at"])  # news that reached us late is news now
        row = await self._rows.of_event(
            campaign, str(event["ext_id"]), replace(candidate, context=context), reached, now, own_action_at
        )
        return replace(row, due_at=due)


def _run(campaign: Campaign, event: Mapping[str, Any], version: int, due: datetime) -> NewRun:
    return NewRun(
        campaign=campaign.name,
        occurrence=str(event["ext_id"]),
        version_id=version,
        purpose=campaign.purpose,
        priority=campaign.priority,
        due_at=due,
        closes_at=due,
        state=RunState.QUEUED,
    )


def starts(
    campaign: Campaign, event: Mapping[str, Any], due: datetime, known: KnownCampaign, now: datetime
) -> bool:
    """Whether an event is a reason to write: fallen due, young enough, and news since the campaign is here."""
    reached = max(due, event["stored_at"])
    if due > now or reached < known.first_seen_at:
        return False
    return due > campaign.catch_up.before(event["stored_at"]) and due > campaign.catch_up.before(now)
