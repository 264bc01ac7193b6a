"""Marketing to whom an incident affects, on both databases: who that is, what waits, and when it goes on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from mailer.core.delivery import Accepted, Hold, Reply, Skip, State
from mailer.core.handoff import Finish, Go, HandoffFacts, Start, Verdict, Wait
from mailer.core.incident import HOLDS_MARKETING, IncidentState
from mailer.store import handoff
from mailer.store.claims import hold as take_up
from mailer.store.control import Control
from mailer.store.engine import Database
from mailer.store.holds import Holds
from mailer.store.incidents import Incidents
from mailer.store.ledger import Ledger
from mailer.store.tables import HOLDS_MARKETING as WRITTEN_OUT
from mailer.store.tables import delivery, incident, incident_recipient
from tests.store.rows import NOW, a_customer_row, a_delivery, a_run, a_sender, add, one, put
from tests.store.test_incidents import HOURS

HOUR = timedelta(hours=1)
LATER = NOW + timedelta(minutes=15)


async def an_incident(database: Database, *customers: int, **values: Any) -> int:
    """An outage that is published, and affects these customers."""
    state = values.pop("recipient", "affected")
    given: dict[str, Any] = {
        "title": "Fibre fault", "state": "investigating", "planned": False, "opened_at": NOW, "published_at": NOW,
        "services": [], "postal": [], "lists": [], "exclusions": [],
    }  # fmt: skip
    number = await add(database, incident, **(given | values))
    for each in customers:
        await put(
            database, incident_recipient, incident_id=number, customer_id=each, state=state, points=[], joined_at=NOW
        )  # fmt: skip
    return number


async def held(database: Database, customer: int | None = None, **values: Any) -> int:
    """An offer that waits for an incident."""
    given = {"reason": Hold.AFFECTED, "not_before": LATER} | values
    return await a_delivery(database, None, customer, **given)


def hold(facts: HandoffFacts) -> Verdict:
    return Wait(LATER, Hold.AFFECTED) if facts.affected_since is not None else Go()


def test_the_condition_written_out_says_what_core_says() -> None:
    named = {state for state in IncidentState if f"'{state}'" in WRITTEN_OUT}
    assert named == HOLDS_MARKETING


@pytest.mark.parametrize(
    ("values", "affected"),
    [
        pytest.param({}, True, id="an outage"),
        pytest.param({"state": "monitoring"}, True, id="mended, it seems"),
        pytest.param({"state": "reopened"}, True, id="back again"),
        pytest.param({"state": "resolved"}, False, id="over"),
        pytest.param({"state": "cancelled"}, False, id="a false alarm"),
        pytest.param({"published_at": None}, False, id="a draft"),
        pytest.param({"state": "scheduled", "planned": True}, False, id="work that was announced"),
        pytest.param({"state": "reminded", "planned": True}, False, id="work that was recalled"),
        pytest.param({"state": "in_progress", "planned": True}, True, id="work under way"),
        pytest.param({"state": "completed", "planned": True}, False, id="work that is done"),
        pytest.param({"recipient": "left"}, False, id="not affected any more"),
        pytest.param({"recipient": "duplicate"}, True, id="told under another record"),
        pytest.param({"recipient": "unreachable"}, True, id="nobody could tell them"),
    ],
)
async def test_whom_an_incident_affects(database: Database, values: dict[str, Any], affected: bool) -> None:
    ledger, mine = Ledger(database), await a_sender(database)
    theirs, others = await a_customer_row(database), await a_customer_row(database)
    await an_incident(database, theirs, **values)
    rows = [await a_delivery(database, None, each, sender_id=mine) for each in (theirs, others)]

    def look(facts: HandoffFacts) -> Verdict:
        return Wait(None if facts.affected_since is None else NOW)

    verdicts = await ledger.advance(mine, NOW, [], [Start(each, f"<{each}@x>") for each in rows], look)
    assert verdicts == dict(zip(rows, (Wait(NOW if affected else None), Wait(None)), strict=True))


@pytest.mark.parametrize(
    ("values", "since"),
    [
        pytest.param([{}], NOW, id="an outage"),
        pytest.param([{}, {"published_at": NOW - HOUR}], NOW - HOUR, id="the first of two"),
        pytest.param([{"state": "in_progress", "planned": True, "published_at": NOW - 48 * HOUR,
                       "starts_at": NOW - HOUR}], NOW - HOUR, id="work, announced two days ago"),
    ],
)  # fmt: skip
async def test_since_when(database: Database, values: list[dict[str, Any]], since: datetime) -> None:
    mine, customer = await a_sender(database), await a_customer_row(database)
    for each in values:
        await an_incident(database, customer, **each)
    found = await a_delivery(database, None, customer, sender_id=mine)
    seen: list[datetime | None] = []

    def look(facts: HandoffFacts) -> Verdict:
        seen.append(facts.affected_since)
        return Wait(None)

    await Ledger(database).advance(mine, NOW, [], [Start(found, "<m@x>")], look)
    assert seen == [since]


async def test_who_reads_the_same_mail_is_affected_too(database: Database) -> None:
    mine = await a_sender(database)
    affected = await a_customer_row(database, email="ayse@x.example")
    shares = await a_customer_row(database, email="Ayse@X.example")
    mute, nobody = [await a_customer_row(database, email="") for _ in range(2)]
    number = await an_incident(database, affected, mute)
    rows = [await a_delivery(database, None, each, sender_id=mine) for each in (shares, nobody)]
    starts = [Start(each, f"<{each}@x>") for each in rows]
    verdicts = await Ledger(database).advance(mine, NOW, [], starts, hold)
    assert verdicts == {rows[0]: Wait(LATER, Hold.AFFECTED), rows[1]: Go()}
    assert list((await Holds(database).by_run()).values()) == [1]
    assert await Holds(database).release(number, NOW) == 1


@pytest.mark.parametrize("state", [State.QUEUED, State.DEFERRED])
async def test_what_is_held_says_so_and_is_no_attempt(database: Database, state: State) -> None:
    ledger, mine = Ledger(database), await a_sender(database)
    customer = await a_customer_row(database)
    number = await an_incident(database, customer)
    found = await a_delivery(database, None, customer, state=state)
    assert await ledger.claim(mine, NOW, 1) == [found]
    start = [Start(found, "<m@x>")]
    assert await ledger.advance(mine, NOW, [], start, hold) == {found: Wait(LATER, Hold.AFFECTED)}
    row = await one(database, delivery, found)
    assert (row["state"], row["reason"], row["not_before"]) == (state, "affected", LATER)
    assert (row["attempts"], row["message_id"]) == (0, None)
    assert await ledger.claim(mine, NOW, 1) == []
    async with database.write() as connection:
        await connection.execute(update(incident).where(incident.c.id == number).values(state="resolved"))
    assert await ledger.claim(mine, LATER, 1) == [found], "it is looked at again all the same"
    assert await ledger.advance(mine, LATER, [], start, hold) == {found: Go()}
    assert (await one(database, delivery, found))["reason"] is None
    await ledger.advance(mine, LATER, [Finish(found, LATER, Accepted(Reply(250, "ok")))], [], hold)
    assert (await one(database, delivery, found))["state"] == State.SENT


async def test_what_an_incident_held_is_due_when_it_is_over(database: Database) -> None:
    mine, other = await a_customer_row(database), await a_customer_row(database)
    number = await an_incident(database, mine)
    waits = await held(database, mine)
    rest = [
        await held(database, other),  # of another incident
        await a_delivery(database, None, mine, not_before=LATER),  # a night
        await held(database, mine, state="skipped", reason=Skip.UNSUBSCRIBED),
        await a_delivery(database, None, mine, purpose="service", not_before=LATER),
    ]
    before = [await one(database, delivery, each) for each in rest]
    holds, now = Holds(database), NOW + timedelta(minutes=3)
    assert await holds.release(number, now) == 1
    row = await one(database, delivery, waits)
    assert (row["state"], row["reason"], row["not_before"]) == (State.QUEUED, None, now)
    assert [await one(database, delivery, each) for each in rest] == before
    assert await holds.release(number, now) == 0


async def test_how_much_is_held_is_counted_once(database: Database) -> None:
    customers = [await a_customer_row(database) for _ in range(3)]
    first, second = await a_run(database), await a_run(database)
    numbers = [await an_incident(database, *customers), await an_incident(database, customers[0])]
    for each in customers:
        await a_delivery(database, first, each, reason=Hold.AFFECTED, not_before=LATER)
    await a_delivery(database, second, customers[0], reason=Hold.AFFECTED, not_before=LATER)
    await a_delivery(database, second, customers[1])
    holds = Holds(database)
    assert await holds.by_run() == {first: 3, second: 1}
    store = Incidents(database)
    assert [(await store.outcome(each))["held"] for each in numbers] == [4, 2]
    async with database.write() as connection:
        await connection.execute(update(incident).where(incident.c.id == numbers[0]).values(state="resolved"))
    assert await holds.by_run() == {first: 1, second: 1}
    assert [(await store.outcome(each))["held"] for each in numbers] == [0, 2]


async def test_who_calls_a_run_off_leaves_no_word_of_the_incident(database: Database) -> None:
    found = await held(database)
    of = (await one(database, delivery, found))["run_id"]
    await Control(database, HOURS.zone).cancel(of, NOW)
    row = await one(database, delivery, found)
    assert (row["state"], row["reason"]) == (State.CANCELLED, None)


async def test_nobody_is_asked_about_while_no_incident_lasts(postgresql_database: Database) -> None:
    database = postgresql_database
    mine, customer = await a_sender(database), await a_customer_row(database)
    found = await a_delivery(database, None, customer)
    number = await an_incident(database, customer, state="resolved")
    asked = text("select coalesce(seq_scan, 0) + coalesce(idx_scan, 0) from pg_stat_xact_user_tables"
                 " where relname = 'incident_recipient'")  # fmt: skip

    async def looks() -> int:
        start = [Start(found, "<m@x>")]
        async with database.write() as connection:
            await take_up(connection, mine, [found])
            await handoff.advance(connection, mine, NOW, ends=[], starts=start, judge=lambda _: Wait(None))
            return int(await connection.scalar(asked) or 0)

    assert await looks() == 0
    async with database.write() as connection:
        await connection.execute(update(incident).where(incident.c.id == number).values(state="reopened"))
    assert await looks() > 0


async def test_a_sender_finds_open_incidents_by_their_index(sqlite_database: Database) -> None:
    asked = text(f"explain query plan select 1 from incident where {WRITTEN_OUT}")
    async with sqlite_database.read() as connection:
        plan = " ".join(row[3] for row in await connection.execute(asked))
    assert "INDEX ix_incident_holds" in plan
