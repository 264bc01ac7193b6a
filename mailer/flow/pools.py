"""Uploaded codes: taking them in, and saying in good time that they will not do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from mailer.core.agenda import agenda, by_hand, next_at
from mailer.core.audience import Selection
from mailer.core.calendar import LeapDay
from mailer.core.campaign import Campaign
from mailer.core.coupon import PoolCoupon, ReminderCoupon, pool_name
from mailer.core.importing import ImportReport, RowFault
from mailer.core.merge import Fate, Noted
from mailer.core.pool import PoolCode, Stock, read_code
from mailer.core.segment import Rule
from mailer.errors import UsageError
from mailer.flow.lots import Leases, Progress, Rows, lots, open_import, settle

#: Who takes a code at most: a coupon travels in commercial mail only.
_AGREED = Rule(consent="commercial")

#: How often the next runs are looked at while nothing is taken.
LOOK = timedelta(hours=1)

_ALL_ZONES = timedelta(hours=27)  # from the first place on earth where a day begins to the last, and a margin


class PoolStore(Protocol):
    """Where codes are kept."""

    async def add(
        self, pool: str, rows: Sequence[PoolCode], now: datetime
    ) -> Sequence[Fate | Noted | RowFault]: ...


class StockPort(Protocol):
    """How many codes there are."""

    async def all(self) -> Sequence[Stock]: ...
    async def used(self, campaign: str) -> int: ...


class PeoplePort(Protocol):
    """Whom a campaign reaches."""

    async def zones(self) -> frozenset[str | None]: ...
    async def count(self, selection: Selection, now: datetime) -> int: ...


class PoolLoad:
    """Codes from a file into a pool. Loading the same file again changes nothing."""

    def __init__(self, store: PoolStore, leases: Leases) -> None:
        self._store = store
        self._leases = leases

    async def run(
        self, pool: str, rows: Rows, *, now: datetime, progress: Progress | None = None
    ) -> ImportReport:
        """Add every code that is new; the others are named with their line.

        Raises:
            UsageError: no name for a pool, or another import is running.
        """
        pool_name(pool)
        report = ImportReport()
        async with open_import(self._leases) as keep:
            async for lot in lots(rows, read_code, report, progress):
                await keep()
                settle(report, await self._store.add(pool, lot, now))
        return report


class Stockroom:
    """Compares what pools and budgets have left with what is about to be taken."""

    def __init__(
        self,
        *,
        campaigns: Mapping[str, Campaign],
        stock: StockPort,
        people: PeoplePort,
        zone: ZoneInfo,
        leap_day: LeapDay,
    ) -> None:
        self._campaigns = campaigns
        self._stock = stock
        self._people = people
        self._zone = zone
        self._leap_day = leap_day
        self._looked_at: datetime | None = None
        self._alarms: list[str] = []

    async def pools(self, now: datetime) -> list[dict[str, Any]]:
        """Every pool that was loaded or is asked for, its codes by state, and what is wrong with it."""
        known = {each.pool: each for each in await self._stock.all()}
        wanted = self._wanted()
        found = []
        for name in sorted(known.keys() | wanted.keys()):
            stock = known.get(name) or Stock(name, {})
            needed = await self._needed(wanted.get(name, ()), now)
            found.append(
                {
                    "pool": name,
                    **{str(state): count for state, count in stock.codes.items()},
                    "available": stock.available,
                    "total": stock.total,
                    "needed": needed,
                    "low": stock.low(needed),
                    "campaigns": [each.name for each in wanted.get(name, ())],
                }
            )
        return found

    async def ready(self, campaign: Campaign, now: datetime) -> None:
        """Ask whether a campaign can be started by hand, before anything is written.

        Raises:
            UsageError: its pool has fewer codes than its audience needs.
        """
        spec = campaign.coupon
        if not isinstance(spec, PoolCoupon):
            return
        zones = await self._people.zones()
        chosen = by_hand(campaign, zones, now=now, tenant=self._zone, leap_day=self._leap_day)
        needed = await self._taken(campaign, [chosen], now)
        left = next((each.available for each in await self._stock.all() if each.pool == spec.pool), 0)
        if left < needed:
            raise UsageError(
                f"{campaign.name} needs {needed} coupons and the pool {spec.pool} has {left}; load more with "
                f"mailer coupons load {spec.pool} FILE, or set a budget. Nothing was sent."
            )

    async def alarms(self, now: datetime, *, taken: bool) -> list[str]:
        """What is low, a sentence each, the same one while it stays so; looked at hourly, or when `taken` from."""
        looked = self._looked_at
        if taken or looked is None or not looked <= now < looked + LOOK:
            self._alarms = [*await self._low_pools(now), *await self._spent_budgets()]
            self._looked_at = now
        return self._alarms

    async def _low_pools(self, now: datetime) -> list[str]:
        wanted = self._wanted()
        if not wanted:
            return []
        known = {each.pool: each for each in await self._stock.all()}
        found = []
        for name, campaigns in sorted(wanted.items()):
            low = (known.get(name) or Stock(name, {})).low(await self._needed(campaigns, now))
            if low is not None:
                of = ", ".join(each.name for each in campaigns)
                found.append(
                    f"The coupon pool {name} of {of} {low}; load more with mailer coupons load {name} FILE."
                )
        return found

    async def _spent_budgets(self) -> list[str]:
        return [
            f"The coupon budget of {name}, {budget}, is used up; whoever is due from now on is skipped (budget)."
            for name, budget in sorted(self._budgets().items())
            if await self._stock.used(name) >= budget
        ]

    def _budgets(self) -> dict[str, int]:
        return {
            each.name: each.coupon.budget
            for each in self._campaigns.values()
            if each.enabled
            and each.coupon is not None
            and not isinstance(each.coupon, ReminderCoupon)
            and each.coupon.budget is not None
        }

    def _wanted(self) -> dict[str, list[Campaign]]:
        """The pools that enabled campaigns take from."""
        found: dict[str, list[Campaign]] = {}
        for each in sorted(self._campaigns.values(), key=lambda campaign: campaign.name):
            if each.enabled and isinstance(each.coupon, PoolCoupon):
                found.setdefault(each.coupon.pool, []).append(each)
        return found

    async def _needed(self, campaigns: Sequence[Campaign], now: datetime) -> int | None:
        """How many codes the largest next run takes; None: nobody can say, as of events and launches by hand."""
        found = []
        for campaign in campaigns:
            selections = await self._next(campaign, now)
            if selections:
                found.append(await self._taken(campaign, selections, now))
        return max(found, default=None)

    async def _next(self, campaign: Campaign, now: datetime) -> list[Selection]:
        zones = await self._people.zones()
        first = next_at(campaign, zones, now=now, tenant=self._zone, leap_day=self._leap_day)
        if first is None:
            return []
        occasions = agenda(
            campaign, zones, start=now, now=first + _ALL_ZONES, tenant=self._zone, leap_day=self._leap_day
        )
        return [
            Selection(
                rule=campaign.audience,
                zones=group.zones,
                attribute=campaign.anniversary.anniversary if campaign.anniversary else None,
                days=group.days,
                before_year=occasions[0].local_date.year if group.days else None,
            )
            for group in (occasions[0].groups if occasions else ())
        ]

    async def _taken(self, campaign: Campaign, selections: Sequence[Selection], now: datetime) -> int:
        """How many codes these customers take at most."""
        found = 0
        for selection in selections:
            agreed = replace(selection, rule=Rule(all=(selection.rule, _AGREED)))
            found += await self._people.count(agreed, now)
        budget = self._budgets().get(campaign.name)
        if budget is None:
            return found
        return min(found, max(budget - await self._stock.used(campaign.name), 0))
