"""Tickets of those an incident is about, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

from mailer.core.contacts import Span, Tickets
from mailer.store.engine import Database
from mailer.store.incidents import Incidents
from mailer.store.tables import customer_event
from tests.store.rows import NOW, a_customer_row, add
from tests.store.test_holds import an_incident

HOUR = timedelta(hours=1)
DAY = Span(NOW, NOW + 24 * HOUR)


async def did(database: Database, customer: int | None, at: datetime, name: str = "ticket.opened") -> None:
    await add(
        database, customer_event, ext_id=f"{customer}-{name}-{at}", customer_id=customer, name=name, at=at,
        stored_at=at, properties={},
    )  # fmt: skip


async def test_tickets_of_the_affected_are_counted_in_their_time(database: Database) -> None:
    store, later = Incidents(database), NOW + 100 * HOUR
    calls, twice, calm, other = [await a_customer_row(database) for _ in range(4)]
    number = await an_incident(database, calls, twice, calm)
    await an_incident(database, other)
    assert await store.tickets(number, DAY, later) is None, "the shop never told of a ticket"
    await did(database, other, NOW + HOUR)
    assert await store.tickets(number, DAY, later) == Tickets(3, 0, 0)
    for customer, at in (
        (calls, NOW - HOUR),  # before
        (calls, NOW),
        (twice, NOW + HOUR),
        (twice, NOW + 2 * HOUR),
        (calm, NOW + 24 * HOUR),  # that instant is over
        (None, NOW + HOUR),
    ):
        await did(database, customer, at)
    await did(database, calm, NOW + HOUR, "ticket.closed")
    assert await store.tickets(number, DAY, later) == Tickets(3, 3, 2)
    assert await store.tickets(number, DAY, NOW + HOUR) == Tickets(3, 2, 2), "as it stood an hour later"
    assert await store.tickets(number, Span(NOW, None), later) == Tickets(3, 4, 3)
