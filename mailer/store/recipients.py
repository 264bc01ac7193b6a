"""Who an incident is about, what each has been told, and the writing of what they are told next."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.delivery import CLAIMABLE, State
from mailer.core.incident import Incident
from mailer.core.notice import Person, RecipientState
from mailer.core.publication import Publication, Record
from mailer.core.run import NewDelivery, RunState
from mailer.core.standing import Kind
from mailer.store.addresses import hindered
from mailer.store.barred import beside
from mailer.store.bulk import among, rows_of
from mailer.store.dialect import insert, slices
from mailer.store.engine import Database
from mailer.store.holds import Holds, let_go_of
from mailer.store.households import Households, affected_people
from mailer.store.runs import insert_deliveries, open_run
from mailer.store.selection import in_run
from mailer.store.shards import Shards, announce
from mailer.store.tables import delivery, incident, incident_recipient, run
from mailer.store.unsettled import unsettled

#: Customers decided and written at a time: about a tenth of a second of the one writer's time.
CHUNK = 4_000

#: The first part is small: what is urgent begins to leave at once.
FIRST_CHUNK = 200


class Recipients(Households):
    """The recipients of incidents on the database; `shards` tell senders of several machines of each part."""

    def __init__(self, db: Database, shards: Shards | None = None) -> None:
        super().__init__(db)
        self._shards = shards

    async def sweep(self, of: Incident, campaign: str, now: datetime) -> int:
        """Take back at once what older updates still have queued; farewells hold. Returns how many.

        The decisions that follow would do the same, but one after the other.
        """
        wanted = (
            select(delivery.c.id)
            .join(run, run.c.id == delivery.c.run_id)
            .where(
                run.c.incident_id == of.id,
                run.c.campaign == campaign,
                run.c.incident_update < of.current.number,
                delivery.c.state.in_(CLAIMABLE),
                delivery.c.kind != Kind.UNAFFECTED,
            )
        )
        async with self._db.read() as conn:
            ids = (await conn.scalars(wanted)).all()
        swept = 0
        for part in slices(ids):
            async with self._db.write() as conn:
                swept += len(await _cancel(conn, part, now))
        return swept

    async def release(self, incident_id: int, now: datetime) -> int:
        """See `Holds.release`."""
        return await Holds(self._db, self._shards).release(incident_id, now)

    async def look(
        self, of: Incident, campaign: str, *, joining: bool = True, unhindered: bool = True
    ) -> AsyncIterator[Sequence[Person]]:
        """Everyone there may be something to decide about, in parts; who share an address come together.

        Without `joining` only those it was about before. Without `unhindered` only those whose address may keep
        them from being told.
        """
        async with self._db.read() as conn:
            wanted = await unsettled(conn, of, campaign, joining=joining)
            if not unhindered:
                wanted = await hindered(conn, wanted)
        done: set[int] = set()
        for part in (wanted[:FIRST_CHUNK], *slices(wanted[FIRST_CHUNK:], CHUNK)):
            if not part:
                continue
            async with self._db.read() as conn:
                people = await affected_people(conn, of, campaign, [key for key in part if key not in done])
            done.update(person.customer_key for person in people)
            yield people

    async def write(self, wanted: Publication, now: datetime) -> int | None:
        """Carry out a part of a publication in one transaction; returns how many notices were queued.

        None when a newer update was written meanwhile: nothing was done. Safe to repeat and to do twice at
        once: unique constraints decide. A move whose older notice has begun to leave is left out. Senders see
        each part at once: a notice needs no others to be whole, and an outage does not wait.
        """
        async with self._db.write() as conn:
            await beside(conn)
            if not await _newest(conn, wanted):
                return None
            back = set(await _cancel(conn, [each for move in wanted.moves for each in move.cancel], now))
            moves = [move for move in wanted.moves if back.issuperset(move.cancel)]
            deliveries = [pair for move in moves for pair in move.deliveries]
            queued = 0
            if deliveries:
                run_id = (await open_run(conn, wanted.run, now)).id
                fresh = [new for notice, new in deliveries if not notice.again]
                again = [new for notice, new in deliveries if notice.again]
                made = await insert_deliveries(conn, run_id, fresh, now, str)
                await _take_up(conn, run_id, again, now)
                await _go_on(conn, run_id)
                await announce(self._shards, conn, [run_id], now)
                queued = min(
                    made + len(again), sum(1 for _notice, new in deliveries if new.state == State.QUEUED)
                )
            records = [each for move in moves for each in move.records]
            await _record(conn, wanted.incident_id, records, now)
            left = [each.customer_key for each in records if each.state is RecipientState.LEFT]
            await let_go_of(conn, left, now, self._shards)
        return queued


async def _newest(conn: AsyncConnection, wanted: Publication) -> bool:
    """Whether no newer update was written; none can be until this transaction ends."""
    last = await conn.scalar(
        select(incident.c.last_update).where(incident.c.id == wanted.incident_id).with_for_update(read=True)
    )
    return bool(last == wanted.update)


async def _cancel(conn: AsyncConnection, ids: Sequence[int], now: datetime) -> Sequence[int]:
    """Take back what did not leave; a sender that holds one finds it is no longer its own."""
    back: list[int] = []
    for part in slices(ids):
        back += await conn.scalars(
            update(delivery)
            .where(among(delivery.c.id, part, conn.dialect.name), delivery.c.state.in_(CLAIMABLE))
            .values(state=State.CANCELLED, updated_at=now)
            .returning(delivery.c.id)
        )
    return back


_TAKEN_UP = (
    "state", "reason", "kind", "context", "email", "email_key", "not_before", "expires_at", "message_id",
)  # fmt: skip


async def _take_up(conn: AsyncConnection, run_id: int, rows: Sequence[NewDelivery], now: datetime) -> None:
    """What the run left out before, or could not deliver: the reason is gone, or another."""
    if not rows:
        return
    changed = {name: bindparam(f"new_{name}", type_=delivery.c[name].type) for name in _TAKEN_UP}
    values: list[dict[str, Any]] = [
        {"of": row.customer_key} | {f"new_{name}": getattr(row, name) for name in _TAKEN_UP} for row in rows
    ]
    await conn.execute(
        update(delivery)
        .where(
            *in_run(run_id),
            delivery.c.customer_id == bindparam("of"),
            delivery.c.state.in_((State.SKIPPED, State.FAILED)),
        )
        .values(changed | {"updated_at": now}),
        values,
    )


async def _go_on(conn: AsyncConnection, run_id: int) -> None:
    """A run that grew after it was finished goes on."""
    await conn.execute(
        update(run)
        .where(run.c.id == run_id, run.c.state == RunState.FINISHED)
        .values(state=RunState.QUEUED, finished_at=None)
    )


async def _record(conn: AsyncConnection, incident_id: int, records: Sequence[Record], now: datetime) -> None:
    """Note what the incident is to these customers; the thread that stands is kept where none begins."""
    if not records:
        return
    columns = rows_of(
        conn, incident_recipient, ("customer_id", "state", "points", "first_message_id"),
        [(record.customer_key, record.state, record.points, record.thread) for record in records],
        {"incident_id": incident_id, "joined_at": now},
    )  # fmt: skip
    row = insert(conn, incident_recipient).from_select(*columns)
    new = row.excluded
    thread = func.coalesce(new.first_message_id, incident_recipient.c.first_message_id)
    await conn.execute(
        row.on_conflict_do_update(
            index_elements=["incident_id", "customer_id"],
            set_={"state": new.state, "points": new.points, "first_message_id": thread},
        )
    )
