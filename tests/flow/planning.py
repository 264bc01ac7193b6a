"""A shop in Istanbul and its planner on a real database: what a test plans, and what was written down."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, update

from mailer.core.calendar import LeapDay
from mailer.core.campaign import Campaign
from mailer.core.customer import PartialDate
from mailer.core.policy import Rules
from mailer.core.post import Post
from mailer.core.quiet import QuietHours
from mailer.core.segment import Rule
from mailer.core.segment_facts import EvalContext
from mailer.errors import FeedFault
from mailer.flow.plan import Planner
from mailer.flow.plan_occasion import PlanReport
from mailer.store.audience import Audience
from mailer.store.engine import Database
from mailer.store.runs import Runs
from mailer.store.tables import coupon, customer, customer_date, customer_event, delivery, run
from tests.store.rows import a_customer_row, a_version, add, put

ISTANBUL = ZoneInfo("Europe/Istanbul")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

BIRTHDAY: dict[str, Any] = {
    "purpose": "commercial", "trigger": {"anniversary": "birthday", "at": "10:00", "set_before": "30d"},
    "once": {"per": "year", "gap": "330d"}, "priority": 80, "catch_up": "72h",
}  # fmt: skip
NEWSLETTER: dict[str, Any] = {
    "purpose": "commercial", "trigger": {"cron": "0 10 * * tue", "timezone": "customer"}, "catch_up": "12h",
    "content": {"events": "post.published"}, "priority": 20,
}  # fmt: skip
WELCOME: dict[str, Any] = {
    "purpose": "commercial", "trigger": {"event": "consent.confirmed"}, "once": "ever", "priority": 90,
}  # fmt: skip
OFFER: dict[str, Any] = {"purpose": "commercial", "trigger": "manual"}


def at(text: str) -> datetime:
    """An instant, in UTC unless it says otherwise."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


class FakeFeeds:
    """Feeds as a test writes them."""

    def __init__(self) -> None:
        self.now: list[Post] | Exception = []
        self.asked = 0

    async def posts(self, feed: str) -> list[Post]:
        self.asked += 1
        if isinstance(self.now, FeedFault):
            raise FeedFault(self.now.message, feed)
        if isinstance(self.now, Exception):
            raise self.now
        return list(self.now)


