"""What one customer is told of an incident, and why: the planner's own decision, made for them alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from mailer.core.area import Area
from mailer.core.incident import Incident
from mailer.core.incident_why import Fate, Whereabouts
from mailer.core.notice import Notice, Person, Step, steps
from mailer.core.pace import Hours, timing
from mailer.core.planned import announcing, work_of
from mailer.core.standing import First
from mailer.flow.foresight import Foresight
from mailer.flow.tell import LATE, Teller
from mailer.flow.tell_ports import RecipientStore, Versions


class PlacesPort(Protocol):
    """Where customers are."""

    async def whereabouts(self, ext_id: str, area: Area) -> Whereabouts | None:
        """A customer by the shop's id; None: there is no such customer."""

    async def notices(self, incident_id: int, customer_key: int) -> Sequence[Mapping[str, Any]]:
        """Every delivery of an incident to a customer, oldest first."""


class HouseholdStore(RecipientStore, Protocol):
    """Recipients, one by one as well."""

    async def household(self, of: Incident, campaign: str, customer_key: int) -> Sequence[Person]:
        """A customer and whoever shares their address, as far as the incident is about them."""


class Fates:
    """Decides for one customer; writes nothing. `hours` are the tenant's."""

    def __init__(
        self,
        teller: Teller,
        foresight: Foresight,
        recipients: HouseholdStore,
        versions: Versions,
        hours: Hours,
    ) -> None:
        self._teller = teller
        self._foresight = foresight
        self._recipients = recipients
        self._versions = versions
        self._hours = hours

    async def of(
        self, incident: Incident, customer_key: int, notices: Sequence[Mapping[str, Any]], now: datetime
    ) -> list[Fate]:
        """What each campaign that tells of incidents has told the customer, and would now."""
        campaigns = self._versions.incident_campaigns()
        if not campaigns:
            return [Fate(None, notices)]
        return [
            await self._fate(
                incident, name, customer_key, [each for each in notices if each["campaign"] == name], now
            )
            for name in campaigns
        ]

    async def _fate(
        self,
        incident: Incident,
        campaign: str,
        key: int,
        notices: Sequence[Mapping[str, Any]],
        now: datetime,
    ) -> Fate:
        if incident.published_at is None:
            return Fate(campaign, notices)
        joining = announcing(incident, await self._teller.zones(incident, now), now)
        everybody = await self._recipients.household(incident, campaign, key)
        people = await self._foresight.addressed(campaign, everybody, now)
        decided: list[Step] = []
        # The planner looks at nobody else: who joins planned work before its time, or comes long after the end.
        if (joining or any(each.standing.known for each in people)) and not _over(incident, now):
            decided = steps(incident, people, self._hours, joining=joining)
        wanted = [notice for step in decided for notice in step.notices]
        due = next((each for each in wanted if each.customer_key == key), None)
        person = next((each for each in everybody if each.customer_key == key), None)
        return Fate(
            campaign,
            notices,
            let_in=person is None or any(each.customer_key == key for each in people),
            joining=joining,
            due=due,
            not_before=None if person is None else self._when(incident, person, due, now),
            instead=_instead(key, people, wanted),
        )

    def _when(self, incident: Incident, person: Person, due: Notice | None, now: datetime) -> datetime | None:
        """When what is due may leave, unless that is now; or when they will be told."""
        if due is not None:
            at = timing(incident, due.kind, person.standing, person.zone, self._hours, now).not_before
            return at if at > now else None
        work = work_of(incident)
        return work.announced(self._hours.of(person.zone)) if work is not None else None


def _over(incident: Incident, now: datetime) -> bool:
    """Whether the incident ended so long ago that nobody looks any more."""
    return incident.current.closes and incident.current.at <= now - LATE


def _instead(key: int, people: Sequence[Person], wanted: Sequence[Notice]) -> str | None:
    """The other record that is written to at this address."""
    to = {each.customer_key for each in wanted if each.skip is None}
    for each in people:
        if each.customer_key != key and (
            each.customer_key in to or each.standing.first in (First.ACCEPTED, First.IN_FLIGHT)
        ):
            return each.id
    return next((each.id for each in people if each.customer_key != key and each.standing.written), None)
