"""Incidents and their updates. An update, once written, is never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.area import Area, Reach
from mailer.core.incident import CLOSED, Incident, IncidentState, Once, Update
from mailer.core.incident_facts import update_facts
from mailer.errors import Conflict
from mailer.store.addresses import addresses, count_unreachable
from mailer.store.affected import affected_ids, affected_points, anybody, unknown_lists, unmappable
from mailer.store.bulk import among
from mailer.store.dialect import insert, slices
from mailer.store.incident_outcomes import newest_update
from mailer.store.incident_places import Places
from mailer.store.tables import customer, incident, incident_update


class Incidents(Places):
    """Incidents on the database, with what their notices came to. Each method is one transaction."""

    async def create(self, first: Update, *, planned: bool, published: bool, once: Once | None = None) -> int:
        """Write an incident with its first update; returns its number.

        Raises:
            Conflict: the same is being asked for twice this moment.
        """
        async with self._db.write() as conn:
            incident_id = (
                await conn.execute(
                    insert(conn, incident)
                    .values(
                        **_standing(first),
                        planned=planned,
                        opened_at=first.at,
                        published_at=first.at if published else None,
                        published_by=first.by if published else None,
                        last_update=first.number,
                    )
                    .returning(incident.c.id)
                )
            ).scalar_one()
            await _write(conn, incident_id, first, once)
        return int(incident_id)

    async def append(self, incident_id: int, new: Update, once: Once | None = None) -> None:
        """Write the next update.

        Raises:
            Conflict: somebody else wrote one meanwhile.
        """
        async with self._db.write() as conn:
            moved = await conn.scalar(
                update(incident)
                .where(incident.c.id == incident_id, incident.c.last_update == new.number - 1)
                .values(**_standing(new), last_update=new.number)
                .returning(incident.c.id)
            )
            if moved is None:
                raise Conflict(
                    f"Incident {incident_id} was updated by somebody else just now; look at it and try again"
                )
            await _write(conn, incident_id, new, once)

    async def known(self, key: str) -> tuple[int, int, str] | None:
        """What was done under an Idempotency-Key: the incident, the update, and a digest of what was asked."""
        asked = select(
            incident_update.c.incident_id, incident_update.c.number, incident_update.c.request_said
        ).where(incident_update.c.request_key == key)
        async with self._db.read() as conn:
            row = (await conn.execute(asked)).first()
        return None if row is None else (row.incident_id, row.number, row.request_said)

    async def publish(self, incident_id: int, number: int, now: datetime, by: str) -> None:
        """A draft becomes public as its update `number` has it.

        Raises:
            Conflict: it was published or updated meanwhile, so that nobody has looked at what would go out.
        """
        draft = incident.c.published_at.is_(None), incident.c.last_update == number
        async with self._db.write() as conn:
            found = await conn.scalar(
                update(incident)
                .where(incident.c.id == incident_id, *draft)
                .values(published_at=now, published_by=by)
                .returning(incident.c.id)
            )
        if found is None:
            raise Conflict(
                f"Incident {incident_id} was published or updated by somebody else just now; look at it and try again"
            )

    async def get(self, incident_id: int) -> Incident | None:
        """An incident with all its updates."""
        async with self._db.read() as conn:
            head = (
                (await conn.execute(select(incident).where(incident.c.id == incident_id))).mappings().first()
            )
            if head is None:
                return None
            rows = (
                await conn.execute(
                    select(incident_update)
                    .where(incident_update.c.incident_id == incident_id)
                    .order_by(incident_update.c.number)
                )
            ).mappings()
            return Incident(
                id=head["id"],
                planned=head["planned"],
                opened_at=head["opened_at"],
                published_at=head["published_at"],
                published_by=head["published_by"],
                updates=tuple(_update(row) for row in rows),
            )

    async def public(self, closed_since: datetime) -> list[int]:
        """The published incidents that are open, or were closed after `closed_since`; oldest first."""
        async with self._db.read() as conn:
            return list(
                await conn.scalars(
                    select(incident.c.id)
                    .join(incident_update, newest_update())
                    .where(
                        incident.c.published_at.is_not(None),
                        or_(incident.c.state.not_in(sorted(CLOSED)), incident_update.c.at > closed_since),
                    )
                    .order_by(incident.c.id)
                )
            )

    async def zones(self, area: Area) -> set[str | None]:
        """The time zones of those an area covers; None: the tenant's."""
        async with self._db.read() as conn:
            keys = sorted(await affected_ids(conn, area))
            found: set[str | None] = set()
            for part in slices(keys):
                found.update(
                    await conn.scalars(
                        select(customer.c.zone)
                        .where(among(customer.c.id, part, conn.dialect.name))
                        .distinct()
                    )
                )
        return found

    async def alarm(self, incident_id: int, number: int) -> bool:
        """Note that the promise of an update was not kept; whether nobody had noted it."""
        async with self._db.write() as conn:
            noted = await conn.scalar(
                update(incident)
                .where(incident.c.id == incident_id, incident.c.alarmed_update < number)
                .values(alarmed_update=number)
                .returning(incident.c.id)
            )
        return noted is not None

    async def anybody(self, area: Area) -> bool:
        """Whether an area covers somebody today."""
        async with self._db.read() as conn:
            return await anybody(conn, area)

    async def reach(self, area: Area, samples: int) -> Reach:
        """Whom an area covers today; the samples are spread evenly over them."""
        async with self._db.read() as conn:
            keys = sorted(await affected_ids(conn, area))
            lost = await unmappable(conn, area)
            chosen = keys[:: max(1, len(keys) // samples)][:samples]
            known = await addresses(conn, chosen)
            points = await affected_points(conn, area, chosen)
            unreachable = await count_unreachable(conn, keys)
        return Reach(
            count=len(keys),
            samples=tuple((known[key].id, points[key]) for key in chosen),
            unreachable=unreachable,
            unmappable=lost,
        )

    async def unknown_lists(self, names: Sequence[str]) -> Sequence[str]:
        """Those of the names no list has."""
        async with self._db.read() as conn:
            return await unknown_lists(conn, names)


async def _write(conn: AsyncConnection, incident_id: int, new: Update, once: Once | None) -> None:
    key, said = once or (None, None)
    values = {"incident_id": incident_id, "request_key": key, "request_said": said, **update_facts(new)}
    statement = insert(conn, incident_update).values(values)
    if once is not None:
        statement = statement.on_conflict_do_nothing(index_elements=["request_key"])
    if await conn.scalar(statement.returning(incident_update.c.number)) is None:
        raise Conflict("The same is being done under this key this moment; ask again")


def _standing(of: Update) -> dict[str, Any]:
    return {
        "title": of.title,
        "state": of.state,
        "starts_at": of.starts_at,
        "ends_at": of.ends_at,
        "lead": of.lead,
        "resolved_at": of.at if of.closes else None,
        "services": list(of.area.services),
        "postal": list(of.area.postal),
        "lists": list(of.area.lists),
        "exclusions": list(of.area.exclusions),
    }


def _update(row: RowMapping) -> Update:
    return Update(
        number=row["number"],
        state=IncidentState(row["state"]),
        title=row["title"],
        area=Area.from_json(row["area"]),
        at=row["at"],
        by=row["by"],
        message=row["message"],
        titles=tuple(sorted(row["titles"].items())),
        messages=tuple(sorted(row["messages"].items())),
        eta=row["eta"],
        next_update=row["next_update"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        lead=row["lead"],
        urgent=row["urgent"],
    )
