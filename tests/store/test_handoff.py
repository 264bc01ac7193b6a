from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from mailer.core.delivery import Accepted, Failure, InDoubt, Phase, Refused, Reply, Skip, State, TryLater
from mailer.core.handoff import Drop, Finish, Go, HandoffFacts, Start, Verdict, Wait
from mailer.errors import Fenced, UsageError
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from mailer.store.senders import Senders
from mailer.store.switches import Switches
from mailer.store.tables import (
    campaign_state,
    coupon,
    customer,
    delivery,
    run,
    sender,
    suppression,
)
from tests.store.rows import NOW, a_coupon, a_customer_row, a_delivery, a_run, a_sender, events, one, put

OK = Accepted(Reply(250, "ok"))
LATER = NOW + timedelta(minutes=2)


def go(_facts: HandoffFacts) -> Verdict:
    return Go()


async def begun(database: Database, **values: Any) -> tuple[int, int]:
    """A sender, and a delivery it has marked `sending`."""
    ledger, mine = Ledger(database), await a_sender(database)
    found = await a_delivery(database, **values)
    assert await ledger.claim(mine, NOW, 1) == [found]
    assert await ledger.advance(mine, NOW, [], [Start(found, "<m@x>")], go) == {found: Go()}
    return mine, found


async def test_a_start_is_written_down_with_its_attempt_and_message_id(database: Database) -> None:
    mine, found = await begun(database)
    row = await one(database, delivery, found)
    assert (row["state"], row["attempts"], row["message_id"]) == (State.SENDING, 1, "<m@x>")
    assert row["sender_id"] == mine


async def test_the_message_id_stays_the_same_on_every_attempt(database: Database) -> None:
    mine, found = await begun(database)
    ledger = Ledger(database)
    later = Finish(found, NOW, TryLater(Phase.RCPT, Reply(451, "later")), next_attempt=LATER)
    await ledger.advance(mine, NOW, [later], [], go)
    assert await ledger.claim(mine, NOW, 1) == []
    assert await ledger.claim(mine, LATER, 1) == [found]
    await ledger.advance(mine, LATER, [], [Start(found, "<other@x>")], go)
    row = await one(database, delivery, found)
    assert (row["attempts"], row["message_id"]) == (2, "<m@x>")


@pytest.mark.parametrize(
    ("purpose", "finish", "row", "code"),
    [
        pytest.param("commercial", {"outcome": OK}, {"state": "sent", "sent_at": NOW, "reply": "250 ok"},
                     "issued", id="accepted"),
        pytest.param("commercial",
                     {"outcome": TryLater(Phase.CONNECT, None, "refused"), "next_attempt": LATER},
                     {"state": "deferred", "not_before": LATER, "reply": "refused", "phase": "connect"},
                     "reserved", id="later"),
        pytest.param("commercial", {"outcome": TryLater(Phase.RCPT, Reply(451, "x"))},
                     {"state": "expired", "not_before": NOW, "reply": "451 x"}, "released", id="over"),
        pytest.param("commercial", {"outcome": Refused(Phase.RCPT, Reply(550, "no"))},
                     {"state": "failed", "reason": "refused", "phase": "rcpt"}, "released", id="refused"),
        pytest.param("commercial", {"failure": Failure.RENDER, "detail": "no such name"},
                     {"state": "failed", "reason": "render", "reply": None}, "released", id="not made"),
        pytest.param("commercial", {"outcome": InDoubt("cut")},
                     {"state": "in_doubt", "phase": "dot"}, "quarantined", id="doubt, commercial"),
        pytest.param("service", {"outcome": InDoubt("cut"), "next_attempt": LATER},
                     {"state": "queued", "not_before": LATER, "message_id": "<m@x>"}, "reserved",
                     id="doubt, service"),
    ],
)  # fmt: skip
async def test_an_end_is_written_down(
    database: Database, purpose: str, finish: dict[str, Any], row: dict[str, Any], code: str
) -> None:
    mine, found = await begun(database, purpose=purpose)
    promised = await a_coupon(database, found)
    await Ledger(database).advance(mine, NOW, [Finish(found, NOW, **finish)], [], go)
    after = await one(database, delivery, found)
    assert {name: after[name] for name in row} == row
    assert after["sender_id"] is None
    assert (await one(database, coupon, promised))["state"] == code
    assert len(await events(database, found)) == (row["state"] != "sent")  # then the row says it all


async def test_saying_it_again_after_a_lost_commit_changes_nothing(database: Database) -> None:
    mine, found = await begun(database)
    ledger, again = Ledger(database), Start(found, "<m@x>")
    assert await ledger.advance(mine, NOW, [], [again], go) == {found: Go()}
    assert (await one(database, delivery, found))["attempts"] == 1
    for _ in range(2):
        await ledger.advance(mine, NOW, [Finish(found, NOW, OK)], [], go)
    assert await events(database, found) == []  # the row says it all


