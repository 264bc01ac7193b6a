"""Marketing that waits until an incident is over: whom one affects now, what waits for it, and letting that go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Join, and_, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.delivery import Hold
from mailer.core.notice import RecipientState
from mailer.store.bulk import among
from mailer.store.dialect import slices
from mailer.store.engine import Database
from mailer.store.moments import known
from mailer.store.shards import Shards, announce
from mailer.store.statements import Reading
from mailer.store.tables import HOLDS_MARKETING, UNSENT, customer, delivery, incident, incident_recipient

#: Deliveries let go in one transaction.
CHUNK = 1_000

#: Whether there is any such incident; a database finds out once for a statement, in an index that is mostly empty.
ANY = f"exists (select 1 from incident where {HOLDS_MARKETING})"

_HELD = and_(text(UNSENT), delivery.c.reason == Hold.AFFECTED)

#: The record an incident is about. Who reads its mail is affected, whatever other records share the address.
_other = customer.alias("other")

_AFFECTED = Reading(
    {"id": "own.id", "since": "coalesce(incident.starts_at, incident.published_at)"},
    f"""
    cross join customer as own cross join customer as other cross join incident cross join incident_recipient
    where own.id = wanted.id and other.email_key = own.email_key and own.email_key <> ''
        and incident_recipient.customer_id = other.id and incident_recipient.incident_id = incident.id
        and incident_recipient.state <> '{RecipientState.LEFT}' and {HOLDS_MARKETING}
    """,
)


async def affected(connection: AsyncConnection, customers: Sequence[int]) -> dict[int, datetime]:
    """Since when incidents that hold marketing affect who reads the mail of these customers; only those affected.

    An outage does from when it was published, planned work from when it was to begin.
    """
    found: dict[int, datetime] = {}
    for row in await _AFFECTED.run(connection, customers):
        since = known(row.since)
        found[row.id] = min(since, found.get(row.id, since))
    return found


def is_affected() -> ColumnElement[bool]:
    """Whether an incident that holds marketing affects whoever reads a customer's mail."""
    return customer.c.email_key.in_(
        select(_other.c.email_key)
        .join(incident_recipient, incident_recipient.c.customer_id == _other.c.id)
        .join(incident, incident.c.id == incident_recipient.c.incident_id)
        .where(
            incident_recipient.c.state != RecipientState.LEFT, text(HOLDS_MARKETING), _other.c.email_key != ""
        )
    )


async def let_go_of(
    connection: AsyncConnection, customers: Sequence[int], now: datetime, shards: Shards | None
) -> None:
    """What is held for these customers, and for whoever shares an address with one, is due at once."""
    for part in slices(customers):
        theirs = select(_other.c.email_key).where(among(_other.c.id, part, connection.dialect.name))
        readers = select(customer.c.id).where(customer.c.email_key.in_(theirs))
        await _let_go(connection, delivery.c.customer_id.in_(readers), now, shards)


async def _let_go(
    connection: AsyncConnection, wanted: ColumnElement[bool], now: datetime, shards: Shards | None
) -> int:
    """Senders look at it again, whether another incident holds it; what one has in hand this moment is left out."""
    locked = select(delivery.c.id).where(wanted, _HELD).with_for_update(skip_locked=True)
    ids = (await connection.scalars(locked)).all()
    if not ids:
        return 0
    runs = await connection.scalars(
        update(delivery)
        .where(among(delivery.c.id, ids, connection.dialect.name))
        .values(not_before=now, reason=None, updated_at=now)
        .returning(delivery.c.run_id)
    )
    await announce(shards, connection, sorted(set(runs.all())), now)
    return len(ids)


async def held_by(connection: AsyncConnection, incident_id: int) -> int:
    """How many deliveries wait for an incident to be over; each may wait for others as well."""
    wanted = (
        select(func.count(delivery.c.id.distinct()))
        .select_from(_recipients())
        .join(incident, incident.c.id == incident_recipient.c.incident_id)
        .where(incident.c.id == incident_id, _holding())
    )
    return await connection.scalar(wanted) or 0


def _holding() -> ColumnElement[bool]:
    """Whether what is held is held for a recipient and an incident."""
    return and_(incident_recipient.c.state != RecipientState.LEFT, text(HOLDS_MARKETING), _HELD)


def _recipients() -> Join:
    """Recipients of incidents, with the deliveries to their addresses."""
    return (
        incident_recipient.join(_other, _other.c.id == incident_recipient.c.customer_id)
        .join(customer, and_(customer.c.email_key == _other.c.email_key, customer.c.email_key != ""))
        .join(delivery, delivery.c.customer_id == customer.c.id)
    )


class Holds:
    """What is held. `shards` tell senders of several machines what is let go."""

    def __init__(self, db: Database, shards: Shards | None = None) -> None:
        self._db = db
        self._shards = shards

    async def release(self, incident_id: int, now: datetime) -> int:
        """What is held for those whom an incident affected is due at once; returns how much that is.

        One transaction for every thousand: nothing else waits for long.
        """
        wanted = (
            select(delivery.c.id)
            .select_from(_recipients())
            .where(incident_recipient.c.incident_id == incident_id, _HELD)
            .distinct()
        )
        async with self._db.read() as connection:
            ids = (await connection.scalars(wanted)).all()
        released = 0
        for part in slices(ids, CHUNK):
            async with self._db.write() as connection:
                these = among(delivery.c.id, part, self._db.dialect)
                released += await _let_go(connection, these, now, self._shards)
        return released

    async def by_run(self) -> dict[int, int]:
        """How many deliveries of a run are held; of the runs that have any."""
        wanted = (
            select(delivery.c.run_id, func.count(delivery.c.id.distinct()).label("n"))
            .select_from(_recipients())
            .join(incident, incident.c.id == incident_recipient.c.incident_id)
            .where(_holding())
            .group_by(delivery.c.run_id)
            .order_by(delivery.c.run_id)
        )
        async with self._db.read() as connection:
            return {row.run_id: row.n for row in await connection.execute(wanted)}
