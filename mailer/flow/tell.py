"""Telling every affected customer of an incident exactly what they have not been told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from mailer.core.area import Area
from mailer.core.audience import Selection
from mailer.core.campaign import Campaign
from mailer.core.incident import CLOCK, Incident, IncidentState, Update
from mailer.core.incident_change import Change, next_update
from mailer.core.notice import Person, Step, steps
from mailer.core.pace import Hours
from mailer.core.plain import instant_text
from mailer.core.planned import announcing, asks_zones, milestones, next_by_clock
from mailer.core.policy import Candidate
from mailer.core.publication import Publication, Publisher, publication
from mailer.core.segment import Rule, among_affected
from mailer.errors import MailerError, UsageError
from mailer.flow.recheck import asks

#: A first notice that was with the relay when the incident ended may turn out accepted this much later.
LATE = timedelta(hours=24)

#: Why somebody affected is not told who is not in the audience of the campaign that would.
AUDIENCE = "audience"

_NOBODYS = 0  # the number of no incident: nobody was told anything of it


class PublicIncidents(Protocol):
    """The incidents people may be told of."""

    async def get(self, incident_id: int) -> Incident | None:
        """An incident with its updates."""

    async def public(self, closed_since: datetime) -> Sequence[int]:
        """Published incidents, open or closed after that instant."""

    async def append(self, incident_id: int, new: Update) -> None:
        """Write the next update, unless somebody else did."""

    async def zones(self, area: Area) -> Collection[str | None]:
        """The time zones of those an area covers; None: the tenant's."""

    async def alarm(self, incident_id: int, number: int) -> bool:
        """Note that the promise of an update was not kept; whether nobody had noted it."""


class RecipientStore(Protocol):
    """Where it is kept who has been told what."""

    async def sweep(self, of: Incident, campaign: str, now: datetime) -> int:
        """Take back what older updates still have queued."""

    def look(
        self, of: Incident, campaign: str, *, joining: bool, unhindered: bool = True
    ) -> AsyncIterator[Sequence[Person]]:
        """Everyone there may be something to decide about, in parts; without `joining` only who was before.

        Without `unhindered` only those whose address may keep them from being told.
        """

    async def write(self, wanted: Publication, now: datetime) -> int | None:
        """Carry out a part of a publication; how many notices were queued. None: overtaken by an update."""


class Versions(Protocol):
    """The campaigns an incident starts."""

    def incident_campaigns(self) -> Sequence[str]:
        """Names of the enabled campaigns with the trigger `{incident: any}`."""

    def campaign(self, name: str) -> Campaign:
        """A campaign by its name."""

    async def version_for(self, campaign: str) -> int:
        """The version a run of a campaign is released with; raises the campaign's fault."""


class PeoplePort(Protocol):
    """Customers, as segments see them."""

    async def chunk(self, selection: Selection, now: datetime, after: int, limit: int) -> Sequence[Candidate]:
        """Those of a selection, by number above `after`."""


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
        people: PeoplePort,
        domain: str,
        hours: Hours,
    ) -> None:
        self._people = people
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
            raise UsageError(
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
        """Tell everyone concerned the current update of a published incident."""
        for name in self._versions.incident_campaigns():
            await self._tell(incident_id, name, now)

    async def foresee(self, area: Area, now: datetime) -> dict[str, str] | None:
        """Who would not be told of an outage there, by the shop's id, and why; None: no campaign tells of any.

        It is decided as if one had just been published, and nothing is written. Planned work tells the same people,
        later.
        """
        found: dict[str, str] | None = None
        for campaign in self._versions.incident_campaigns():
            left_out: dict[str, str] = {}
            # Where the audience narrows nobody, whose address is good and nobody else's is told: most are.
            narrowed = asks(self._rule(campaign))
            async for everybody, decided in self._imagined(area, campaign, now, unhindered=narrowed):
                fate: dict[str, str | None] = {each.id: AUDIENCE for each in everybody if each.affected}
                ids = {each.customer_key: each.id for each in everybody}
                for step in decided:
                    fate |= {ids[notice.customer_key]: notice.skip for notice in step.notices}
                left_out |= {id_: why for id_, why in fate.items() if why is not None}
            found = left_out if found is None else {id_: why for id_, why in found.items() if id_ in left_out}
        return found

    async def somebody(self, area: Area, now: datetime) -> None:
        """Ask whether the audience of a campaign has anybody of those an area covers, where it narrows them.

        Raises:
            UsageError: none has.
        """
        for campaign in self._versions.incident_campaigns():
            if not asks(self._rule(campaign)):
                return
            async for _everybody, decided in self._imagined(area, campaign, now, unhindered=True):
                if any(step.notices for step in decided):
                    return
        raise UsageError(
            "Nobody affected is in the audience of the campaign that would tell them, so nobody would be told"
        )

    async def _imagined(
        self, area: Area, campaign: str, now: datetime, *, unhindered: bool
    ) -> AsyncIterator[tuple[Sequence[Person], list[Step]]]:
        """What would be decided, part by part, of an outage that had just been published there."""
        first = Update(1, IncidentState.INVESTIGATING, "", area, now, "")
        imagined = Incident(_NOBODYS, planned=False, opened_at=now, updates=(first,), published_at=now)
        looked_at = self._recipients.look(imagined, campaign, joining=True, unhindered=unhindered)
        async for everybody in looked_at:
            yield everybody, steps(imagined, await self._addressed(campaign, everybody, now), self._hours)

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
            state = next_by_clock(incident, await self._zones(incident, now), now)
            if state is None:
                return incident
            try:
                await self._incidents.append(number, next_update(incident, Change(state=state), now, CLOCK))
            except UsageError:  # somebody wrote an update this moment; the next pass sees what stands
                return None

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
        joining = announcing(incident, await self._zones(incident, now), now)
        queued = 0
        publisher = None
        async for everybody in self._recipients.look(incident, campaign, joining=joining):
            people = await self._addressed(campaign, everybody, now)
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

    async def _addressed(self, campaign: str, people: Sequence[Person], now: datetime) -> Sequence[Person]:
        """Without those who would join and are not in the campaign's audience. Whoever was told goes on to hear."""
        rule = self._rule(campaign)
        joiners = tuple(each.customer_key for each in people if each.affected and not each.standing.known)
        if not joiners or not asks(rule):
            return people
        found = await self._people.chunk(Selection(rule, keys=joiners), now, 0, len(joiners))
        others = set(joiners).difference(each.key for each in found)
        return [each for each in people if each.customer_key not in others]

    def _rule(self, campaign: str) -> Rule:
        return among_affected(self._versions.campaign(campaign).audience)

    async def _zones(self, incident: Incident, now: datetime) -> list[ZoneInfo]:
        """The zones of the affected, where a decision at `now` may hang on them."""
        if not asks_zones(incident, now):
            return []
        return [self._hours.of(name) for name in await self._incidents.zones(incident.current.area)]

    async def _publisher(self, name: str) -> Publisher:
        alone = len(self._versions.incident_campaigns()) == 1
        campaign = self._versions.campaign(name)
        version = await self._versions.version_for(name)
        return Publisher(name, version, self._domain, alone, campaign.ttl, campaign.ends_at)
