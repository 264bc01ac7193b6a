"""Whom an outage would be told of, and why others would not: the planner's decision, with nothing written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from mailer.core.area import Area
from mailer.core.audience import Selection
from mailer.core.incident import Incident, IncidentState, Update
from mailer.core.notice import Person, Step, steps
from mailer.core.pace import Hours
from mailer.core.segment import Rule
from mailer.core.segment_recast import among_affected
from mailer.errors import UsageError
from mailer.flow.recheck import asks
from mailer.flow.tell_ports import PeoplePort, RecipientStore, Versions

#: Why somebody affected is not told who is not in the audience of the campaign that would.
AUDIENCE = "audience"

_NOBODYS = 0  # the number of no incident: nobody was told anything of it


class Foresight:
    """Decides for whoever an area covers, and for whom a campaign is at all. `hours` are the tenant's."""

    def __init__(
        self, recipients: RecipientStore, versions: Versions, people: PeoplePort, hours: Hours
    ) -> None:
        self._recipients = recipients
        self._versions = versions
        self._people = people
        self._hours = hours

    async def addressed(self, campaign: str, people: Sequence[Person], now: datetime) -> Sequence[Person]:
        """Without those who would join and are not in the campaign's audience. Whoever was told goes on to hear."""
        rule = self._rule(campaign)
        joiners = tuple(each.customer_key for each in people if each.affected and not each.standing.known)
        if not joiners or not asks(rule):
            return people
        found = await self._people.chunk(Selection(rule, keys=joiners), now, 0, len(joiners))
        others = set(joiners).difference(each.key for each in found)
        return [each for each in people if each.customer_key not in others]

    async def left_out(self, area: Area, now: datetime) -> dict[str, str] | None:
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
            yield everybody, steps(imagined, await self.addressed(campaign, everybody, now), self._hours)

    def _rule(self, campaign: str) -> Rule:
        return among_affected(self._versions.campaign(campaign).audience, self._versions.segments)
