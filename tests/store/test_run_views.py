"""Runs as people look at them, on both databases: one with what holds it, the newest, and those in a run."""

from __future__ import annotations

from datetime import timedelta

from mailer.core.delivery import Hold, State, Tally
from mailer.store.customers import Customers
from mailer.store.engine import Database
from mailer.store.run_views import RunViews
from mailer.store.switches import Switches
from mailer.store.tables import campaign_state
from tests.store.rows import NOW, a_customer_row, a_delivery, a_run, a_sender, add_many, put
from tests.store.test_holds import an_incident, held

LATER = NOW + timedelta(hours=2)


async def test_a_run_and_what_is_around_it(database: Database) -> None:
    views = RunViews(database)
    run = await a_run(database, campaign="offer", closes_at=LATER)
    await a_delivery(database, run, state=State.SENT, sent_at=NOW)
    await a_delivery(database, run, not_before=LATER)
    await a_delivery(database, run, not_before=LATER + timedelta(hours=1), reason=Hold.AFFECTED)
    found = await views.one(run)
    assert found is not None
    facts, scene = found
    assert (facts["campaign"], facts["purpose"], facts["closes_at"]) == ("offer", "commercial", LATER)
    assert scene.counts == Tally(audience=3, queued=2, sent=1)
    assert (scene.next_at, scene.senders, scene.halted_at, scene.campaign_paused) == (LATER, 0, None, False)
    assert scene.affected == 0, "no incident is there"
    await an_incident(database)
    await a_sender(database)
    await Switches(database).halt(NOW)
    await put(database, campaign_state, name="offer", first_seen_at=NOW, paused=True)
    _facts, scene = await views.one(run) or (None, scene)
    assert (scene.affected, scene.senders, scene.halted_at, scene.campaign_paused) == (1, 1, NOW, True)
    assert await views.one(run + 1) is None


async def test_the_run_of_an_incident_names_it(database: Database) -> None:
    number = await an_incident(database)
    run = await a_run(database, campaign="outage", incident_id=number, incident_update=1)
    found = await RunViews(database).one(run)
    assert found is not None
    assert (found[0]["incident"], found[0]["incident_title"]) == (number, "Fibre fault")


async def test_the_newest_runs_page_by_page(database: Database) -> None:
    views = RunViews(database)
    incident = await an_incident(database)
    runs = [await a_run(database, campaign=name) for name in ("offer", "welcome", "offer")]
    runs.append(await a_run(database, campaign="outage", incident_id=incident, incident_update=1))
    await add_many(database, runs[0], 2)
    assert [each.id for each in await views.newest(3)] == runs[:0:-1]
    (last,) = await views.newest(3, before=runs[1])
    assert (last.id, last.counts) == (runs[0], Tally(audience=2, queued=2))
    assert [each.id for each in await views.newest(9, campaign="offer")] == [runs[2], runs[0]]
    assert [each.id for each in await views.newest(9, incident=incident)] == [runs[3]]


async def test_who_is_in_a_run_by_state_and_reason(database: Database) -> None:
    views = RunViews(database)
    run = await a_run(database)
    await held(database)  # of another run
    await add_many(database, run, 5, state=State.SKIPPED, reason="capped")
    other = await a_delivery(database, run, state=State.SKIPPED, reason="no_consent")
    await a_delivery(database, run)
    first = await views.deliveries(run, State.SKIPPED, None, 0, 4)
    rest = await views.deliveries(run, State.SKIPPED, None, first[-1]["id"], 4)
    ids = [each["id"] for each in first + rest]
    assert len(first) == 4
    assert len(rest) == 2
    assert ids == sorted(ids)
    (alone,) = await views.deliveries(run, State.SKIPPED, "no_consent", 0, 4)
    assert (alone["id"], alone["state"]) == (other, "skipped")
    assert await views.deliveries(run, State.SENT, None, 0, 4) == []


async def test_a_customer_is_found_by_id_or_address(database: Database) -> None:
    customers = Customers(database)
    for ext_id in ("a", "b"):
        await a_customer_row(database, ext_id, email="Same@Shop.example")
    await a_customer_row(database, "@", email="")
    assert [each["id"] for each in await customers.find("a")] == ["a"]
    assert [each["id"] for each in await customers.find(" same@SHOP.example ")] == ["a", "b"]
    assert [each["id"] for each in await customers.find("@")] == ["@"]
    assert await customers.find("") == await customers.find("%") == []
