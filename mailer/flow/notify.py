"""Incidents at the desk: open, update, resolve, cancel, and see how far the notices got."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from mailer.core import incident_speed
from mailer.core.area import Area, Foreseen, Reach, unused_service
from mailer.core.incident import Incident, IncidentState, Once, Update
from mailer.core.incident_change import Change, check_schedule, next_update
from mailer.core.incident_facts import as_facts
from mailer.core.incident_opening import NewIncident, first_update, foreseen
from mailer.core.incident_speed import HandedOver
from mailer.core.incident_texts import Texts
from mailer.core.incident_why import as_row
from mailer.core.pace import Hours
from mailer.errors import Conflict, Missing, UsageError
from mailer.flow.contacts import TicketsPort, contacts
from mailer.flow.fate import Fates, HouseholdStore, PlacesPort
from mailer.flow.foresight import Foresight
from mailer.flow.tell import Planned, Teller
from mailer.flow.tell_ports import PeoplePort, PublicIncidents, Versions

SAMPLES = 20


class IncidentStore(PublicIncidents, PlacesPort, TicketsPort, Protocol):
    """Where incidents are kept."""

    async def create(self, first: Update, *, planned: bool, published: bool, once: Once | None) -> int:
        """Write an incident with its first update."""

    async def append(self, incident_id: int, new: Update, once: Once | None = None) -> None:
        """Write the next update, unless somebody else did."""

    async def publish(self, incident_id: int, number: int, now: datetime, by: str) -> None:
        """A draft becomes public, unless it was published or updated meanwhile."""

    def list(self, now: datetime, after: int, limit: int | None) -> AsyncIterator[dict[str, Any]]:
        """Incidents in short."""

    def unreachable(self, incident_id: int) -> AsyncIterator[dict[str, Any]]:
        """Who is affected and cannot be reached by mail."""

    async def outcome(self, incident_id: int) -> dict[str, Any]:
        """How far the notices got."""

    async def handed_over(self, incident_id: int) -> HandedOver:
        """When the relay accepted the first notices of its publication."""

    async def anybody(self, area: Area) -> bool:
        """Whether an area covers somebody."""

    async def reach(self, area: Area, samples: int) -> Reach:
        """Whom an area covers."""

    async def unknown_lists(self, names: Sequence[str]) -> Sequence[str]:
        """Names that no list has."""

    async def unused(self, services: Sequence[str]) -> Sequence[str]:
        """Services that no customer and no point has."""

    async def services(self) -> Collection[str]:
        """Every service that one has."""


class Notifier:
    """The use case. `domain` is the one of Message-IDs, `hours` are the tenant's."""

    def __init__(
        self,
        incidents: IncidentStore,
        recipients: HouseholdStore,
        versions: Versions,
        people: PeoplePort,
        domain: str,
        hours: Hours,
    ) -> None:
        self._incidents = incidents
        self._foresight = Foresight(recipients, versions, people, hours)
        self._teller = Teller(incidents, recipients, versions, self._foresight, domain, hours)
        self._fates = Fates(self._teller, self._foresight, recipients, versions, hours)

    async def preview(self, new: NewIncident, now: datetime) -> Foreseen:
        """Whom an incident would cover, and who of them would be told.

        Raises:
            UsageError: what `open` refuses but for a title that is missing, or a list nobody loaded.
        """
        area = foreseen(new, now).area
        reach = await self.reach(area)
        silent = await self._foresight.left_out(area, now)
        left_out = silent or {}
        return Foreseen(
            reach=reach,
            told=0 if silent is None else reach.count - len(left_out),
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

    async def open(
        self, new: NewIncident, *, now: datetime, by: str, publish: bool = True, once: Once | None = None
    ) -> int:
        """Open an incident and publish it at once, or keep it as a draft; returns its number.

        Raises:
            UsageError: nobody is affected, or see `core.incident_opening.first_update`.
            CampaignFault: a campaign that would carry the notice cannot be used.
        """
        first = first_update(new, now, by)
        await self._somebody(first.area)
        if publish:
            await self._teller.ready()
            await self._foresight.somebody(first.area, now)
        number = await self._incidents.create(first, planned=new.planned, published=publish, once=once)
        await self._teller.tell(number, now)
        return number

    async def publish(self, incident_id: int, *, now: datetime, by: str, seen: int | None = None) -> Area:
        """Publish a draft, where `seen` is given as that update has it; returns the area it is about.

        Raises:
            UsageError: no such draft, or nobody is affected by now.
        """
        found = await self.get(incident_id)
        if found.published_at is not None:
            raise Conflict(f"Incident {incident_id} is published already")
        if found.current.closes:
            raise Conflict(f"Incident {incident_id} is {found.current.state}; open a new one")
        if seen is not None and seen > found.current.number:
            raise Conflict(f"Incident {incident_id} has no update {seen}; look at it and try again")
        if seen not in (None, found.current.number):
            raise Conflict(
                f"Incident {incident_id} was updated after update {seen}; look at it and try again"
            )
        check_schedule(replace(found.current, at=now), found.current.starts_at, found.current.ends_at)
        await self._somebody(found.current.area)
        await self._teller.ready()
        await self._foresight.somebody(found.current.area, now)
        await self._incidents.publish(incident_id, found.current.number, now, by)
        await self._teller.tell(incident_id, now)
        return found.current.area

    async def update(
        self, incident_id: int, change: Change, *, now: datetime, by: str, once: Once | None = None
    ) -> int:
        """Publish the next update; returns its number. A draft's stays unpublished.

        Raises:
            UsageError: see `core.incident_change.next_update`.
        """
        found = await self.get(incident_id)
        new = next_update(found, change, now, by)
        await self._known(new.area)
        if found.published_at is not None:
            await self._teller.ready()
        await self._incidents.append(incident_id, new, once)
        await self._teller.tell(incident_id, now)
        return new.number

    async def get(self, incident_id: int) -> Incident:
        """An incident with its updates.

        Raises:
            Missing: there is none of that number.
        """
        found = await self._incidents.get(incident_id)
        if found is None:
            raise Missing(f"There is no incident {incident_id}; see mailer incidents list")
        return found

    async def is_draft(self, incident_id: int) -> bool:
        """Whether an incident was never published.

        Raises:
            UsageError: there is no such incident.
        """
        return (await self.get(incident_id)).published_at is None

    async def resolve(
        self, incident_id: int, message: str | None = None, messages: Texts = (), *, now: datetime, by: str
    ) -> int:
        """It works again: those who were told hear so, and nobody else hears of it any more."""
        state = (await self.get(incident_id)).good_end
        change = Change(state=state, message=message, messages=messages)
        return await self.update(incident_id, change, now=now, by=by)

    async def cancel(
        self, incident_id: int, message: str | None = None, messages: Texts = (), *, now: datetime, by: str
    ) -> int:
        """It was a mistake, or will not be done: those who were told hear so. A draft just ends."""
        change = Change(state=IncidentState.CANCELLED, message=message, messages=messages)
        return await self.update(incident_id, change, now=now, by=by)

    def list(self, now: datetime, after: int = 0, limit: int | None = None) -> AsyncIterator[dict[str, Any]]:
        """Every incident in short, oldest first, or some of those numbered above `after`; see the contract."""
        return self._incidents.list(now, after, limit)

    async def unreachable(self, incident_id: int) -> AsyncIterator[dict[str, Any]]:
        """Who is affected by an incident and cannot be reached by mail, with the points that are affected.

        Raises:
            UsageError: there is no such incident.
        """
        await self.get(incident_id)
        async for row in self._incidents.unreachable(incident_id):
            yield row

    async def show(self, incident_id: int, now: datetime) -> dict[str, Any]:
        """One incident: its updates, how far its notices got and how fast, who cannot be reached, and who called."""
        found = await self.get(incident_id)
        outcome = await self._incidents.outcome(incident_id)
        speed = incident_speed.as_facts(found, await self._incidents.handed_over(incident_id))
        called = await contacts(self._incidents, found, now)
        return {**as_facts(found, now), **outcome, **speed, "contacts": called}

    async def explain(self, incident_id: int, customer: str, now: datetime) -> Sequence[dict[str, Any]]:
        """Why a customer was told of an incident, or was not: a row for each campaign that tells of them.

        Raises:
            UsageError: there is no such incident, or no such customer.
        """
        found = await self.get(incident_id)
        where = await self._incidents.whereabouts(customer, found.current.area)
        if where is None:
            raise UsageError(f"There is no customer {customer!r}; see mailer customers list")
        notices = await self._incidents.notices(incident_id, where.customer_key)
        fates = await self._fates.of(found, where.customer_key, notices, now)
        return [as_row(customer, found, where, fate) for fate in fates]

    async def strangers(self, services: Sequence[str]) -> Sequence[str]:
        """A sentence for each of the services that no customer and no point has."""
        unused = await self._incidents.unused(services)
        known = await self._incidents.services() if unused else ()
        return [unused_service(name, known) for name in unused]

    async def plan_open(self, now: datetime) -> Planned:
        """Tell whoever joined since; see `Teller.plan_open`."""
        return await self._teller.plan_open(now)

    async def upcoming(self, start: datetime, end: datetime) -> Sequence[datetime]:
        """The instants in [start, end) at which planned work that stands now does something."""
        return sorted(at for at in await self._teller.milestones(start) if start <= at < end)

    async def _known(self, area: Area) -> None:
        unknown = await self._incidents.unknown_lists((*area.lists, *area.exclusions))
        if unknown:
            raise UsageError(f"There is no list {', '.join(unknown)}; load it with mailer lists load")

    async def _somebody(self, area: Area) -> None:
        await self._known(area)
        if not await self._incidents.anybody(area):
            said = await self.strangers(area.services)
            todo = " ".join(said) or "Check the services, area and list"
            raise UsageError(f"Nobody is affected, so nobody would be told. {todo}")
