"""Who an incident is about, what each has been told, and the writing of what they are told next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.delivery import CLAIMABLE, State
from mailer.core.incident import Incident
from mailer.core.notice import Notice, Person, RecipientState
from mailer.core.publication import Publication
from mailer.core.run import NewDelivery, RunState
from mailer.core.standing import Kind, Told, standing
from mailer.store.affected import Point, affected_points
from mailer.store.dialect import insert
from mailer.store.engine import Database
from mailer.store.runs import insert_deliveries, open_run, slices
from mailer.store.tables import customer, delivery, incident, incident_recipient, run, suppression

#: Notices written in one transaction: some tens of milliseconds of the one writer's time.
CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Address:
    """Where a customer can be written to."""

    id: str  # the shop's id
    email: str
    address: str  # normalised
    suppressed: bool  # for everybody, service mail too


async def addresses(conn: AsyncConnection, keys: Sequence[int]) -> dict[int, Address]:
    """The addresses of customers, by customer.id."""
    dead = exists().where(suppression.c.email_key == customer.c.email_key, suppression.c.scope == "all")
    wanted = select(
        customer.c.id, customer.c.ext_id, customer.c.email, customer.c.email_key, dead.label("dead")
    )
    return {
        row.id: Address(row.ext_id, row.email, row.email_key, row.dead)
        for part in slices(keys)
        for row in await conn.execute(wanted.where(customer.c.id.in_(part)))
    }


class Recipients:
    """The recipients of incidents on the database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def people(self, of: Incident, campaign: str) -> list[Person]:
        """Everyone an incident covers now or was about before, with what `campaign` told them so far.

        Once it is closed nobody joins, and only those it was about matter.
        """
        async with self._db.read() as conn:
            here: dict[int, tuple[Point, ...]] = {}
            if not of.current.closes:
                here = await affected_points(conn, of.current.area)
            before = await _recorded(conn, of.id)
            told = await _told(conn, of.id, campaign)
            known = await addresses(conn, sorted(here.keys() | before.keys() | told.keys()))
        people: list[Person] = []
        for key, found in known.items():
            state, points = before.get(key, (None, ()))
            people.append(
                Person(
                    customer_key=key,
                    id=found.id,
                    email=found.email,
                    address=found.address,
                    affected=key in here,
                    suppressed=found.suppressed,
                    points=here.get(key, points),
                    standing=standing(told.get(key, ()), of, found.address),
                    state=state,
                )
            )
        return people

    async def write(self, wanted: Publication, now: datetime) -> int:
        """Carry out a publication, chunk by chunk; returns how many notices were queued.

        Safe to repeat and to do twice at once: unique constraints decide. A newer update stops it. A notice
        whose forerunner began to leave in the meantime is left to the next decision.
        """
        cancelled: set[int] = set()
        for part in slices(wanted.cancel):
            async with self._db.write() as conn:
                if not await _newest(conn, wanted):
                    return 0
                cancelled.update(await _cancel(conn, part, now))
        chosen = [pair for pair in wanted.deliveries if cancelled.issuperset(pair[0].replaces)]
        queued = 0
        run_id = None
        for chunk in slices(chosen, CHUNK):
            async with self._db.write() as conn:
                if not await _newest(conn, wanted):
                    return queued
                run_id = (await open_run(conn, wanted.run, now)).id
                queued += await _add(conn, wanted, run_id, chunk, now)
        done = {notice.customer_key for notice, _ in chosen}
        rest = [key for key in wanted.states if key not in done]
        for part in slices(rest, CHUNK):
            async with self._db.write() as conn:
                if not await _newest(conn, wanted):
                    return queued
                await _record(conn, wanted, {key: (wanted.people[key].points, None) for key in part}, now)
        if run_id is not None:
            async with self._db.write() as conn:
                await _release(conn, run_id)
        return queued

    async def release(self, incident_id: int, campaign: str) -> None:
        """Let senders see, and the ledger finish, runs whose writing was cut off or overtaken."""
        half = (
            run.c.incident_id == incident_id,
            run.c.campaign == campaign,
            run.c.state == RunState.PLANNING,
        )
        async with self._db.read() as conn:
            left = (await conn.scalars(select(run.c.id).where(*half))).all()
        for run_id in left:
            async with self._db.write() as conn:
                await _release(conn, run_id)


async def _recorded(
    conn: AsyncConnection, incident_id: int
) -> dict[int, tuple[RecipientState, tuple[Point, ...]]]:
    rows = await conn.execute(
        select(
            incident_recipient.c.customer_id, incident_recipient.c.state, incident_recipient.c.points
        ).where(incident_recipient.c.incident_id == incident_id)
    )
    return {row.customer_id: (RecipientState(row.state), tuple(row.points)) for row in rows}


