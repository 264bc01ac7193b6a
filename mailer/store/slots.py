"""Places of commercial mails on customers' local days. A row in `cap_slot` decides between two senders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.cap import WEEK
from mailer.core.handoff import Waiting
from mailer.store.changes import Adding, Marking
from mailer.store.moments import known, known_day
from mailer.store.statements import Reading, Step, together

#: A local date is never further than this from the UTC date.
APART = timedelta(days=1)


class Taken(NamedTuple):
    """A place that is taken."""

    day: date
    slot: int
    delivery_id: int


class Places:
    """Commercial places of some customers, as one transaction sees and takes them."""

    def __init__(self, taken: dict[int, list[Taken]], waiting: Mapping[int, Sequence[Any]]) -> None:
        self._taken = taken
        self._waiting = waiting
        self._new: list[tuple[int, Taken]] = []  # customer, place
        self._gone: set[int] = set()  # deliveries that no longer wait

    @classmethod
    def found(cls, taken_rows: Sequence[Any], waiting_rows: Sequence[Any]) -> Places:
        """By what `taking` and `waits` found."""
        return cls(_taken(taken_rows), _by_customer(waiting_rows))

    def apart(self, customer: int, delivery_id: int) -> bool:
        """Whether a mail of this customer may have to be judged by others of theirs."""
        waits = self._waiting.get(customer, ())
        return customer in self._taken or len(waits) > 1 or any(each.id != delivery_id for each in waits)

    def used(self, customer: int, delivery_id: int) -> tuple[date, ...]:
        """Days on which other mails of the customer left, or may have."""
        return tuple(place.day for place in self._taken.get(customer, []) if place.delivery_id != delivery_id)

    def others(self, customer: int, delivery_id: int) -> tuple[Waiting, ...]:
        """The customer's other mails that have not left."""
        return tuple(
            as_waiting(each)
            for each in self._waiting.get(customer, ())
            if each.id != delivery_id and each.id not in self._gone
        )

    def settle(self, delivery_id: int) -> None:
        """This delivery no longer waits: it ended, or was dropped."""
        self._gone.add(delivery_id)

    def take(self, customer: int, delivery_id: int, day: date) -> None:
        """Take a place; `write` tells whether another sender was quicker."""
        self.settle(delivery_id)
        mine = self._taken.setdefault(customer, [])
        slot = 0
        if mine:
            if any(place.delivery_id == delivery_id for place in mine):
                return
            used = {place.slot for place in mine if place.day == day}
            slot = next(number for number in range(len(used) + 1) if number not in used)
        place = Taken(day, slot, delivery_id)
        mine.append(place)
        self._new.append((customer, place))

    async def write(self, connection: AsyncConnection) -> set[int]:
        """Write the places down; the deliveries that lost theirs to another sender."""
        if not self._new:
            return set()
        rows = [(customer, place.day, place.slot, place.delivery_id) for customer, place in self._new]
        wanted = {place.delivery_id for _customer, place in self._new}
        _, held = await together(connection, _TAKE.of(rows), _HELD.of(list(wanted)))
        return wanted - {row.id for row in held}


async def taken(
    connection: AsyncConnection, customers: Sequence[int], now: datetime
) -> dict[int, list[Taken]]:
    """The places of these customers that still count, by customer."""
    (found,) = await together(connection, taking(customers, now))
    return _taken(found)


def taking(customers: Sequence[int], now: datetime) -> Step:
    """See `taken`."""
    return _TAKEN.of(customers, since=now.date() - WEEK - APART)


def _taken(rows: Sequence[Any]) -> dict[int, list[Taken]]:
    found: dict[int, list[Taken]] = {}
    for row in rows:
        place = Taken(known_day(row.local_day), row.slot, row.delivery_id)
        found.setdefault(row.customer_id, []).append(place)
    return found


async def waiting(connection: AsyncConnection, customers: Sequence[int]) -> dict[int, list[Any]]:
    """The rows of these customers' commercial deliveries that have not left and may, by customer."""
    (found,) = await together(connection, waits(customers))
    return _by_customer(found)


def waits(customers: Sequence[int]) -> Step:
    """See `waiting`."""
    return _WAITING.of(customers)


def _by_customer(rows: Sequence[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.customer_id, []).append(row)
    return found


def as_waiting(row: Any) -> Waiting:
    """A row of `waiting`, as decisions take it."""
    return Waiting(
        row.customer_id, row.priority, known(row.due_at), row.campaign, known(row.not_before), row.id
    )


async def give_back(connection: AsyncConnection, deliveries: Sequence[int]) -> None:
    """These deliveries surely did not leave: their places are free."""
    await together(connection, giving_back(deliveries))


def giving_back(deliveries: Sequence[int]) -> Step:
    """See `give_back`."""
    return _GIVE_BACK.of(deliveries)


_TAKE = Adding(
    """
    insert into cap_slot (customer_id, local_day, slot, delivery_id)
    select customer_id, local_day, slot, delivery_id from {given} where true
    on conflict do nothing
    """,
    {"customer_id": "bigint", "local_day": "date", "slot": "smallint", "delivery_id": "bigint"},
)

_GIVE_BACK = Marking("delete from cap_slot where delivery_id {these}")

_HELD = Reading({"id": "cap_slot.delivery_id"}, "cross join cap_slot where cap_slot.delivery_id = wanted.id")

_TAKEN = Reading(
    {name: f"cap_slot.{name}" for name in ("customer_id", "local_day", "slot", "delivery_id")},
    "cross join cap_slot where cap_slot.customer_id = wanted.id and cap_slot.local_day >= :since",
)

# A paused mail may wait for weeks, and nobody else's mail yields to it for so long.
_WAITING = Reading(
    {
        name: f"delivery.{name}"
        for name in ("id", "customer_id", "priority", "due_at", "campaign", "not_before")
    },
    """
    cross join delivery
    where delivery.customer_id = wanted.id and delivery.purpose = 'commercial'
        and delivery.state in ('queued', 'deferred')
        and delivery.run_id not in (select id from run where state = 'paused')
        and delivery.campaign not in (select name from campaign_state where paused)
    """,
)
