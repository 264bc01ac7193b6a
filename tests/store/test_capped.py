"""What else the customers of capped mails got, on both databases."""

from __future__ import annotations

from datetime import date

from mailer.store.capped import Capped
from mailer.store.engine import Database
from mailer.store.tables import cap_slot
from tests.store.rows import a_customer_row, a_delivery, a_run, put


async def test_rivals_are_the_mails_that_left_or_wait(database: Database) -> None:
    ids = {}
    for who in ("a", "b"):
        key = await a_customer_row(database, who, zone="Europe/Berlin" if who == "a" else None)
        for name, state, reason in (
            ("low", "skipped", "capped"),
            ("left", "sent", None),
            ("waits", "queued", None),
            ("no", "skipped", "holdout"),
        ):
            run = await a_run(database, name)
            ids[who, name] = await a_delivery(database, run, key, campaign=name, state=state, reason=reason)
        await put(
            database,
            cap_slot,
            customer_id=key,
            local_day=date(2027, 1, 15),
            slot=0,
            delivery_id=ids[who, "left"],
        )
    found = await Capped(database).rivals(sorted(ids.values()))
    assert {mine.id: [each.id for each in others] for mine, others in found} == {
        ids[who, "low"]: [ids[who, "left"], ids[who, "waits"]] for who in ("a", "b")
    }
    [(mine, [left, waits])] = await Capped(database).rivals([ids["a", "low"]])
    assert (mine.zone, left.place, waits.place) == ("Europe/Berlin", date(2027, 1, 15), None)
    assert left.campaign == "left"
    assert await Capped(database).rivals([]) == []
