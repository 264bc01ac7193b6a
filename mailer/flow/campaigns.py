"""What a marketer asks of campaigns: what there is, what comes next, what a mail will look like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from mailer.core.agenda import by_hand, next_at
from mailer.core.audience import Selection
from mailer.core.calendar import LeapDay
from mailer.core.campaign import Campaign
from mailer.core.customer import Customer
from mailer.core.handoff import SendJob
from mailer.core.samples import reminded, sample_job
from mailer.core.segment import Rule
from mailer.errors import UsageError
from mailer.flow.score import Scoring

_AGREED = Rule(consent="commercial")


class AudiencePort(Protocol):
    """Whom a campaign reaches."""

    async def zones(self) -> frozenset[str | None]: ...
    async def count(self, selection: Selection, now: datetime) -> int: ...


class CustomersPort(Protocol):
    """Customers by the shop's id."""

    async def get(self, ext_id: str) -> Customer | None: ...


class PausePort(Protocol):
    """Whether a campaign plans and sends."""

    async def pause(self, name: str, paused: bool) -> None: ...
    async def paused(self) -> set[str]: ...


class CampaignDesk:
    """Questions about campaigns; changes nothing but whether they are paused."""

    def __init__(
        self,
        *,
        campaigns: Mapping[str, Campaign],
        sources: Callable[[], Mapping[str, str]],
        people: AudiencePort,
        customers: CustomersPort,
        pauses: PausePort,
        scoring: Scoring,
        zone: ZoneInfo,
        leap_day: LeapDay,
    ) -> None:
        self._campaigns = campaigns
        self._sources = sources
        self._people = people
        self._customers = customers
        self._pauses = pauses
        self._scoring = scoring
        self._zone = zone
        self._leap_day = leap_day

    async def list(self, now: datetime) -> list[dict[str, Any]]:
        """Each campaign, with the next instant it falls due for anybody."""
        zones = await self._people.zones()
        paused = await self._pauses.paused()
        return [
            {
                "name": campaign.name,
                "purpose": campaign.purpose,
                "enabled": campaign.enabled,
                "paused": campaign.name in paused,
                "source": self._sources()[campaign.name],
                "next_at": next_at(campaign, zones, now=now, tenant=self._zone, leap_day=self._leap_day)
                if campaign.enabled and campaign.name not in paused
                else None,
                "description": campaign.description,
            }
            for campaign in sorted(self._campaigns.values(), key=lambda each: each.name)
        ]

    async def audience(self, campaign: Campaign, now: datetime) -> int:
        """How many customers the audience has now, before consent and the other rules."""
        await self._scoring.see_to([campaign.audience], now)
        return await self._people.count(Selection(rule=campaign.audience), now)

    async def by_hand(
        self, campaign: Campaign, now: datetime, *, agreed: bool = False, affected: bool = False
    ) -> int:
        """How many customers it would reach when started by hand, before caps and the other rules.

        With `agreed`, only those whose consent to commercial mail stands; without, before that, too. With `affected`,
        only those whom an incident that holds marketing affects.

        Raises:
            UsageError: it cannot be started by hand.
        """
        zones = await self._people.zones()
        chosen = by_hand(campaign, zones, now=now, tenant=self._zone, leap_day=self._leap_day)
        await self._scoring.see_to([chosen.rule], now)
        if agreed:
            chosen = replace(chosen, rule=Rule(all=(chosen.rule, _AGREED)))
        return await self._people.count(replace(chosen, affected=affected), now)

    async def job(self, campaign: Campaign, customer_id: str | None, now: datetime) -> SendJob:
        """A delivery for a preview: a customer of the database, or a made-up one.

        Raises:
            UsageError: there is no such customer.
        """
        customer = Customer(id="preview", email="preview@example.org", first_name="Ayşe", last_name="Yılmaz")
        if customer_id is not None:
            found = await self._customers.get(customer_id)
            if found is None:
                raise UsageError(f"There is no customer {customer_id!r}; see mailer customers list.")
            customer = found
        return sample_job(campaign, customer, day=now, of=reminded(campaign, self._campaigns))

    async def test_job(
        self, campaign: Campaign, address: str, staff: tuple[str, ...], now: datetime
    ) -> SendJob:
        """A delivery for a test mail; its code is no code.

        Raises:
            UsageError: the address is not one of the staff.
        """
        if address.strip().lower() not in {each.strip().lower() for each in staff}:
            raise UsageError(f"{address} is not among the settings' staff; a test goes to nobody else.")
        return replace(await self.job(campaign, None, now), email=address.strip())

    async def pause(self, name: str, *, paused: bool) -> None:
        """Pause a campaign, or let it go on."""
        await self._pauses.pause(name, paused)
