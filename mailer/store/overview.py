"""What a person sees first: how much there is, and what ran last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from mailer.core.delivery import State, Tally
from mailer.core.event import EventKind
from mailer.core.incident import CLOSED, is_broken
from mailer.store.dialect import clock
from mailer.store.engine import Database
from mailer.store.incident_outcomes import newest_update
from mailer.store.runs import tally
from mailer.store.switches import HALT
from mailer.store.tables import (
    customer,
    delivery,
    delivery_event,
    incident,
    incident_update,
    run,
    sender,
    switch,
)


@dataclass(frozen=True, slots=True)
class LastRun:
    """A run and its deliveries by state."""

    id: int
    campaign: str
    occurrence: str
    state: str
    due_at: datetime
    counts: Tally


@dataclass(frozen=True, slots=True)
class Facts:
    """One look at the database."""

    customers: int
    consenting: int  # customers whose consent to commercial mail stands
    senders: int  # sender processes whose lease holds
    halted_at: datetime | None
    runs: Sequence[LastRun]  # newest first


@dataclass(frozen=True, slots=True)
class Trouble:
    """An incident that is not over."""

    id: int
    title: str
    state: str
    next_update: datetime | None
    overdue: bool


@dataclass(frozen=True, slots=True)
class Failures:
    """Deliveries of a campaign that failed, or are in doubt, for one reason."""

    campaign: str
    reason: str
    count: int


class Overview:
    """Reads the database for the start page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, runs: int = 10) -> Facts:
        """The facts as of now, with at most so many runs."""
        async with self._database.read() as connection:
            wanted = select(customer.c.consent, func.count()).group_by(customer.c.consent)
            by_consent = (await connection.execute(wanted)).all()
            senders = await connection.scalar(
                select(func.count()).select_from(sender).where(sender.c.lease_until > clock())
            )
            halted_at = await connection.scalar(select(switch.c.at).where(switch.c.name == HALT))
            last = (await connection.execute(select(run).order_by(run.c.id.desc()).limit(runs))).all()
            counts = await tally(connection, [row.id for row in last])
        return Facts(
            customers=sum(count for _consent, count in by_consent),
            consenting=sum(count for consent, count in by_consent if consent == "yes"),
            senders=int(senders or 0),
            halted_at=halted_at,
            runs=[
                LastRun(
                    row.id, row.campaign, row.occurrence, row.state, row.due_at, counts.get(row.id, Tally())
                )
                for row in last
            ],
        )

    async def troubles(self, now: datetime) -> list[Trouble]:
        """The published incidents that are not over, the newest first."""
        wanted = (
            select(
                incident.c.id,
                incident.c.title,
                incident.c.state,
                incident_update.c.next_update,
                incident_update.c.at,
            )
            .join(incident_update, newest_update())
            .where(incident.c.published_at.is_not(None), incident.c.state.not_in(sorted(CLOSED)))
            .order_by(incident.c.id.desc())
        )
        async with self._database.read() as connection:
            return [
                Trouble(
                    row.id, row.title, row.state, row.next_update, is_broken(row.next_update, row.at, now)
                )
                for row in await connection.execute(wanted)
            ]

    async def ready(self) -> None:
        """Ask the database for an answer.

        Raises:
            StoreError: there is none.
        """
        async with self._database.read() as connection:
            await connection.execute(select(1))

    async def last_fact(self) -> int:
        """The number of the last fact about a delivery; 0: there is none."""
        async with self._database.read() as connection:
            return await connection.scalar(select(func.max(delivery_event.c.id))) or 0

    async def failed_after(self, fact: int) -> list[Failures]:
        """What failed since that fact, by campaign and reason."""
        return await self._after(fact, EventKind.FAILED)

    async def doubted_after(self, fact: int) -> list[Failures]:
        """What came in doubt since that fact and still is, by campaign."""
        return await self._after(fact, EventKind.IN_DOUBT, delivery.c.state == State.IN_DOUBT)

    async def _after(self, fact: int, kind: EventKind, *still: ColumnElement[bool]) -> list[Failures]:
        reason = func.coalesce(delivery.c.reason, "")
        wanted = (
            select(delivery.c.campaign, reason, func.count(delivery.c.id.distinct()))
            .join(delivery_event, delivery_event.c.delivery_id == delivery.c.id)
            .where(delivery_event.c.id > fact, delivery_event.c.kind == kind, *still)
            .group_by(delivery.c.campaign, reason)
            .order_by(delivery.c.campaign, reason)
        )
        async with self._database.read() as connection:
            return [Failures(*row) for row in (await connection.execute(wanted)).all()]
