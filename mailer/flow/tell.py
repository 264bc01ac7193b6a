"""Telling every affected customer of an incident exactly what they have not been told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from mailer.core.incident import Incident
from mailer.core.notice import Person, steps
from mailer.core.publication import Publication, Publisher, publication
from mailer.errors import MailerError, UsageError

#: A first notice that was with the relay when the incident ended may turn out accepted this much later.
LATE = timedelta(hours=24)


class PublicIncidents(Protocol):
    """The incidents people may be told of."""

    async def get(self, incident_id: int) -> Incident | None:
        """An incident with its updates."""

    async def public(self, closed_since: datetime) -> Sequence[int]:
        """Published incidents, open or closed after that instant."""


class RecipientStore(Protocol):
    """Where it is kept who has been told what."""

    async def sweep(self, of: Incident, campaign: str, now: datetime) -> int:
        """Take back what older updates still have queued."""

    def look(self, of: Incident, campaign: str) -> AsyncIterator[Sequence[Person]]:
        """Everyone there may be something to decide about, in parts."""

    async def write(self, wanted: Publication, now: datetime) -> int | None:
        """Carry out a part of a publication; how many notices were queued. None: overtaken by an update."""


class Versions(Protocol):
    """The campaigns an incident starts."""

    def incident_campaigns(self) -> Sequence[str]:
        """Names of the enabled campaigns with the trigger `{incident: any}`."""

    async def version_for(self, campaign: str) -> int:
        """The version a run of a campaign is released with; raises the campaign's fault."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a planning pass did."""

    notices: int = 0  # queued now
    faults: tuple[MailerError, ...] = field(
        default=()
    )  # what kept a campaign or an incident from being planned


class Teller:
    """Decides and writes. `domain` is the one of Message-IDs."""

    def __init__(
        self, incidents: PublicIncidents, recipients: RecipientStore, versions: Versions, domain: str
    ) -> None:
        self._incidents = incidents
        self._recipients = recipients
        self._versions = versions
        self._domain = domain

    async def ready(self, *, planned: bool) -> None:
        """Ask whether a notice can be carried, before anything is written.

        Raises:
            UsageError: no campaign does, or this is planned work.
            CampaignFault: a campaign that would cannot be used.
        """
        if planned:
            raise UsageError("planned work is not announced by this version yet; keep it as a --draft")
        names = self._versions.incident_campaigns()
        if not names:
            raise UsageError(
                "no campaign tells customers of incidents; enable one with trigger: {incident: any}"
            )
        for name in names:
            await self._versions.version_for(name)

    async def plan_open(self, now: datetime) -> Planned:
        """Tell whoever joined since, and whoever a notice was on its way to; for every incident in public.

        A fault of one campaign or incident stops no other.
        """
        queued = 0
        faults: list[MailerError] = []
        for number in await self._incidents.public(now - LATE):
            for name in self._versions.incident_campaigns():
                try:
                    queued += await self._tell(number, name, now)
                except MailerError as fault:
                    faults.append(fault)
        return Planned(queued, tuple(faults))

    async def tell(self, incident_id: int, now: datetime) -> None:
        """Tell everyone concerned the current update of a published incident."""
        for name in self._versions.incident_campaigns():
            await self._tell(incident_id, name, now)

    async def _tell(self, incident_id: int, campaign: str, now: datetime) -> int:
        """Decide for everyone concerned, part by part, and write each part down."""
        incident = await self._incidents.get(incident_id)
        if incident is None or incident.published_at is None:
            return 0
        await self._recipients.sweep(incident, campaign, now)
        queued = 0
        publisher = None
        async for people in self._recipients.look(incident, campaign):
            decided = steps(incident, people)
            if not decided:
                continue
            publisher = publisher or await self._publisher(campaign)
            added = await self._recipients.write(publication(incident, decided, people, publisher, now), now)
            if added is None:  # whoever wrote the newer update tells everybody
                break
            queued += added
        return queued

    async def _publisher(self, name: str) -> Publisher:
        alone = len(self._versions.incident_campaigns()) == 1
        return Publisher(name, await self._versions.version_for(name), self._domain, alone)
