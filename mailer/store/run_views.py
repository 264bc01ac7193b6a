"""Runs and their deliveries as people look at them: one, the newest, and everybody in a run, page by page."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, Select, exists, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.delivery import Hold, Tally
from mailer.core.standstill import Scene
from mailer.store.dialect import clock
from mailer.store.engine import Database
from mailer.store.holds import ANY
from mailer.store.overview import LastRun
from mailer.store.runs import tally
from mailer.store.switches import HALT
from mailer.store.tables import (
    WAITING,
    campaign_state,
    customer,
    delivery,
    run,
    sender,
    switch,
)
from mailer.store.tables import incident as outage

_NEAR = 50_000  # rows of the ledger


class RunViews:
    """Each method is one transaction that reads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def one(self, run_id: int) -> tuple[dict[str, Any], Scene] | None:
        """A run's own facts, and what it waits for is judged by; None: there is none."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(run).where(run.c.id == run_id))).first()
            if row is None:
                return None
            counts = (await tally(connection, [run_id])).get(run_id, Tally())
            scene = await _scene(connection, row, counts)
            title = await connection.scalar(select(outage.c.title).where(outage.c.id == row.incident_id))
        facts = {
            "id": row.id, "campaign": row.campaign, "occurrence": row.occurrence, "state": row.state,
            "reason": row.reason, "purpose": row.purpose, "priority": row.priority, "topic": row.topic,
            "due_at": row.due_at, "closes_at": row.closes_at, "created_at": row.created_at,
            "finished_at": row.finished_at, "incident": row.incident_id, "incident_title": title,
            "incident_update": row.incident_update, "counts": counts,
        }  # fmt: skip
        return facts, scene

    async def newest(
        self,
        limit: int,
        *,
        before: int | None = None,
        campaign: str | None = None,
        incident: int | None = None,
    ) -> list[LastRun]:
        """At most `limit` runs, the newest first: below the number `before`, of a campaign, of an incident."""
        wanted = select(run).order_by(run.c.id.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(run.c.id < before)
        if campaign is not None:
            wanted = wanted.where(run.c.campaign == campaign)
        if incident is not None:
            wanted = wanted.where(run.c.incident_id == incident)
        async with self._database.read() as connection:
            rows = (await connection.execute(wanted)).all()
            counts = await tally(connection, [row.id for row in rows])
        return [
            LastRun(row.id, row.campaign, row.occurrence, row.state, row.due_at, counts.get(row.id, Tally()))
            for row in rows
        ]

    async def deliveries(
        self, run_id: int, state: str, reason: str | None, after: int, limit: int
    ) -> list[dict[str, Any]]:
        """At most `limit` deliveries of a run in a state, those after the number `after`."""
        wanted = _wanted.where(delivery.c.run_id == run_id, delivery.c.state == state, delivery.c.id > after)
        if reason is not None:
            wanted = wanted.where(delivery.c.reason == reason)
        in_order = wanted.order_by(delivery.c.id).limit(limit)
        async with self._database.read() as connection:
            if connection.dialect.name == "sqlite":  # has a run's states in this order at hand
                return await _rows(connection, in_order)
            # PostgreSQL would walk through other runs to spare itself the sorting: it may look so far, and is then kept
            # to this run.
            near = await _rows(connection, in_order.where(delivery.c.id <= after + _NEAR))
            if len(near) == limit:
                return near
            return await _rows(connection, wanted.order_by(delivery.c.id + 0).limit(limit))


async def _rows(connection: AsyncConnection, wanted: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in (await connection.execute(wanted)).mappings()]


async def _scene(connection: AsyncConnection, row: Row[Any], counts: Tally) -> Scene:
    first = select(func.min(delivery.c.not_before, type_=delivery.c.not_before.type)).where(
        delivery.c.run_id == row.id, text(WAITING)
    )
    at_work = select(func.count()).select_from(sender).where(sender.c.lease_until > clock())
    held = (
        select(func.count())
        .select_from(delivery)
        .where(delivery.c.run_id == row.id, text(WAITING), delivery.c.reason == Hold.AFFECTED, text(ANY))
    )
    paused = exists().where(campaign_state.c.name == row.campaign, campaign_state.c.paused)
    return Scene(
        state=row.state,
        reason=row.reason,
        due_at=row.due_at,
        closes_at=row.closes_at,
        counts=counts,
        halted_at=await connection.scalar(select(switch.c.at).where(switch.c.name == HALT)),
        campaign_paused=bool(await connection.scalar(select(paused))),
        affected=int(await connection.scalar(held) or 0),
        senders=int(await connection.scalar(at_work) or 0),
        next_at=await connection.scalar(first),
    )


_wanted = select(
    delivery.c.id, customer.c.ext_id.label("customer"), delivery.c.email.label("address"), delivery.c.state,
    delivery.c.reason, delivery.c.kind, delivery.c.attempts, delivery.c.not_before, delivery.c.sent_at,
    delivery.c.updated_at, delivery.c.reply, delivery.c.message_id,
).join_from(delivery, customer, customer.c.id == delivery.c.customer_id, isouter=True)  # fmt: skip
