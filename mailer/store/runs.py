"""Runs, the versions they send, and the deliveries they start with. Unique constraints decide what is new."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.delivery import State, Tally
from mailer.core.run import ENDED, Batch, HalfPlanned, NewDelivery, NewRun, RunState
from mailer.errors import UsageError
from mailer.store.barred import beside
from mailer.store.batches import insert_batches
from mailer.store.bulk import rows_of
from mailer.store.campaigns import Campaigns
from mailer.store.dialect import insert
from mailer.store.engine import Database
from mailer.store.reserve import NewCode, Promise, keep_promises, take_turns
from mailer.store.shards import Shards, announce
from mailer.store.tables import customer, delivery, run


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run as it stands."""

    id: int
    state: RunState
    created: bool


async def open_run(conn: AsyncConnection, new: NewRun, now: datetime) -> OpenRun:
    """Write a run down, or find the one that stands."""
    values = {
        "campaign": new.campaign,
        "occurrence": new.occurrence,
        "version_id": new.version_id,
        "state": new.state,
        "reason": new.reason,
        "purpose": new.purpose,
        "topic": new.topic,
        "priority": new.priority,
        "due_at": new.due_at,
        "closes_at": new.closes_at,
        "created_at": now,
        "finished_at": now if new.state in ENDED else None,
        "content": dict(new.content) if new.content is not None else None,
        "incident_id": new.incident_id,
        "incident_update": new.incident_update,
        "by_hand": new.by_hand,
    }
    made = await conn.scalar(insert(conn, run).values(values).on_conflict_do_nothing().returning(run.c.id))
    if made is not None:
        return OpenRun(made, new.state, created=True)
    found = (
        await conn.execute(
            select(run.c.id, run.c.state).where(
                run.c.campaign == new.campaign, run.c.occurrence == new.occurrence
            )
        )
    ).one()
    return OpenRun(found.id, RunState(found.state), created=False)


_ROW = (
    "customer_id", "once_key", "email", "email_key", "state", "reason", "kind", "context", "due_at", "not_before",
    "expires_at", "message_id",
)  # fmt: skip


def _row(of: NewDelivery) -> tuple[Any, ...]:
    """Its values, in the order of `_ROW`."""
    return (
        of.customer_key, of.once_key, of.email, of.email_key, of.state, of.reason, of.kind, of.context, of.due_at,
        of.not_before, of.expires_at, of.message_id,
    )  # fmt: skip


async def insert_deliveries(
    conn: AsyncConnection,
    run_id: int,
    rows: Sequence[NewDelivery],
    now: datetime,
    new_code: NewCode,
    batches: Sequence[Batch] = (),
) -> int:
    """Write deliveries and their coupons in this transaction; those already there stay as they are.

    Returns how many were new. A queued row that no coupon is left for becomes skipped, with the reason. Whoever was
    erased meanwhile is left out.
    """
    if not rows and not batches:
        return 0
    await beside(conn)  # what keeps the customers there: no foreign key looks for them
    wanted = select(run.c.campaign, run.c.purpose, run.c.priority, run.c.state).where(run.c.id == run_id)
    # Whoever calls the run off waits for this, or this for them; senders that write to it do not.
    head = (await conn.execute(wanted.with_for_update(read=True, key_share=True))).one()
    if head.state == RunState.CANCELLED:
        return 0
    await take_turns(conn, head.campaign, [*rows, *(batch.like for batch in batches)])
    same = {
        "run_id": run_id, "campaign": head.campaign, "purpose": head.purpose, "priority": head.priority,
        "created_at": now, "updated_at": now,
    }  # fmt: skip
    added, promises = await insert_batches(conn, batches, same)
    if rows:
        names, given = rows_of(conn, delivery, _ROW, [_row(row) for row in rows], same)
        there = exists().where(customer.c.id == given.selected_columns["customer_id"])
        statement = (
            insert(conn, delivery)
            .from_select(names, given.where(there))
            .on_conflict_do_nothing()
            .returning(delivery.c.id, delivery.c.customer_id)
        )
        made = {customer_id: made_id for made_id, customer_id in (await conn.execute(statement)).all()}
        added += len(made)
        promises += [
            Promise(made[row.customer_key], row.customer_key, row.once_key, row.coupon)
            for row in rows
            if row.customer_key in made
            and row.coupon is not None
            and row.once_key is not None
            and row.state == State.QUEUED
        ]
    if batches:  # budgets and pools are spent in order of the customers
        promises.sort(key=attrgetter("customer_key"))
    if promises:
        await keep_promises(conn, head.campaign, promises, now, new_code)
    return added


