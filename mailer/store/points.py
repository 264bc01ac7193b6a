"""Service points: where a customer uses a service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, tuple_, update
from sqlalchemy import insert as plain_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.importing import RowFault
from mailer.core.merge import Fate
from mailer.core.point_row import PointRow
from mailer.store.engine import Database
from mailer.store.tables import customer, service_point

_EMPTY: dict[str, Any] = {"service": "", "postal_code": "", "lat": None, "lon": None, "label": ""}

Place = tuple[int, str]  # customer.id, the shop's id of the point


class Points:
    """Writes service points."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, rows: Sequence[PointRow], now: datetime) -> list[Fate | RowFault]:
        """What became of each row, in one transaction."""
        async with self._database.write() as connection:
            whom = await _whom(connection, rows)
            stored = await _stored(connection, rows, whom)
            after = dict(stored)
            fates: list[Fate | RowFault] = []
            for row in rows:
                if row.customer not in whom:
                    fates.append(RowFault(row.line, "customer", f"No customer has the id {row.customer!r}."))
                    continue
                place = (whom[row.customer], row.id)
                before = after.get(place)
                after[place] = {**(before or _EMPTY), **row.facts}
                fates.append(_fate(before, after[place]))
            await _write(connection, stored, after, now)
        return fates


def _fate(before: dict[str, Any] | None, after: dict[str, Any]) -> Fate:
    if before is None:
        return Fate.CREATED
    return Fate.UNCHANGED if before == after else Fate.UPDATED


async def _whom(connection: AsyncConnection, rows: Sequence[PointRow]) -> dict[str, int]:
    found = await connection.execute(
        select(customer.c.ext_id, customer.c.id).where(customer.c.ext_id.in_({row.customer for row in rows}))
    )
    return {row.ext_id: row.id for row in found}


async def _stored(
    connection: AsyncConnection, rows: Sequence[PointRow], whom: dict[str, int]
) -> dict[Place, dict[str, Any]]:
    point = service_point.c
    places = {(whom[row.customer], row.id) for row in rows if row.customer in whom}
    found = await connection.execute(
        select(point.customer_id, point.ext_id, *(point[name] for name in _EMPTY)).where(
            tuple_(point.customer_id, point.ext_id).in_(places)
        )
    )
    return {(row[0], row[1]): dict(zip(_EMPTY, row[2:], strict=True)) for row in found}


async def _write(
    connection: AsyncConnection,
    stored: dict[Place, dict[str, Any]],
    after: dict[Place, dict[str, Any]],
    now: datetime,
) -> None:
    new = [
        {"customer_id": place[0], "ext_id": place[1], "stored_at": now, **facts}
        for place, facts in after.items() if place not in stored
    ]  # fmt: skip
    if new:
        await connection.execute(plain_insert(service_point), new)
    changed = [
        {"the_customer": place[0], "the_point": place[1], **facts}
        for place, facts in after.items() if place in stored and stored[place] != facts
    ]  # fmt: skip
    if changed:
        await connection.execute(
            update(service_point).where(
                service_point.c.customer_id == bindparam("the_customer"),
                service_point.c.ext_id == bindparam("the_point"),
            ),
            changed,
        )
