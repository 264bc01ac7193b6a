"""Incidents at the desk: open, update, resolve, cancel, and see how far the notices got."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from mailer.core.area import Area, Foreseen, Reach
from mailer.core.incident import OPENING, Incident, IncidentState, Update
from mailer.core.incident_change import Change, check, check_schedule, next_update
from mailer.core.incident_texts import Texts, merged
from mailer.core.pace import Hours
from mailer.errors import UsageError
from mailer.flow.foresight import Foresight
from mailer.flow.tell import Planned, Teller
from mailer.flow.tell_ports import PeoplePort, PublicIncidents, RecipientStore, Versions

SAMPLES = 20


class IncidentStore(PublicIncidents, Protocol):
    """Where incidents are kept."""

    async def create(self, first: Update, *, planned: bool, published: bool) -> int:
        """Write an incident with its first update."""

    async def append(self, incident_id: int, new: Update) -> None:
        """Write the next update, unless somebody else did."""

    async def publish(self, incident_id: int, now: datetime) -> None:
        """A draft becomes public."""

    def list(self, now: datetime) -> AsyncIterator[dict[str, Any]]:
        """Every incident in short."""

    def unreachable(self, incident_id: int) -> AsyncIterator[dict[str, Any]]:
        """Who is affected and cannot be reached by mail."""

    async def outcome(self, incident_id: int) -> dict[str, Any]:
        """How far the notices got."""

    async def anybody(self, area: Area) -> bool:
        """Whether an area covers somebody."""

    async def reach(self, area: Area, samples: int) -> Reach:
        """Whom an area covers."""

    async def unknown_lists(self, names: Sequence[str]) -> Sequence[str]:
        """Names that no list has."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person says of a new incident."""

    title: str
    area: Area
    state: IncidentState | None = None  # default investigating; planned work: scheduled
    message: str = ""
    eta: datetime | None = None
    next_update: datetime | None = None
    starts_at: datetime | None = None  # planned work
    ends_at: datetime | None = None
    lead: str | None = None  # so long before its start it is announced; default 48h
    urgent: bool = False  # it concerns people's safety: it does not wait for the day
    titles: Texts = ()  # in other languages
    messages: Texts = ()


