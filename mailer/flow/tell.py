"""Telling every affected customer of an incident exactly what they have not been told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from mailer.core.incident import CLOCK, HOLDS_MARKETING, Incident
from mailer.core.incident_change import Change, next_update
from mailer.core.notice import steps
from mailer.core.pace import Hours
from mailer.core.plain import instant_text
from mailer.core.planned import announcing, asks_zones, milestones, next_by_clock
from mailer.core.publication import Publisher, publication
from mailer.errors import Conflict, MailerError, UsageError
from mailer.flow.foresight import Foresight
from mailer.flow.tell_ports import PublicIncidents, RecipientStore, Versions

#: A first notice that was with the relay when the incident ended may turn out accepted this much later.
LATE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Planned:
    """What a planning pass did."""

    notices: int = 0  # queued now
    faults: tuple[MailerError, ...] = field(
        default=()
    )  # what kept a campaign or an incident from being planned
    alarms: tuple[str, ...] = ()  # sentences a person should see, each once


class Teller:
    """Decides and writes. `domain` is the one of Message-IDs, `hours` are the tenant's."""

    def __init__(
        self,
        incidents: PublicIncidents,
        recipients: RecipientStore,
        versions: Versions,
        foresight: Foresight,
        domain: str,
        hours: Hours,
    ) -> None:
        self._foresight = foresight
        self._incidents = incidents
        self._recipients = recipients
        self._versions = versions
        self._domain = domain
        self._hours = hours

    async def ready(self) -> None:
        """Ask whether a notice can be carried, before anything is written.

        Raises:
            UsageError: no campaign does.
            CampaignFault: a campaign that would cannot be used.
        """
        names = self._versions.incident_campaigns()
        if not names:
            raise Conflict(
                "No campaign tells customers of incidents; enable one with trigger: {incident: any}"
            )
        for name in names:
            await self._versions.version_for(name)

    async def plan_open(self, now: datetime) -> Planned:
        """Take planned work where the calendar does, and tell whoever there is something to tell.

        That is whoever joined since, whoever a notice was on its way to, and for planned work whoever's time
        has come. A fault of one campaign or incident stops no other.
        """
        queued = 0
        faults: list[MailerError] = []
        alarms: list[str] = []
        for number in await self._incidents.public(now - LATE):
            try:
                incident = await self._by_clock(number, now)
                alarms += await self._broken_promise(incident, now)
            except MailerError as fault:
                faults.append(fault)
            for name in self._versions.incident_campaigns():
                try:
                    queued += await self._tell(number, name, now)
                except MailerError as fault:
                    faults.append(fault)
        return Planned(queued, tuple(faults), tuple(alarms))

    async def tell(self, incident_id: int, now: datetime) -> None:
        """Tell everyone concerned the current update of a published incident; then what it held may go."""
        for name in self._versions.incident_campaigns():
            await self._tell(incident_id, name, now)
        incident = await self._incidents.get(incident_id)
        if incident is not None and not incident.holds_marketing:
            await self._recipients.release(incident_id, now)

    async def milestones(self, now: datetime) -> set[datetime]:
        """Every instant at which planned work does something, if nobody changes its schedule."""
        found: set[datetime] = set()
        for number in await self._incidents.public(now):
            incident = await self._incidents.get(number)
            if incident is not None and incident.planned:
                found |= milestones(
                    incident, map(self._hours.of, await self._incidents.zones(incident.current.area))
                )
        return found

    async def _by_clock(self, number: int, now: datetime) -> Incident | None:
        """The incident, where the calendar takes it."""
        while True:
            incident = await self._incidents.get(number)
            if incident is None or not incident.planned:
                return incident
            state = next_by_clock(incident, await self.zones(incident, now), now)
            if state is None:
                return incident
            try:
                await self._incidents.append(number, next_update(incident, Change(state=state), now, CLOCK))
            except UsageError:  # somebody wrote an update this moment; the next pass sees what stands
                return None
            if state not in HOLDS_MARKETING:
                await self._recipients.release(number, now)

    async def _broken_promise(self, incident: Incident | None, now: datetime) -> list[str]:
        """A sentence about an update that should have come, once."""
        if incident is None or not incident.overdue(now):
            return []
        current = incident.current
        if current.next_update is None or not await self._incidents.alarm(incident.id, current.number):
            return []
        promise = instant_text(current.next_update)
        sentence = (
            f"The customers of incident {incident.id} ({current.title}) were promised news by {promise}; "
            f"write to them with mailer incidents update {incident.id}."
        )
        return [sentence]

    async def _tell(self, incident_id: int, campaign: str, now: datetime) -> int:
        """Decide for everyone concerned, part by part, and write each part down."""
        incident = await self._incidents.get(incident_id)
        if incident is None or incident.published_at is None:
            return 0
        await self._recipients.sweep(incident, campaign, now)
        joining = announcing(incident, await self.zones(incident, now), now)
        queued = 0
        publisher = None
        async for everybody in self._recipients.look(incident, campaign, joining=joining):
            people = await self._foresight.addressed(campaign, everybody, now)
            decided = steps(incident, people, self._hours, joining=joining)
            if not decided:
                continue
            publisher = publisher or await self._publisher(campaign)
            for back in sorted({step.back for step in decided}):
                wanted = publication(incident, decided, people, publisher, self._hours, now, back=back)
                added = await self._recipients.write(wanted, now)
                if added is None:  # whoever wrote the newer update tells everybody
                    return queued
                queued += added
        return queued

    async def zones(self, incident: Incident, now: datetime) -> list[ZoneInfo]:
        """The zones of the affected, where a decision at `now` may hang on them."""
        if not asks_zones(incident, now):
            return []
        return [self._hours.of(name) for name in await self._incidents.zones(incident.current.area)]

    async def _publisher(self, name: str) -> Publisher:
        alone = len(self._versions.incident_campaigns()) == 1
        campaign = self._versions.campaign(name)
        version = await self._versions.version_for(name)
        return Publisher(name, version, self._domain, alone, campaign.ttl, campaign.ends_at)