async def _told(conn: AsyncConnection, incident_id: int, campaign: str) -> dict[int, list[Told]]:
    rows = await conn.execute(
        select(
            delivery.c.customer_id, delivery.c.id, run.c.incident_update, delivery.c.kind, delivery.c.state,
            delivery.c.reason, delivery.c.email_key, delivery.c.message_id,
        )
        .join(run, run.c.id == delivery.c.run_id)
        .where(run.c.incident_id == incident_id, run.c.campaign == campaign)
        .order_by(run.c.incident_update)
    )  # fmt: skip
    found: dict[int, list[Told]] = {}
    for customer_id, *rest in rows:
        found.setdefault(customer_id, []).append(Told(*rest))
    return found


async def _newest(conn: AsyncConnection, wanted: Publication) -> bool:
    """Whether no newer update was written; none can be until this transaction ends."""
    last = await conn.scalar(
        select(incident.c.last_update).where(incident.c.id == wanted.incident_id).with_for_update(read=True)
    )
    return bool(last == wanted.update)


async def _cancel(conn: AsyncConnection, ids: Sequence[int], now: datetime) -> Sequence[int]:
    """Take back what did not leave; a sender that holds one finds it is no longer its own."""
    return (
        await conn.scalars(
            update(delivery)
            .where(delivery.c.id.in_(ids), delivery.c.state.in_(CLAIMABLE))
            .values(state=State.CANCELLED, sender_id=None, updated_at=now)
            .returning(delivery.c.id)
        )
    ).all()


async def _add(
    conn: AsyncConnection,
    wanted: Publication,
    run_id: int,
    chunk: Sequence[tuple[Notice, NewDelivery]],
    now: datetime,
) -> int:
    fresh = [new for notice, new in chunk if not notice.again]
    again = [new for notice, new in chunk if notice.again]
    made = await insert_deliveries(conn, run_id, fresh, now, str)
    if again:
        await conn.execute(
            update(delivery)
            .where(
                delivery.c.run_id == run_id,
                delivery.c.customer_id == bindparam("of"),
                delivery.c.state == State.SKIPPED,
            )
            .values({name: bindparam(name) for name in _AGAIN}),
            [_again(new, now) for new in again],
        )
    records: dict[int, tuple[Sequence[Mapping[str, Any]], str | None]] = {}
    for notice, new in chunk:
        begins = notice.kind is Kind.FIRST and notice.skip is None
        thread = (notice.in_reply_to or new.message_id) if begins else None
        records[notice.customer_key] = (notice.points, thread)
    await _record(conn, wanted, records, now)
    return min(sum(1 for notice, _ in chunk if notice.skip is None), made + len(again))


_AGAIN = (
    "state",
    "reason",
    "kind",
    "context",
    "email",
    "email_key",
    "not_before",
    "message_id",
    "updated_at",
)


def _again(new: NewDelivery, now: datetime) -> dict[str, Any]:
    return {"of": new.customer_key, "updated_at": now} | {
        name: getattr(new, name) for name in _AGAIN if name != "updated_at"
    }


async def _record(
    conn: AsyncConnection,
    wanted: Publication,
    records: Mapping[int, tuple[Sequence[Mapping[str, Any]], str | None]],
    now: datetime,
) -> None:
    """Note what the incident is to these customers; a thread that has begun is kept."""
    values = [
        {
            "incident_id": wanted.incident_id,
            "customer_id": key,
            "state": wanted.states.get(key) or wanted.people[key].state or RecipientState.AFFECTED,
            "points": [dict(point) for point in points],
            "first_message_id": thread,
            "joined_at": now,
        }
        for key, (points, thread) in records.items()
    ]
    if not values:
        return
    row = insert(conn, incident_recipient)
    new = row.excluded
    await conn.execute(
        row.on_conflict_do_update(
            index_elements=["incident_id", "customer_id"],
            set_={
                "state": new.state,
                "points": new.points,
                "first_message_id": func.coalesce(
                    new.first_message_id, incident_recipient.c.first_message_id
                ),
            },
        ),
        values,
    )


async def _release(conn: AsyncConnection, run_id: int) -> None:
    """Senders may see it; a run that grew after it was finished goes on."""
    await conn.execute(
        update(run)
        .where(run.c.id == run_id, run.c.state.in_([RunState.PLANNING, RunState.FINISHED]))
        .values(state=RunState.QUEUED, finished_at=None)
    )