class Runs(Campaigns):
    """Runs on the database, with the campaigns they are occurrences of.

    With `shards` senders of several machines hear of a run in the transaction that lets them see it.
    """

    def __init__(self, db: Database, new_code: NewCode, shards: Shards | None = None) -> None:
        super().__init__(db)
        self._new_code = new_code
        self._shards = shards

    @property
    def abreast(self) -> int:
        """How many parts of a run may be written at the same time: SQLite has one writer."""
        return 1 if self._db.dialect == "sqlite" else 2

    async def open(self, new: NewRun, now: datetime) -> OpenRun:
        """Write a run down, or find the one that stands."""
        async with self._db.write() as conn:
            return await open_run(conn, new, now)

    async def add(
        self, run_id: int, rows: Sequence[NewDelivery], now: datetime, batches: Sequence[Batch] = ()
    ) -> int:
        """Add deliveries, one by one and in batches, in one transaction; returns how many were new."""
        async with self._db.write() as conn:
            return await insert_deliveries(conn, run_id, rows, now, self._new_code, batches)

    async def add_small(self, wanted: Sequence[tuple[NewRun, NewDelivery]], now: datetime) -> int:
        """Runs of one delivery each (events), whole and released in one transaction."""
        added = 0
        async with self._db.write() as conn:
            await beside(conn)
            for name in {
                new.campaign for new, _row in wanted
            }:  # before any row that another planner waits for
                await take_turns(conn, name, [row for new, row in wanted if new.campaign == name])
            fresh = []
            for new, row in wanted:
                opened = await open_run(conn, new, now)
                if opened.created:
                    added += await insert_deliveries(conn, opened.id, [row], now, self._new_code)
                    fresh.append(opened.id)
            await announce(self._shards, conn, fresh, now)
        return added

    async def half_planned(self, names: Sequence[str]) -> list[HalfPlanned]:
        """Runs of these campaigns that somebody started by hand and that were never released, oldest first."""
        written = select(func.count()).where(delivery.c.run_id == run.c.id).scalar_subquery()
        wanted = (
            select(run.c.id, run.c.campaign, run.c.occurrence, run.c.due_at, written)
            .where(run.c.state == RunState.PLANNING, run.c.by_hand, run.c.campaign.in_(names))
            .order_by(run.c.id)
        )
        async with self._db.read() as conn:
            return [HalfPlanned(*row) for row in await conn.execute(wanted)]

    async def begin_planning(self, run_id: int) -> None:
        """A run that grows is hidden from senders until its new members are whole."""
        async with self._db.write() as conn:
            await conn.execute(
                update(run)
                .where(
                    run.c.id == run_id,
                    run.c.state.in_([RunState.QUEUED, RunState.RUNNING, RunState.FINISHED, RunState.MISSED]),
                )
                .values(state=RunState.PLANNING, finished_at=None)
            )

    async def release(self, run_id: int, now: datetime, *, missed: bool = False) -> None:
        """Planning is whole: senders may see it. A run nobody was in time for ends as missed."""
        async with self._db.write() as conn:
            written = exists().where(delivery.c.run_id == run_id, delivery.c.state != State.SKIPPED)
            late = missed and not await conn.scalar(select(written))
            state = RunState.MISSED if late else RunState.QUEUED
            await conn.execute(
                update(run)
                .where(run.c.id == run_id, run.c.state == RunState.PLANNING)
                .values(state=state, finished_at=now if late else None)
            )
            await announce(self._shards, conn, [run_id], now)

    async def ids(self, campaign: str, occurrences: Sequence[str]) -> dict[str, tuple[int, RunState]]:
        """The runs of a campaign that stand for these occurrences."""
        async with self._db.read() as conn:
            rows = await conn.execute(
                select(run.c.occurrence, run.c.id, run.c.state).where(
                    run.c.campaign == campaign, run.c.occurrence.in_(occurrences)
                )
            )
            return {row.occurrence: (row.id, RunState(row.state)) for row in rows}

    async def list(self, campaign: str | None = None) -> AsyncIterator[dict[str, Any]]:
        """Every run with its deliveries counted by state, oldest first, as the contract's JSON line."""
        wanted = select(run).order_by(run.c.id)
        if campaign is not None:
            wanted = wanted.where(run.c.campaign == campaign)
        async with self._db.read() as conn:
            tallies = await tally(conn)
            async for row in await conn.stream(wanted):
                counts = tallies.get(row.id, Tally())
                yield {
                    "id": row.id,
                    "campaign": row.campaign,
                    "occurrence": row.occurrence,
                    "state": row.state,
                    **{name: getattr(counts, name) for name in Tally.__dataclass_fields__},
                    "reason": row.reason,
                    "due_at": row.due_at,
                    "finished_at": row.finished_at,
                }


async def tally(conn: AsyncConnection, run_ids: Sequence[int] | None = None) -> dict[int, Tally]:
    """Deliveries by run and state."""
    wanted = select(delivery.c.run_id, delivery.c.state, func.count().label("n")).group_by(
        delivery.c.run_id, delivery.c.state
    )
    if run_ids is not None:
        wanted = wanted.where(delivery.c.run_id.in_(run_ids))
    counts: dict[int, dict[str, int]] = {}
    for row in await conn.execute(wanted):
        counts.setdefault(row.run_id, {})[row.state] = row.n
    return {run_id: Tally(audience=sum(states.values()), **states) for run_id, states in counts.items()}


async def reopen(connection: AsyncConnection, run_id: int, now: datetime) -> None:
    """Let a run that ended go on, for a delivery of it that is to go out after all.

    Raises:
        UsageError: it was called off, and some of its customers would be due only now.
    """
    found = (
        await connection.execute(
            select(run.c.state, run.c.closes_at).where(run.c.id == run_id).with_for_update()
        )
    ).one()
    if found.state == RunState.CANCELLED and found.closes_at > now:
        raise UsageError(
            f"Run {run_id} is cancelled, and with one delivery everybody who is still to be due would come back; "
            f"try again after {found.closes_at:%Y-%m-%dT%H:%M:%SZ}."
        )
    await connection.execute(
        update(run)
        .where(run.c.id == run_id, run.c.state.in_(ENDED))
        .values(state=RunState.RUNNING, finished_at=None)
    )
