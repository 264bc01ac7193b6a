"""How far the notices of incidents got."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.contacts import EVENT, Span, Tickets
from mailer.core.delivery import State
from mailer.core.incident import CLOSED, is_broken
from mailer.core.incident_speed import HandedOver
from mailer.core.notice import RecipientState
from mailer.core.standing import Kind
from mailer.store.engine import Database
from mailer.store.holds import held_by
from mailer.store.tables import (
    customer,
    customer_event,
    delivery,
    incident,
    incident_recipient,
    incident_update,
    run,
)


class Outcomes:
    """Each method is one transaction that reads."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(
        self, now: datetime, after: int = 0, limit: int | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Those numbered above `after`, oldest first, as the contract's JSON line, with what was promised last."""
        async with self._db.read() as conn:
            reached = await _by_incident(conn, _accepted())
            unreachable = await _by_incident(conn, _unreachable())
            listed = (
                select(incident, incident_update.c.next_update, incident_update.c.at)
                .join(incident_update, newest_update())
                .where(incident.c.id > after)
                .order_by(incident.c.id)
                .limit(limit)
            )
            async for row in (await conn.stream(listed)).mappings():
                yield {
                    "id": row["id"],
                    "title": row["title"],
                    "state": row["state"],
                    "opened_at": row["opened_at"],
                    "update": row["last_update"],
                    "reached": reached.get(row["id"], 0),
                    "unreachable": unreachable.get(row["id"], 0),
                    "starts_at": row["starts_at"],
                    "ends_at": row["ends_at"],
                    "next_update": row["next_update"],
                    "overdue": row["published_at"] is not None
                    and row["state"] not in CLOSED
                    and is_broken(row["next_update"], row["at"], now),
                    "draft": row["published_at"] is None,
                }

    async def outcome(self, incident_id: int) -> dict[str, Any]:
        """How far an incident's notices got: `reached`, `notices` by kind and state, `unreachable` people.

        And how many mails of marketing are `held` until it is over.
        """
        counted = (
            select(delivery.c.kind, delivery.c.state, func.count().label("n"))
            .join(run, run.c.id == delivery.c.run_id)
            .where(run.c.incident_id == incident_id)
            .group_by(delivery.c.kind, delivery.c.state)
        )
        async with self._db.read() as conn:
            notices: dict[str, dict[str, int]] = {}
            for row in await conn.execute(counted):
                notices.setdefault(row.kind, {})[row.state] = row.n
            reached = await _by_incident(conn, _accepted().where(run.c.incident_id == incident_id))
            held = await held_by(conn, incident_id)
        unreachable = [row async for row in self.unreachable(incident_id)]
        return {
            "reached": reached.get(incident_id, 0),
            "notices": notices,
            "held": held,
            "unreachable": unreachable,
        }

    async def handed_over(self, incident_id: int) -> HandedOver:
        """When the relay accepted the first notices of its publication."""
        its = (
            select(func.min(run.c.incident_update)).where(run.c.incident_id == incident_id).scalar_subquery()
        )
        accepted = (
            select(func.min(delivery.c.sent_at), func.max(delivery.c.sent_at))
            .join(run, run.c.id == delivery.c.run_id)
            .where(
                run.c.incident_id == incident_id,
                run.c.incident_update == its,
                delivery.c.kind == Kind.FIRST,
                delivery.c.state == State.SENT,
            )
        )
        async with self._db.read() as conn:
            return HandedOver(*(await conn.execute(accepted)).one())

    async def tickets(self, incident_id: int, within: Span, now: datetime) -> Tickets | None:
        """What those it is about, or was, opened by `now`; None: the shop told of no ticket of anybody, ever."""
        theirs = incident_recipient.c.incident_id == incident_id
        opened = (
            select(func.count(), func.count(customer_event.c.customer_id.distinct()))
            .join(incident_recipient, incident_recipient.c.customer_id == customer_event.c.customer_id)
            .where(
                theirs,
                customer_event.c.name == EVENT,
                customer_event.c.at >= within.since,
                customer_event.c.at <= now,
            )
        )
        if within.until is not None:
            opened = opened.where(customer_event.c.at < within.until)
        async with self._db.read() as conn:
            any_ = select(customer_event.c.id).where(customer_event.c.name == EVENT).limit(1)
            if await conn.scalar(any_) is None:
                return None
            affected = await conn.scalar(select(func.count()).select_from(incident_recipient).where(theirs))
            tickets, customers = (await conn.execute(opened)).one()
        return Tickets(affected or 0, tickets, customers)

    async def unreachable(self, incident_id: int) -> AsyncIterator[dict[str, Any]]:
        """Who is affected and cannot be reached by mail: for another channel."""
        lost = (
            select(customer.c.ext_id, customer.c.email, incident_recipient.c.points)
            .join(incident_recipient, incident_recipient.c.customer_id == customer.c.id)
            .where(
                incident_recipient.c.incident_id == incident_id,
                incident_recipient.c.state == RecipientState.UNREACHABLE,
            )
            .order_by(customer.c.id)
        )
        async with self._db.read() as conn:
            async for row in await conn.stream(lost):
                yield {"customer": row.ext_id, "address": row.email, "points": row.points}


#: A customer; whoever was erased still counts as one.
_WHOSE = func.coalesce(delivery.c.customer_id, -delivery.c.id)


def newest_update() -> ColumnElement[bool]:
    """Joins an incident to what stands of it."""
    return and_(
        incident_update.c.incident_id == incident.c.id, incident_update.c.number == incident.c.last_update
    )


def _accepted() -> Select[Any]:
    return (
        select(run.c.incident_id, func.count(_WHOSE.distinct()).label("n"))
        .join(delivery, delivery.c.run_id == run.c.id)
        .where(run.c.incident_id.is_not(None), delivery.c.kind == Kind.FIRST, delivery.c.state == State.SENT)
        .group_by(run.c.incident_id)
    )


def _unreachable() -> Select[Any]:
    return (
        select(incident_recipient.c.incident_id, func.count().label("n"))
        .where(incident_recipient.c.state == RecipientState.UNREACHABLE)
        .group_by(incident_recipient.c.incident_id)
    )


async def _by_incident(conn: AsyncConnection, counted: Select[Any]) -> dict[int, int]:
    return {row.incident_id: row.n for row in await conn.execute(counted)}
