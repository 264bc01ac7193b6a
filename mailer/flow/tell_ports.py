"""What telling people of incidents needs of the world."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Protocol

from mailer.core.area import Area
from mailer.core.audience import Selection
from mailer.core.campaign import Campaign
from mailer.core.incident import Incident, Update
from mailer.core.notice import Person
from mailer.core.policy import Candidate
from mailer.core.publication import Publication
from mailer.core.segment import Rule


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

    async def release(self, incident_id: int, now: datetime) -> int:
        """What is held for those whom an incident affected is due at once."""

    async def write(self, wanted: Publication, now: datetime) -> int | None:
        """Carry out a part of a publication; how many notices were queued. None: overtaken by an update."""


class Versions(Protocol):
    """The campaigns an incident starts, and the segments their audiences may name."""

    segments: dict[str, Rule]

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
