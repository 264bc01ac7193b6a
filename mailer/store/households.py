"""People who may be told of an incident, with whoever shares their address, and what each has been told."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.incident import Incident
from mailer.core.notice import Person, RecipientState
from mailer.core.standing import Told, standing
from mailer.store.addresses import addresses
from mailer.store.affected import Point, affected_points
from mailer.store.bulk import among
from mailer.store.dialect import slices
from mailer.store.engine import Database
from mailer.store.tables import customer, delivery, incident_recipient, run


class Households:
    """Reads them one by one."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def household(self, of: Incident, campaign: str, customer_key: int) -> Sequence[Person]:
        """A customer and whoever shares their address, as far as the incident is about them."""
        async with self._db.read() as conn:
            return await affected_people(conn, of, campaign, [customer_key])


async def affected_people(
    conn: AsyncConnection, of: Incident, campaign: str, keys: Sequence[int]
) -> Sequence[Person]:
    """These customers, and whoever shares an address with one, as far as the incident is about them."""
    known = await addresses(conn, keys)
    shared = {found.address for found in known.values() if found.address}
    for part in slices(sorted(shared)):
        same = among(customer.c.email_key, part, conn.dialect.name)
        found = (await conn.scalars(select(customer.c.id).where(same))).all()
        known |= await addresses(conn, sorted(set(found) - known.keys()))
    here: dict[int, tuple[Point, ...]] = {}
    before: dict[int, tuple[RecipientState, tuple[Point, ...]]] = {}
    told: dict[int, list[Told]] = {}
    for part in slices(sorted(known)):
        if not of.current.closes:  # nobody joins what is over
            here |= await affected_points(conn, of.current.area, part)
        before |= await _recorded(conn, of.id, part)
        told |= await _told(conn, of.id, campaign, part)
    return [
        Person(
            customer_key=key,
            id=where.id,
            email=where.email,
            address=where.address,
            affected=key in here,
            zone=where.zone,
            suppressed=where.suppressed,
            points=here[key] if key in here else before.get(key, (None, ()))[1],
            standing=standing(told.get(key, ()), of, where.address),
            state=before.get(key, (None, ()))[0],
        )
        for key, where in known.items()
        if key in here or key in before or key in told
    ]


async def _recorded(
    conn: AsyncConnection, incident_id: int, keys: Sequence[int]
) -> dict[int, tuple[RecipientState, tuple[Point, ...]]]:
    rows = await conn.execute(
        select(
            incident_recipient.c.customer_id, incident_recipient.c.state, incident_recipient.c.points
        ).where(
            incident_recipient.c.incident_id == incident_id,
            among(incident_recipient.c.customer_id, keys, conn.dialect.name),
        )
    )
    return {row.customer_id: (RecipientState(row.state), tuple(row.points)) for row in rows}


async def _told(
    conn: AsyncConnection, incident_id: int, campaign: str, keys: Sequence[int]
) -> dict[int, list[Told]]:
    rows = await conn.execute(
        select(
            delivery.c.customer_id, delivery.c.id, run.c.incident_update, delivery.c.kind, delivery.c.state,
            delivery.c.reason, delivery.c.email_key, delivery.c.message_id,
            func.coalesce(delivery.c.sent_at, delivery.c.updated_at),
        )
        .join(run, run.c.id == delivery.c.run_id)
        .where(
            run.c.incident_id == incident_id,
            run.c.campaign == campaign,
            among(delivery.c.customer_id, keys, conn.dialect.name),
        )
        .order_by(run.c.incident_update, run.c.id)
    )  # fmt: skip
    found: dict[int, list[Told]] = {}
    for customer_id, *rest in rows.all():
        found.setdefault(customer_id, []).append(Told(*rest))
    return found
