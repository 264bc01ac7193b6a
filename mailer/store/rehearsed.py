"""A copy of the database on which time is played forward: what it starts from, what comes next, what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Select, case, delete, func, or_, select, text, update

from mailer.core.delivery import CLAIMABLE, Hold
from mailer.core.rehearsal import Line, Window, outcome
from mailer.store.audience import Audience
from mailer.store.campaigns import Seen
from mailer.store.engine import Database
from mailer.store.runs import Runs
from mailer.store.selection import unplanned
from mailer.store.tables import (
    WAITING,
    campaign_state,
    claim,
    customer,
    customer_date,
    customer_event,
    delivery,
    lease,
    run,
    segment_member,
    switch,
)

PAGE = 2_000

#: More than clocks are ever moved by, and than the coarsest grid events are looked at on.
_SLACK = timedelta(hours=5)


class RehearsedCopy:
    """The copy itself."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def begin(self, start: datetime) -> None:
        """Make the copy one that nobody else works on, and in which nothing before `start` is caught up."""
        async with self._db.write() as conn:
            await conn.execute(
                update(delivery).where(delivery.c.sender_id.is_not(None)).values(sender_id=None)
            )
            await conn.execute(
                update(campaign_state).values(first_seen_at=start, planned_at=None, baseline_at=None)
            )
            for table in (claim, lease, switch, segment_member):
                await conn.execute(delete(table))

    async def next_wait(self, after: datetime, due_before: datetime) -> datetime | None:
        """The next instant at which a delivery that fell due by then may leave.

        What an incident holds is not waited for beyond that: nobody knows how long that is.
        """
        wanted = select(func.min(delivery.c.not_before)).where(
            text(WAITING),
            delivery.c.not_before > after,
            delivery.c.due_at < due_before,
            or_(delivery.c.reason.is_(None), delivery.c.not_before < due_before),
        )
        async with self._db.read() as conn:
            found: datetime | None = await conn.scalar(wanted)
            return found

    async def dates(self, attribute: str) -> set[tuple[int, int]]:
        """The (month, day) that customers have of an attribute."""
        columns = (customer_date.c.month, customer_date.c.day)
        async with self._db.read() as conn:
            rows = await conn.execute(select(*columns).where(customer_date.c.attr == attribute).distinct())
            return {(row.month, row.day) for row in rows}

    async def events(self, name: str, since: datetime) -> list[tuple[datetime, datetime, str | None]]:
        """When customers did `name` after `since`: (at, stored at, the customer's zone)."""
        columns = (customer_event.c.at, customer_event.c.stored_at, customer.c.zone)
        wanted = (
            select(*columns)
            .join_from(customer_event, customer, customer.c.id == customer_event.c.customer_id)
            .where(
                customer_event.c.name == name,
                or_(customer_event.c.at > since, customer_event.c.stored_at > since),
            )
            .distinct()
        )
        async with self._db.read() as conn:
            return [(row.at, row.stored_at, row.zone) for row in await conn.execute(wanted)]

    async def happenings(self, window: Window) -> set[datetime]:
        """The instants in the window at which customers do something, as far as that is stored."""
        known = case(
            (customer_event.c.stored_at > customer_event.c.at, customer_event.c.stored_at),
            else_=customer_event.c.at,
        ).label("known")
        wanted = select(known).where(known >= window.start, known < window.end).distinct()
        async with self._db.read() as conn:
            return set((await conn.scalars(wanted)).all())

    async def empty_issues(self, window: Window) -> list[tuple[str, str]]:
        """(campaign, occurrence) of issues without anything new."""
        wanted = (
            select(run.c.campaign, run.c.occurrence)
            .where(run.c.state == "skipped_empty", run.c.due_at >= window.start, run.c.due_at < window.end)
            .order_by(run.c.due_at, run.c.campaign)
        )
        async with self._db.read() as conn:
            return [(row.campaign, row.occurrence) for row in await conn.execute(wanted)]

    async def lines(self, window: Window, campaign: str | None) -> AsyncIterator[Line]:
        """What came of everything that fell due in the window, by instant."""
        async with self._db.read() as conn:
            rows = await conn.stream(_lines(window, campaign), execution_options={"yield_per": PAGE})
            async for row in rows:
                what, why = outcome(row.state, row.reason)
                waits = row.reason if row.state in CLAIMABLE else None
                yield Line(row.at, row.campaign, row.occurrence, row.customer, what, why, waits)


def _lines(window: Window, campaign: str | None) -> Select[Any]:
    # What is held waits for nobody knows how long, and was put off when it would have left.
    waits = case((delivery.c.reason == Hold.AFFECTED, delivery.c.updated_at), else_=delivery.c.not_before)
    at = func.coalesce(delivery.c.sent_at, waits).label("at")
    wanted = (
        select(at, delivery.c.campaign, run.c.occurrence, customer.c.ext_id.label("customer"),
               delivery.c.state, delivery.c.reason)
        .join_from(delivery, run, run.c.id == delivery.c.run_id)
        .join(customer, customer.c.id == delivery.c.customer_id)
        .where(delivery.c.due_at >= window.start, delivery.c.due_at < window.end)
        .order_by(at, delivery.c.campaign, run.c.occurrence, delivery.c.customer_id)
    )  # fmt: skip
    return wanted if campaign is None else wanted.where(delivery.c.campaign == campaign)


class RehearsedRuns(Runs):
    """Runs under a clock that stands exactly where something falls due: no pass looks back.

    `watched` are the campaigns whose instants are not all known beforehand; they look back as they always do.
    """

    watched: Collection[str] = frozenset()

    async def seen(self, names: Any, now: datetime) -> dict[str, Seen]:
        """What is known of each; see `Runs.seen`."""
        known = await super().seen(names, now)
        return {
            name: each if name in self.watched else replace(each, first_seen_at=now, planned_at=None)
            for name, each in known.items()
        }


class RehearsedAudience(Audience):
    """The planner's questions, put to customers who stand still."""

    #: Campaigns of events and how long after one they fall due, when nobody does anything meanwhile. Then what
    #: started nothing when it fell due never will, and need not be read again.
    still: Mapping[str, timedelta] = MappingProxyType({})

    _zones: frozenset[str | None] | None = None

    async def zones(self) -> frozenset[str | None]:
        """The zones customers live in, asked once."""
        if self._zones is None:
            self._zones = await super().zones()
        return self._zones

    async def events(
        self, name: str, campaign: str, since: datetime, until: datetime, after: int, limit: int
    ) -> list[dict[str, Any]]:
        """The same, of what is known by `until`: an event stored later is news only then."""
        wanted = unplanned(name, campaign, since, until).where(
            customer_event.c.id > after, customer_event.c.stored_at <= until
        )
        if campaign in self.still:
            fitting = until - self.still[campaign]
            wanted = wanted.where(customer_event.c.at.between(fitting - _SLACK, fitting + _SLACK))
        async with self._db.read() as conn:
            return [dict(row) for row in (await conn.execute(wanted.limit(limit))).mappings()]