class Shop:
    """Campaigns and customers, planned by hand of the test."""

    audience: type[Audience] = Audience

    def __init__(self, database: Database, leap_day: LeapDay = "feb28", **campaigns: dict[str, Any]) -> None:
        self.database = database
        self.leap_day = leap_day
        self.campaigns: dict[str, Campaign] = {}
        self.segments: dict[str, Rule] = {}
        self.feeds = FakeFeeds()
        self._numbers = count(1)
        self._codes = count(1)
        for name, definition in campaigns.items():
            self.campaign(name, definition)
        self.runs = Runs(database, lambda prefix: f"{prefix}-{next(self._codes):010d}")

    def campaign(self, name: str, definition: dict[str, Any]) -> None:
        """Write a campaign's file, or write it anew."""
        self.campaigns[name] = Campaign.model_validate({**definition, "name": name})

    def planner(self) -> Planner:
        """A planner, as each process has its own."""
        return Planner(
            campaigns=self.campaigns,
            segments=self.segments,
            book=self.runs,
            people=self.audience(self.database, self._moment),
            feeds=self.feeds,
            version=self._version,
            rules=Rules(zone=ISTANBUL, quiet=QuietHours.parse("21:00-09:00")),
            leap_day=self.leap_day,
            currency="TRY",
        )

    def _moment(self) -> EvalContext:
        return EvalContext(
            now=LONG_AGO,
            tenant_zone=ISTANBUL,
            segments=self.segments,
            leap_day=self.leap_day,
            currency="TRY",
        )

    async def _version(self, campaign: Campaign, _now: datetime) -> int:
        return await a_version(self.database, campaign.name)

    async def seen(self, since: datetime | str = LONG_AGO) -> None:
        """Let the campaigns be here since then."""
        await self.planner().look(at(since) if isinstance(since, str) else since)

    async def plan(self, now: str, *, events_only: bool = False) -> PlanReport:
        planner = self.planner()
        if not events_only:
            await planner.looks.take(at(now))
        return await planner.plan(at(now), events_only=events_only)

    async def customer(
        self, name: str, *, birthday: str | None = None, set_at: datetime | str = LONG_AGO, **values: Any
    ) -> int:
        """A customer who was with us since long ago and agreed to be written to."""
        set_at = at(set_at) if isinstance(set_at, str) else set_at
        given: dict[str, Any] = {"stored_at": set_at, "updated_at": set_at, "consent_at": set_at, **values}
        key = await a_customer_row(self.database, name, **given)
        if birthday is not None:
            day = PartialDate.parse(birthday)
            assert day is not None
            await put(
                self.database, customer_date, customer_id=key, attr="birthday", month=day.month, day=day.day,
                year=day.year, set_at=set_at, placeholder=day.placeholder,
            )  # fmt: skip
        return key

    async def change(self, name: str, now: str, **values: Any) -> None:
        """Change a customer's record, as an import does."""
        async with self.database.write() as conn:
            await conn.execute(
                update(customer).where(customer.c.ext_id == name).values(updated_at=at(now), **values)
            )

    async def event(
        self, name: str, who: str | None, when: str, *, stored: str | None = None, **properties: Any
    ) -> str:
        """Something a customer did; stored at once unless said."""
        ext_id = f"e{next(self._numbers)}"
        key = None
        if who is not None:
            async with self.database.read() as conn:
                key = await conn.scalar(select(customer.c.id).where(customer.c.ext_id == who))
        await add(
            self.database, customer_event, ext_id=ext_id, customer_id=key, name=name, at=at(when),
            stored_at=at(stored or when), properties=properties,
        )  # fmt: skip
        return ext_id

    async def post(self, when: str, title: str = "New", *, stored: str | None = None) -> None:
        await self.event(
            "post.published", None, when, stored=stored, title=title, url="https://k.example", summary=""
        )

    async def rows(self, campaign: str | None = None) -> list[str]:
        """Every delivery: `occurrence customer state-or-reason not-before`, in the order of customers."""
        wanted = (
            select(
                run.c.occurrence,
                customer.c.ext_id,
                delivery.c.state,
                delivery.c.reason,
                delivery.c.not_before,
            )
            .select_from(delivery)
            .join(run, run.c.id == delivery.c.run_id)
            .join(customer, customer.c.id == delivery.c.customer_id)
            .order_by(run.c.id, customer.c.id)
        )
        if campaign is not None:
            wanted = wanted.where(run.c.campaign == campaign)
        async with self.database.read() as conn:
            return [
                f"{row.occurrence} {row.ext_id} "
                + (row.reason or f"{row.state} {row.not_before:%Y-%m-%dT%H:%MZ}")
                for row in await conn.execute(wanted)
            ]

    async def run_states(self, campaign: str | None = None) -> list[str]:
        """Every run: `occurrence state`."""
        wanted = select(run.c.occurrence, run.c.state).order_by(run.c.id)
        if campaign is not None:
            wanted = wanted.where(run.c.campaign == campaign)
        async with self.database.read() as conn:
            return [f"{row.occurrence} {row.state}" for row in await conn.execute(wanted)]

    async def settle(self, state: str, now: str, *, reason: str | None = None) -> None:
        """What became of everything that waits."""
        sent_at = at(now) if state == "sent" else None
        async with self.database.write() as conn:
            await conn.execute(
                update(delivery)
                .where(delivery.c.state == "queued")
                .values(state=state, reason=reason, sent_at=sent_at, updated_at=at(now))
            )

    async def codes(self) -> list[tuple[str, str, str]]:
        """(code, state, last day) of every coupon."""
        async with self.database.read() as conn:
            rows = await conn.execute(
                select(coupon.c.code, coupon.c.state, coupon.c.valid_until).order_by(coupon.c.id)
            )
            return [(row.code, row.state, f"{row.valid_until}") for row in rows]

    async def count(self) -> int:
        async with self.database.read() as conn:
            return int(await conn.scalar(select(func.count()).select_from(delivery)) or 0)
