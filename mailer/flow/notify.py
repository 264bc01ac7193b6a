"""Incidents: publish what is known, and tell every affected customer exactly what they have not been told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from mailer.core.incident import OPENING, Area, Incident, IncidentState, Reach, Update
from mailer.core.incident_change import Change, check, next_update
from mailer.core.notice import Person, notices
from mailer.core.publication import Publication, Publisher, publication
from mailer.errors import MailerError, UsageError

#: A first notice that was with the relay when the incident ended may turn out accepted this much later.
LATE = timedelta(hours=24)

SAMPLES = 20


class IncidentStore(Protocol):
    """Where incidents are kept."""

    async def create(self, first: Update, *, planned: bool, lead: str | None, published: bool) -> int:
        """Write an incident with its first update."""

    async def append(self, incident_id: int, new: Update) -> None:
        """Write the next update, unless somebody else did."""

    async def publish(self, incident_id: int, now: datetime) -> None:
        """A draft becomes public."""

    async def get(self, incident_id: int) -> Incident | None:
        """An incident with its updates."""

    async def public(self, closed_since: datetime) -> Sequence[int]:
        """Published incidents, open or closed after that instant."""

    def list(self) -> AsyncIterator[dict[str, Any]]:
        """Every incident in short."""

    async def outcome(self, incident_id: int) -> dict[str, Any]:
        """How far the notices got."""

    async def reach(self, area: Area, samples: int) -> Reach:
        """Whom an area covers."""

    async def unknown_lists(self, names: Sequence[str]) -> Sequence[str]:
        """Names that no list has."""


class RecipientStore(Protocol):
    """Where it is kept who has been told what."""

    async def people(self, of: Incident, campaign: str) -> Sequence[Person]:
        """Everyone an incident covers, or was about before."""

    async def write(self, wanted: Publication, now: datetime) -> int:
        """Carry out a publication; how many notices were queued."""

    async def release(self, incident_id: int, campaign: str) -> None:
        """Let senders see runs whose writing was cut off."""


class Versions(Protocol):
    """The campaigns an incident starts."""

    def incident_campaigns(self) -> Sequence[str]:
        """Names of the enabled campaigns with the trigger `{incident: any}`."""

    async def version_for(self, campaign: str) -> int:
        """The version a run of a campaign is released with; raises the campaign's fault."""


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
    lead: str | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """What a planning pass did."""

    notices: int = 0  # queued now
    faults: tuple[MailerError, ...] = field(
        default=()
    )  # what kept a campaign or an incident from being planned