async def test_a_start_that_is_not_ours_waits(database: Database) -> None:
    ledger, mine, other = Ledger(database), await a_sender(database), await a_sender(database)
    free, theirs = await a_delivery(database), await a_delivery(database, sender_id=other)
    gone = await a_delivery(database, sender_id=mine, state="cancelled")
    starts = [Start(wanted, "<m@x>") for wanted in (free, theirs, gone, 999_999)]
    verdicts = await ledger.advance(mine, NOW, [], starts, go)
    assert verdicts == {start.delivery_id: Wait(None) for start in starts}
    assert (await one(database, delivery, theirs))["state"] == State.QUEUED


async def test_a_drop_ends_it_and_a_wait_puts_it_back(database: Database) -> None:
    ledger, mine = Ledger(database), await a_sender(database)
    rows = [await a_delivery(database, sender_id=mine, priority=each) for each in range(3)]
    codes = [await a_coupon(database, found) for found in rows]
    say: list[Verdict] = [Drop(State.SKIPPED, "unsubscribed"), Wait(LATER), Wait(None)]
    starts = [Start(found, f"<{found}@x>") for found in rows]
    verdicts = await ledger.advance(mine, NOW, [], starts, lambda facts: say[facts.priority])
    assert verdicts == dict(zip(rows, say, strict=True))
    after = [await one(database, delivery, found) for found in rows]
    assert [(row["state"], row["reason"], row["not_before"]) for row in after] == [
        ("skipped", "unsubscribed", NOW),
        ("queued", None, LATER),
        ("queued", None, NOW),
    ]
    assert {(row["sender_id"], row["attempts"], row["message_id"]) for row in after} == {(None, 0, None)}
    assert [(await one(database, coupon, code))["state"] for code in codes] == ["released", *["reserved"] * 2]
    assert [await events(database, found) for found in rows] == [["skipped"], [], []]


async def test_who_no_longer_fits_is_left_out(database: Database) -> None:
    ledger, mine = Ledger(database), await a_sender(database)
    left_out, goes = [await a_delivery(database, sender_id=mine) for _ in range(2)]
    starts = [Start(left_out, "<a@x>", Skip.GOAL_MET), Start(goes, "<b@x>")]
    await ledger.advance(mine, NOW, [], starts, go)
    rows = [await one(database, delivery, each) for each in (left_out, goes)]
    assert [(row["state"], row["reason"]) for row in rows] == [("skipped", "goal_met"), ("sending", None)]


async def test_those_of_whom_the_same_is_true_are_judged_once(database: Database) -> None:
    """And whoever has another mail, or had one lately, by what is true of them alone."""
    ledger, mine = Ledger(database), await a_sender(database)
    of = await a_run(database)
    alike = [await a_delivery(database, of, sender_id=mine) for _ in range(5)]
    two, other_zone = await a_customer_row(database), await a_customer_row(database, zone="Asia/Tokyo")
    apart = [await a_delivery(database, run, two, sender_id=mine) for run in (of, await a_run(database))]
    elsewhere = await a_delivery(database, of, other_zone, sender_id=mine)
    asked: list[tuple[str | None, int, int]] = []

    def look(facts: HandoffFacts) -> Verdict:
        asked.append((facts.zone, len(facts.waiting), len(facts.used)))
        return Go(NOW.date())

    starts = [Start(each, f"<{each}@x>") for each in (*alike, *apart, elsewhere)]
    verdicts = await ledger.advance(mine, NOW, [], starts, look)
    assert set(verdicts.values()) == {Go(NOW.date())}
    # The second of two sees that the first takes its place.
    assert asked == [(None, 0, 0), (None, 1, 0), (None, 0, 1), ("Asia/Tokyo", 0, 0)]


async def test_the_facts_are_those_of_the_moment(database: Database) -> None:
    ledger, mine, seen = Ledger(database), await a_sender(database), []
    person = await a_customer_row(database, "ayse", consent="no", zone="Europe/Berlin")
    of = await a_run(database, campaign="welcome", state="paused")
    found = await a_delivery(
        database, of, person, sender_id=mine, expires_at=LATER, context={"own_action_at": NOW.isoformat()}
    )
    await put(database, campaign_state, name="welcome", first_seen_at=NOW, paused=True)
    for scope, reason in (("all", "bounced"), ("commercial", "unsubscribed")):
        await put(
            database,
            suppression,
            email_key="ayse@shop.example",
            scope=scope,
            reason=reason,
            source="t",
            at=NOW,
        )
    await Switches(database).halt(NOW)

    def look(facts: HandoffFacts) -> Verdict:
        seen.append(facts)
        return Wait(None)

    await ledger.advance(mine, NOW, [], [Start(found, "<m@x>")], look)
    assert seen == [
        HandoffFacts(
            purpose="commercial", campaign="welcome", zone="Europe/Berlin", consent="no",
            suppressed=frozenset({"all", "commercial"}), suppression_reason="bounced", run_state="paused",
            campaign_paused=True, halted=True, expires_at=LATER, own_action_at=NOW,
                priority=40, due_at=NOW, not_before=NOW,
        )
    ]  # fmt: skip


