"""Mails that found no place, and the others of their customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import or_, select

from mailer.core.capped import Mail
from mailer.core.delivery import CLAIMABLE, Skip, State
from mailer.store.bulk import among
from mailer.store.dialect import slices
from mailer.store.engine import Database
from mailer.store.tables import cap_slot, customer, delivery, run

_MAILS = (
    select(
        delivery.c.customer_id, delivery.c.id, delivery.c.campaign, run.c.occurrence, delivery.c.priority,
        delivery.c.due_at, delivery.c.not_before, delivery.c.updated_at, cap_slot.c.local_day.label("place"),
        customer.c.zone,
    )
    .join(run, run.c.id == delivery.c.run_id)
    .join(customer, customer.c.id == delivery.c.customer_id)
    .outerjoin(cap_slot, cap_slot.c.delivery_id == delivery.c.id)
)  # fmt: skip


class Capped:
    """Reads them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def rivals(self, ids: Sequence[int]) -> list[tuple[Mail, list[Mail]]]:
        """Those of the deliveries that were capped, each with what else its customer got or waits for."""
        found: list[tuple[Mail, list[Mail]]] = []
        for part in slices(ids):
            async with self._db.read() as conn:
                dialect = conn.dialect.name
                capped = _MAILS.where(among(delivery.c.id, part, dialect), delivery.c.reason == Skip.CAPPED)
                mine = (await conn.execute(capped)).mappings().all()
                whose = sorted({row["customer_id"] for row in mine})
                rest = _MAILS.where(
                    among(delivery.c.customer_id, whose, dialect),
                    delivery.c.purpose == "commercial",
                    or_(cap_slot.c.local_day.is_not(None), delivery.c.state.in_((*CLAIMABLE, State.SENDING))),
                )
                others: dict[int, list[Mail]] = {}
                for row in (await conn.execute(rest.order_by(delivery.c.id))).mappings():
                    others.setdefault(row["customer_id"], []).append(_mail(dict(row)))
            found += [(_mail(dict(row)), others.get(row["customer_id"], [])) for row in mine]
        return found


def _mail(row: Mapping[str, Any]) -> Mail:
    return Mail(**{name: value for name, value in row.items() if name != "customer_id"})
