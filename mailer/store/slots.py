"""Places of commercial mails on customers' local days. A row in `cap_slot` decides between two senders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.cap import WEEK
from mailer.core.delivery import State
from mailer.core.handoff import Waiting
from mailer.store.dialect import insert
from mailer.store.tables import cap_slot, delivery

#: A local date is never further than this from the UTC date.
APART = timedelta(days=1)

UNSENT = (State.QUEUED, State.DEFERRED)  # one that is being sent has its place


@dataclass(frozen=True, slots=True)
class Taken:
    """A place that is taken."""

    day: date
    slot: int
    delivery_id: int


class Places:
    """Commercial places of some customers, as one transaction sees and takes them."""

    def __init__(self, taken: dict[int, list[Taken]], waiting: dict[int, list[Waiting]]) -> None:
        self._taken = taken
        self._waiting = waiting
        self._new: list[tuple[int, Taken]] = []  # customer, place
        self._gone: set[int] = set()  # deliveries that no longer wait

    @classmethod
    async def of(cls, connection: AsyncConnection, customers: Sequence[int], now: datetime) -> Places:
        """The places and the waiting mails of these customers."""
        if not customers:
            return cls({}, {})
        return cls(await taken(connection, customers, now), await waiting(connection, customers))

    def used(self, customer: int, delivery_id: int) -> tuple[date, ...]:
        """Days on which other mails of the customer left, or may have."""
        return tuple(place.day for place in self._taken.get(customer, []) if place.delivery_id != delivery_id)

    def others(self, customer: int, delivery_id: int) -> tuple[Waiting, ...]:
        """The customer's other mails that have not left."""
        return tuple(
            each
            for each in self._waiting.get(customer, [])
            if each.delivery_id != delivery_id and each.delivery_id not in self._gone
        )

    def settle(self, delivery_id: int) -> None:
        """This delivery no longer waits: it ended, or was dropped."""
        self._gone.add(delivery_id)

    def take(self, customer: int, delivery_id: int, day: date) -> None:
        """Take a place; `write` tells whether another sender was quicker."""
        self.settle(delivery_id)
        mine = self._taken.setdefault(customer, [])
        if any(place.delivery_id == delivery_id for place in mine):
            return
        used = {place.slot for place in mine if place.day == day}
        place = Taken(day, next(number for number in range(len(used) + 1) if number not in used), delivery_id)
        mine.append(place)
        self._new.append((customer, place))

    async def write(self, connection: AsyncConnection) -> set[int]:
        """Write the places down; the deliveries that lost theirs to another sender."""
        if not self._new:
            return set()
        rows = [
            {
                "customer_id": customer,
                "local_day": place.day,
                "slot": place.slot,
                "delivery_id": place.delivery_id,
            }
            for customer, place in self._new
        ]
        await connection.execute(insert(connection, cap_slot).on_conflict_do_nothing(), rows)
        wanted = {place.delivery_id for _customer, place in self._new}
        mine = await connection.scalars(
            select(cap_slot.c.delivery_id).where(cap_slot.c.delivery_id.in_(wanted))
        )
        return wanted - set(mine.all())


async def taken(
    connection: AsyncConnection, customers: Sequence[int], now: datetime
) -> dict[int, list[Taken]]:
    """The places of these customers that still count, by customer."""
    found: dict[int, list[Taken]] = {}
    rows = await connection.execute(
        select(cap_slot).where(
            cap_slot.c.customer_id.in_(customers), cap_slot.c.local_day >= now.date() - WEEK - APART
        )
    )
    for row in rows:
        found.setdefault(row.customer_id, []).append(Taken(row.local_day, row.slot, row.delivery_id))
    return found


async def waiting(connection: AsyncConnection, customers: Sequence[int]) -> dict[int, list[Waiting]]:
    """The commercial deliveries of these customers that have not left, by customer."""
    found: dict[int, list[Waiting]] = {}
    rows = await connection.execute(
        select(
            delivery.c.id,
            delivery.c.customer_id,
            delivery.c.priority,
            delivery.c.due_at,
            delivery.c.campaign,
            delivery.c.not_before,
        ).where(
            delivery.c.customer_id.in_(customers),
            delivery.c.purpose == "commercial",
            delivery.c.state.in_(UNSENT),
        )
    )
    for row in rows:
        each = Waiting(row.customer_id, row.priority, row.due_at, row.campaign, row.not_before, row.id)
        found.setdefault(row.customer_id, []).append(each)
    return found


async def give_back(connection: AsyncConnection, deliveries: Sequence[int]) -> None:
    """These deliveries surely did not leave: their places are free."""
    if deliveries:
        await connection.execute(delete(cap_slot).where(cap_slot.c.delivery_id.in_(deliveries)))
