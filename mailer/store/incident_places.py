"""Where customers are, as far as an incident is concerned; and which services anybody uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import exists, func, or_, select

from mailer.core.area import Area
from mailer.core.incident_why import Place, Whereabouts
from mailer.store.affected import affected_points, uses
from mailer.store.incident_outcomes import Outcomes
from mailer.store.tables import customer, delivery, list_member, named_list, run, service_point


class Places(Outcomes):
    """Each method is one transaction that reads."""

    async def whereabouts(self, ext_id: str, area: Area) -> Whereabouts | None:
        """A customer by the shop's id, and what an area has to do with them; None: there is no such customer."""
        async with self._db.read() as conn:
            who = (
                await conn.execute(
                    select(customer.c.id, customer.c.services, customer.c.postal_code).where(
                        customer.c.ext_id == ext_id
                    )
                )
            ).first()
            if who is None:
                return None
            here = (await affected_points(conn, area, [who.id])).get(who.id)
            alone = replace(area, exclusions=())
            anyway = here is not None or who.id in await affected_points(conn, alone, [who.id])
            on = set(
                await conn.scalars(
                    select(named_list.c.name)
                    .join(list_member, list_member.c.list_id == named_list.c.id)
                    .where(list_member.c.customer_id == who.id)
                )
            )
            points = (
                await conn.execute(
                    select(service_point)
                    .where(service_point.c.customer_id == who.id)
                    .order_by(service_point.c.id)
                )
            ).all()
        ids = {each["id"] for each in here or ()}
        places = [
            Place(
                each.ext_id,
                (each.service,),
                each.postal_code,
                each.label,
                each.lat,
                each.lon,
                each.ext_id in ids,
            )
            for each in points
        ] or [Place("", tuple(who.services), who.postal_code, "", None, None, here is not None)]
        return Whereabouts(
            customer_key=who.id,
            covered=here is not None,
            but_for_exclusions=anyway,
            places=tuple(places),
            lists=tuple(name for name in area.lists if name in on),
            exclusions=tuple(name for name in area.exclusions if name in on),
        )

    async def notices(self, incident_id: int, customer_key: int) -> list[dict[str, Any]]:
        """Every delivery of an incident to a customer, oldest first."""
        wanted = (
            select(
                run.c.campaign, delivery.c.id.label("delivery"), run.c.incident_update.label("update"), delivery.c.kind,
                delivery.c.state, delivery.c.reason, delivery.c.not_before, delivery.c.sent_at, delivery.c.updated_at,
            )
            .join(run, run.c.id == delivery.c.run_id)
            .where(run.c.incident_id == incident_id, delivery.c.customer_id == customer_key)
            .order_by(run.c.incident_update, run.c.id)
        )  # fmt: skip
        async with self._db.read() as conn:
            return [dict(row) for row in (await conn.execute(wanted)).mappings()]

    async def unused(self, services: Sequence[str]) -> list[str]:
        """Those of the services that no customer and no point has."""
        async with self._db.read() as conn:
            return [
                name
                for name in services
                if not await conn.scalar(
                    select(
                        or_(
                            exists().where(service_point.c.service == name),
                            exists(select(1).select_from(customer).where(uses([name], conn.dialect.name))),
                        )
                    )
                )
            ]

    async def services(self) -> set[str]:
        """Every service that a customer or a point has; reads all of them."""
        async with self._db.read() as conn:
            lists = func.json_each if conn.dialect.name == "sqlite" else func.jsonb_array_elements_text
            each = lists(customer.c.services).table_valued("value", joins_implicitly=True)
            own = select(each.c.value).select_from(customer, each).distinct()
            return {
                *await conn.scalars(select(service_point.c.service).distinct()), *await conn.scalars(own),
            }  # fmt: skip