async def test_a_fenced_sender_writes_nothing(database: Database) -> None:
    mine, found = await begun(database)
    waiting = await a_delivery(database, sender_id=mine)
    async with database.write() as connection:
        await connection.execute(update(sender).values(lease_until=0))
    await Senders(database).recover(NOW)
    with pytest.raises(Fenced):
        await Ledger(database).advance(mine, NOW, [Finish(found, NOW, OK)], [Start(waiting, "<n@x>")], go)
    assert (await one(database, delivery, found))["state"] == State.IN_DOUBT
    assert (await one(database, delivery, waiting))["attempts"] == 0


async def test_an_outcome_is_written_after_the_lease_ran_out_while_nobody_took_over(
    database: Database,
) -> None:
    mine, found = await begun(database)
    async with database.write() as connection:
        await connection.execute(update(sender).values(lease_until=0))
    await Ledger(database).advance(mine, NOW, [Finish(found, NOW, OK)], [], go)
    assert (await one(database, delivery, found))["state"] == State.SENT


async def test_a_later_sender_is_never_taken_for_a_dead_one(database: Database) -> None:
    mine, found = await begun(database)
    async with database.write() as connection:
        await connection.execute(update(sender).values(lease_until=0))
    await Senders(database).recover(NOW)
    assert await a_sender(database) != mine
    with pytest.raises(Fenced):
        await Ledger(database).advance(mine, NOW, [Finish(found, NOW, OK)], [], go)


async def test_an_unsubscribe_and_a_start_do_not_pass_each_other(postgresql_database: Database) -> None:
    database, judged = postgresql_database, []
    ledger, mine = Ledger(database), await a_sender(database)
    person = await a_customer_row(database)
    found = await a_delivery(database, None, person, sender_id=mine)

    def look(facts: HandoffFacts) -> Verdict:
        judged.append(facts.consent)
        return Go()

    async with database.write() as connection:
        await connection.execute(update(customer).where(customer.c.id == person).values(consent="no"))
        start = asyncio.create_task(ledger.advance(mine, NOW, [], [Start(found, "<m@x>")], look))
        await asyncio.sleep(0.2)
        assert not judged, "it waits for the unsubscribe to be committed"
    await start
    assert judged == ["no"]


@pytest.mark.parametrize("as_sent", [True, False], ids=["it was sent", "it goes out again"])
async def test_a_person_settles_a_doubt(database: Database, as_sent: bool) -> None:
    ledger = Ledger(database)
    of = await a_run(database, state="finished", finished_at=NOW)
    found = await a_delivery(database, of, state="in_doubt", message_id="<m@x>", attempts=1)
    promised = await a_coupon(database, found, state="quarantined")
    await ledger.settle(found, as_sent, LATER)
    row = await one(database, delivery, found)
    state = (await one(database, coupon, promised))["state"]
    if as_sent:
        assert (row["state"], row["sent_at"], state) == (State.SENT, LATER, "issued")
        with pytest.raises(UsageError, match="only a delivery in doubt"):
            await ledger.settle(found, as_sent, LATER)
    else:
        assert (row["state"], row["message_id"], state) == (State.QUEUED, "<m@x>", "reserved")
        assert (await one(database, run, of))["state"] == "running"
        assert await ledger.claim(await a_sender(database), LATER, 5) == [found]
    with pytest.raises(UsageError, match="no delivery 12345"):
        await ledger.settle(12345, as_sent, LATER)


async def test_a_coupon_used_meanwhile_stays_used(database: Database) -> None:
    mine, found = await begun(database)
    promised = await a_coupon(database, found, state="redeemed")
    await Ledger(database).advance(mine, NOW, [Finish(found, NOW, InDoubt())], [], go)
    assert (await one(database, coupon, promised))["state"] == "redeemed"


async def test_thousands_at_once(sqlite_database: Database) -> None:
    mine = await a_sender(sqlite_database)
    verdicts = await Ledger(sqlite_database).advance(
        mine, NOW, [], [Start(number, "<m@x>") for number in range(1, 3000)], go
    )
    assert len(verdicts) == 2999