class Notifier:
    """The use case. `domain` is the one of Message-IDs."""

    def __init__(
        self, incidents: IncidentStore, recipients: RecipientStore, versions: Versions, domain: str
    ) -> None:
        self._incidents = incidents
        self._recipients = recipients
        self._versions = versions
        self._domain = domain

    async def preview(self, area: Area) -> Reach:
        """Whom an area would cover.

        Raises:
            UsageError: a list nobody loaded.
        """
        await self._known(area)
        return await self._incidents.reach(area, SAMPLES)

    async def open(self, new: Draft, *, now: datetime, by: str, publish: bool = True) -> int:
        """Open an incident and publish it at once, or keep it as a draft; returns its number.

        Raises:
            UsageError: nobody is affected, a list nobody loaded, a state it cannot begin in, no title.
            CampaignFault: a campaign that would carry the notice cannot be used.
        """
        planned = new.starts_at is not None
        state = new.state or (IncidentState.SCHEDULED if planned else IncidentState.INVESTIGATING)
        if state not in OPENING or (state is IncidentState.SCHEDULED) is not planned:
            raise UsageError(f"{'planned work' if planned else 'an incident'} cannot begin as {state}")
        first = Update(
            number=1,
            state=state,
            title=new.title.strip(),
            area=new.area,
            at=now,
            by=by,
            message=new.message,
            eta=new.eta,
            next_update=new.next_update,
            starts_at=new.starts_at,
            ends_at=new.ends_at,
        )
        check(first, new.eta, new.next_update)
        await self._somebody(new.area)
        publishers = await self._ready(planned=planned) if publish else []
        number = await self._incidents.create(first, planned=planned, lead=new.lead, published=publish)
        await self._tell(number, publishers, now)
        return number

    async def publish(self, incident_id: int, *, now: datetime) -> None:
        """Publish a draft.

        Raises:
            UsageError: no such draft, or nobody is affected by now.
        """
        found = await self._get(incident_id)
        if found.published_at is not None:
            raise UsageError(f"incident {incident_id} is published already")
        if found.current.closes:
            raise UsageError(f"incident {incident_id} is {found.current.state}; open a new one")
        await self._somebody(found.current.area)
        publishers = await self._ready(planned=found.planned)
        await self._incidents.publish(incident_id, now)
        await self._tell(incident_id, publishers, now)

    async def update(self, incident_id: int, change: Change, *, now: datetime, by: str) -> int:
        """Publish the next update; returns its number. A draft's stays unpublished.

        Raises:
            UsageError: see `core.incident_change.next_update`.
        """
        found = await self._get(incident_id)
        new = next_update(found, change, now, by)
        await self._known(new.area)
        public = found.published_at is not None
        publishers = await self._ready(planned=found.planned) if public else []
        await self._incidents.append(incident_id, new)
        await self._tell(incident_id, publishers, now)
        return new.number

    async def resolve(self, incident_id: int, message: str | None = None, *, now: datetime, by: str) -> int:
        """It works again: those who were told hear so, and nobody else hears of it any more."""
        found = await self._get(incident_id)
        state = IncidentState.COMPLETED if found.planned else IncidentState.RESOLVED
        return await self.update(incident_id, Change(state=state, message=message), now=now, by=by)

    async def cancel(self, incident_id: int, message: str | None = None, *, now: datetime, by: str) -> int:
        """It was a mistake, or will not be done: those who were told hear so. A draft just ends."""
        change = Change(state=IncidentState.CANCELLED, message=message)
        return await self.update(incident_id, change, now=now, by=by)

    def list(self) -> AsyncIterator[dict[str, Any]]:
        """Every incident in short, oldest first; see the contract."""
        return self._incidents.list()

    async def show(self, incident_id: int) -> dict[str, Any]:
        """One incident: its updates, how far its notices got, and who cannot be reached by mail."""
        found = await self._get(incident_id)
        outcome = await self._incidents.outcome(incident_id)
        now = found.current
        return {
            "id": found.id,
            "reference": found.reference,
            "title": now.title,
            "state": now.state.value,
            "planned": found.planned,
            "opened_at": found.opened_at,
            "published_at": found.published_at,
            "update": now.number,
            "area": now.area.as_json(),
            "updates": [
                {
                    "number": each.number,
                    "state": each.state.value,
                    "title": each.title,
                    "message": each.message,
                    "eta": each.eta,
                    "next_update": each.next_update,
                    "area": each.area.as_json(),
                    "at": each.at,
                    "by": each.by,
                }
                for each in found.updates
            ],
            **outcome,
        }

    async def plan_open(self, now: datetime) -> Planned:
        """Tell whoever joined since, and whoever a notice was on its way to; for every incident in public.

        A fault of one campaign or incident stops no other.
        """
        queued = 0
        faults: list[MailerError] = []
        numbers = await self._incidents.public(now - LATE)
        publishers: list[Publisher] = []
        names = self._versions.incident_campaigns() if numbers else ()
        for name in names:
            try:
                publishers.append(await self._publisher(name, alone=len(names) == 1))
            except MailerError as fault:
                faults.append(fault)
        for number in numbers:
            try:
                queued += await self._tell(number, publishers, now)
            except MailerError as fault:
                faults.append(fault)
        return Planned(queued, tuple(faults))

    async def _tell(self, incident_id: int, publishers: Sequence[Publisher], now: datetime) -> int:
        """Decide for everyone concerned and write it down."""
        queued = 0
        for publisher in publishers:
            incident = await self._get(incident_id)
            people = {
                person.customer_key: person
                for person in await self._recipients.people(incident, publisher.campaign)
            }
            decided = notices(incident, people.values())
            if decided.notices or decided.cancel or decided.states:
                wanted = publication(incident, decided, people, publisher, now)
                queued += await self._recipients.write(wanted, now)
            await self._recipients.release(incident_id, publisher.campaign)
        return queued

    async def _ready(self, *, planned: bool) -> Sequence[Publisher]:
        """The campaigns that carry the notice; asked before anything is written, so that a fault stops it."""
        if planned:
            raise UsageError("planned work is not announced by this version yet; keep it as a --draft")
        names = self._versions.incident_campaigns()
        if not names:
            raise UsageError(
                "no campaign tells customers of incidents; enable one with trigger: {incident: any}"
            )
        return [await self._publisher(name, alone=len(names) == 1) for name in names]

    async def _publisher(self, name: str, *, alone: bool) -> Publisher:
        return Publisher(name, await self._versions.version_for(name), self._domain, alone)

    async def _get(self, incident_id: int) -> Incident:
        found = await self._incidents.get(incident_id)
        if found is None:
            raise UsageError(f"there is no incident {incident_id}; see mailer incidents list")
        return found

    async def _known(self, area: Area) -> None:
        unknown = await self._incidents.unknown_lists((*area.lists, *area.exclusions))
        if unknown:
            raise UsageError(f"there is no list {', '.join(unknown)}; load it with mailer lists load")

    async def _somebody(self, area: Area) -> None:
        await self._known(area)
        if (await self._incidents.reach(area, SAMPLES)).count == 0:
            raise UsageError("nobody is affected, so nobody would be told; check the services, area and list")