class Notifier:
    """The use case. `domain` is the one of Message-IDs, `hours` are the tenant's."""

    def __init__(
        self,
        incidents: IncidentStore,
        recipients: RecipientStore,
        versions: Versions,
        people: PeoplePort,
        domain: str,
        hours: Hours,
    ) -> None:
        self._incidents = incidents
        self._foresight = Foresight(recipients, versions, people, hours)
        self._teller = Teller(incidents, recipients, versions, self._foresight, domain, hours)

    async def preview(self, area: Area, now: datetime) -> Foreseen:
        """Whom an area would cover, and who of them would be told.

        Raises:
            UsageError: an area that cannot be read, or a list nobody loaded.
        """
        reach = await self.reach(area)
        foreseen = await self._foresight.left_out(area.checked(), now)
        left_out = foreseen or {}
        return Foreseen(
            reach=reach,
            told=0 if foreseen is None else reach.count - len(left_out),
            left_out=dict(Counter(left_out.values()).most_common()),
            examples=tuple(list(left_out.items())[:SAMPLES]),
        )

    async def reach(self, area: Area) -> Reach:
        """Whom an area covers.

        Raises:
            UsageError: see `preview`.
        """
        area = area.checked()
        await self._known(area)
        return await self._incidents.reach(area, SAMPLES)

    async def open(self, new: Draft, *, now: datetime, by: str, publish: bool = True) -> int:
        """Open an incident and publish it at once, or keep it as a draft; returns its number.

        Raises:
            UsageError: nobody is affected, an area that cannot be read, a state it cannot begin in, no title.
            CampaignFault: a campaign that would carry the notice cannot be used.
        """
        planned = new.starts_at is not None
        if not planned and (new.ends_at or new.lead):
            raise UsageError("Say when the work begins: give --starts; an outage has no schedule")
        state = new.state or (IncidentState.SCHEDULED if planned else IncidentState.INVESTIGATING)
        if state not in OPENING or (state is IncidentState.SCHEDULED) is not planned:
            raise UsageError(f"{'Planned work' if planned else 'An incident'} cannot begin as {state}")
        first = Update(
            number=1,
            state=state,
            title=new.title.strip(),
            area=new.area.checked(),
            at=now,
            by=by,
            message=new.message,
            eta=new.eta,
            next_update=new.next_update,
            starts_at=new.starts_at,
            ends_at=new.ends_at,
            lead=new.lead,
            urgent=new.urgent,
            titles=merged((), new.title, new.titles),
            messages=merged((), new.message, new.messages),
        )
        check(first, new.eta, new.next_update)
        check_schedule(first, new.starts_at, new.ends_at)
        await self._somebody(first.area)
        if publish:
            await self._teller.ready()
            await self._foresight.somebody(first.area, now)
        number = await self._incidents.create(first, planned=planned, published=publish)
        await self._teller.tell(number, now)
        return number

    async def publish(self, incident_id: int, *, now: datetime) -> Area:
        """Publish a draft; returns the area it is about.

        Raises:
            UsageError: no such draft, or nobody is affected by now.
        """
        found = await self._get(incident_id)
        if found.published_at is not None:
            raise UsageError(f"Incident {incident_id} is published already")
        if found.current.closes:
            raise UsageError(f"Incident {incident_id} is {found.current.state}; open a new one")
        check_schedule(replace(found.current, at=now), found.current.starts_at, found.current.ends_at)
        await self._somebody(found.current.area)
        await self._teller.ready()
        await self._foresight.somebody(found.current.area, now)
        await self._incidents.publish(incident_id, now)
        await self._teller.tell(incident_id, now)
        return found.current.area

    async def update(self, incident_id: int, change: Change, *, now: datetime, by: str) -> int:
        """Publish the next update; returns its number. A draft's stays unpublished.

        Raises:
            UsageError: see `core.incident_change.next_update`.
        """
        found = await self._get(incident_id)
        new = next_update(found, change, now, by)
        await self._known(new.area)
        if found.published_at is not None:
            await self._teller.ready()
        await self._incidents.append(incident_id, new)
        await self._teller.tell(incident_id, now)
        return new.number

    async def is_draft(self, incident_id: int) -> bool:
        """Whether an incident was never published.

        Raises:
            UsageError: there is no such incident.
        """
        return (await self._get(incident_id)).published_at is None

    async def resolve(
        self, incident_id: int, message: str | None = None, messages: Texts = (), *, now: datetime, by: str
    ) -> int:
        """It works again: those who were told hear so, and nobody else hears of it any more."""
        found = await self._get(incident_id)
        state = IncidentState.COMPLETED if found.planned else IncidentState.RESOLVED
        change = Change(state=state, message=message, messages=messages)
        return await self.update(incident_id, change, now=now, by=by)

    async def cancel(
        self, incident_id: int, message: str | None = None, messages: Texts = (), *, now: datetime, by: str
    ) -> int:
        """It was a mistake, or will not be done: those who were told hear so. A draft just ends."""
        change = Change(state=IncidentState.CANCELLED, message=message, messages=messages)
        return await self.update(incident_id, change, now=now, by=by)

    def list(self, now: datetime) -> AsyncIterator[dict[str, Any]]:
        """Every incident in short, oldest first; see the contract."""
        return self._incidents.list(now)

    async def unreachable(self, incident_id: int) -> AsyncIterator[dict[str, Any]]:
        """Who is affected by an incident and cannot be reached by mail, with the points that are affected.

        Raises:
            UsageError: there is no such incident.
        """
        await self._get(incident_id)
        async for row in self._incidents.unreachable(incident_id):
            yield row

    async def show(self, incident_id: int, now: datetime) -> dict[str, Any]:
        """One incident: its updates, how far its notices got, and who cannot be reached by mail."""
        found = await self._get(incident_id)
        outcome = await self._incidents.outcome(incident_id)
        current = found.current
        return {
            "id": found.id,
            "reference": found.reference,
            "title": current.title,
            "state": current.state.value,
            "planned": found.planned,
            "opened_at": found.opened_at,
            "published_at": found.published_at,
            "starts_at": current.starts_at,
            "ends_at": current.ends_at,
            "lead": current.lead,
            "update": current.number,
            "next_update": current.next_update,
            "overdue": found.overdue(now),
            "area": _area(current.area),
            "updates": [_update(each) for each in found.updates],
            **outcome,
        }

    async def plan_open(self, now: datetime) -> Planned:
        """Tell whoever joined since; see `Teller.plan_open`."""
        return await self._teller.plan_open(now)

    async def upcoming(self, start: datetime, end: datetime) -> Sequence[datetime]:
        """The instants in [start, end) at which planned work that stands now does something."""
        return sorted(at for at in await self._teller.milestones(start) if start <= at < end)

    async def _get(self, incident_id: int) -> Incident:
        found = await self._incidents.get(incident_id)
        if found is None:
            raise UsageError(f"There is no incident {incident_id}; see mailer incidents list")
        return found

    async def _known(self, area: Area) -> None:
        unknown = await self._incidents.unknown_lists((*area.lists, *area.exclusions))
        if unknown:
            raise UsageError(f"There is no list {', '.join(unknown)}; load it with mailer lists load")

    async def _somebody(self, area: Area) -> None:
        await self._known(area)
        if not await self._incidents.anybody(area):
            raise UsageError("Nobody is affected, so nobody would be told; check the services, area and list")


def _area(area: Area) -> dict[str, Any]:
    """An area as people read it: polygons are counted."""
    return {**area.as_json(), "polygons": len(area.polygons)}


def _update(of: Update) -> dict[str, Any]:
    return {
        "number": of.number,
        "state": of.state.value,
        "title": of.title,
        "message": of.message,
        "titles": dict(of.titles),
        "messages": dict(of.messages),
        "eta": of.eta,
        "next_update": of.next_update,
        "starts_at": of.starts_at,
        "ends_at": of.ends_at,
        "urgent": of.urgent,
        "area": _area(of.area),
        "at": of.at,
        "by": of.by,
    }
