"""When first notices of an incident's publication left, on both databases."""

from __future__ import annotations

from datetime import timedelta

from mailer.core.incident_speed import HandedOver
from mailer.store.engine import Database
from mailer.store.incidents import Incidents
from tests.store.rows import NOW, a_delivery, a_run
from tests.store.test_holds import an_incident

SECOND = timedelta(seconds=1)


async def test_only_those_who_were_to_be_told_then_count(database: Database) -> None:
    store = Incidents(database)
    number, other = await an_incident(database), await an_incident(database)
    assert await store.handed_over(number) == HandedOver()
    # A draft may be corrected before it is published: its first notices need not be of its first update.
    runs = {
        (of, update): await a_run(
            database, "outage", purpose="service", incident_id=of, incident_update=update
        )
        for of, update in ((number, 2), (number, 3), (other, 1))
    }
    for of, update, kind, state, seconds in (
        (number, 2, "first", "sent", 4),
        (number, 2, "first", "sent", 2),
        (number, 2, "first", "sent", 9),
        (number, 2, "first", "failed", 1),
        (number, 2, "update", "sent", 1),
        (number, 3, "first", "sent", 60),  # joined later
        (other, 1, "first", "sent", 1),
    ):
        await a_delivery(database, runs[of, update], kind=kind, state=state, sent_at=NOW + seconds * SECOND)
    assert await store.handed_over(number) == HandedOver(NOW + 2 * SECOND, NOW + 9 * SECOND)
