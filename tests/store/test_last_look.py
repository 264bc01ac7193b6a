"""What the last look sees: the same for those of whom the same is true, and what others did while it waited."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.delivery import Accepted, Phase, Refused, Reply, Skip, State
from mailer.core.handoff import Drop, Finish, Go, HandoffFacts, Start, Verdict, Wait
from mailer.errors import Fenced
from mailer.store import handoff
from mailer.store.burial import let_go
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from mailer.store.tables import (
    cap_slot,
    coupon_reminder,
    customer,
    delivery,
    sender,
    suppression,
)
from tests.store.rows import NOW, a_coupon, a_customer_row, a_delivery, a_run, a_sender, one, put

TODAY = NOW.date()
SOON = NOW + timedelta(hours=1)


def starts(rows: Sequence[int]) -> list[Start]:
    return [Start(each, f"<{each}@x>") for each in rows]


def first_only(facts: HandoffFacts) -> Verdict:
    """One commercial mail a day."""
    return Drop(State.SKIPPED, Skip.CAPPED) if facts.used else Go(TODAY)


@pytest.mark.parametrize(
    "odd",
    [
        {"of": {"purpose": "service"}},
        {"of": {"campaign": "other"}},
        {"of": {"state": "paused"}},
        {"is_": {"expires_at": SOON}},
        {"is_": {"context": {"own_action_at": NOW.isoformat()}}},
        {"is_": {"priority": 41}},
        {"is_": {"due_at": SOON}},
        {"is_": {"not_before": SOON}},
        {"to": {"zone": "Asia/Tokyo"}},
        {"to": {"consent": "no"}},
        {"refused": "all"},
        {"refused": "commercial"},
        {"refused": "topic:news"},
        {"shows": {}},
        {"shows": {"valid_until": TODAY}},
    ],
    ids=str,
)
async def test_whoever_differs_in_anything_is_judged_by_themselves(
    database: Database, odd: dict[str, Any]
) -> None:
    """Whichever comes first."""
    ledger, mine = Ledger(database), await a_sender(database)
    usual = {"campaign": "offer", "topic": "news"}
    plain = [await a_delivery(database, await a_run(database, **usual)) for _ in range(2)]
    run = await a_run(database, **(usual | odd.get("of", {})))
    person = await a_customer_row(database, **odd.get("to", {}))
    found = await a_delivery(database, run, person, **odd.get("is_", {}))
    if "refused" in odd:
        key = (await one(database, delivery, found))["email_key"]
        await put(database, suppression, email_key=key, scope=odd["refused"], reason="x", source="t", at=NOW)
    if "shows" in odd:
        for each in (found, *plain) if odd["shows"] else (found,):
            worth = odd["shows"] if each == found else {}
            code = await a_coupon(database, await a_delivery(database), state="issued", **worth)
            await put(database, coupon_reminder, delivery_id=each, coupon_id=code)
    for order in ([found, *plain], [*plain, found]):
        seen: list[HandoffFacts] = []

        def look(facts: HandoffFacts, seen: list[HandoffFacts] = seen) -> Verdict:
            seen.append(facts)
            return Wait(None, str(len(seen)))

        async with database.write() as connection:
            await connection.execute(update(delivery).where(delivery.c.id.in_(order)).values(sender_id=mine))
        verdicts = await ledger.advance(mine, NOW, [], starts(order), look)
        assert [verdicts[each] == verdicts[plain[0]] for each in order] == [each != found for each in order]
        assert len(seen) == 2
        assert seen[0] != seen[1]


async def test_a_start_said_again_is_judged_by_the_customers_other_mail(database: Database) -> None:
    """It waits no more itself, and has no place yet that would tell."""
    ledger, mine = Ledger(database), await a_sender(database)
    person, seen = await a_customer_row(database), []
    other = await a_delivery(database, None, person)
    run = await a_run(database)
    plain = await a_delivery(database, run, sender_id=mine)
    again = await a_delivery(database, run, person, sender_id=mine, state="sending", attempts=1)

    def look(facts: HandoffFacts) -> Verdict:
        seen.append([each.delivery_id for each in facts.waiting])
        return Go()

    await ledger.advance(mine, NOW, [], starts([plain, again]), look)
    assert seen == [[], [other]]
    assert (await one(database, delivery, again))["attempts"] == 1


async def test_who_is_left_out_takes_no_place_from_their_other_mail(database: Database) -> None:
    ledger, mine = Ledger(database), await a_sender(database)
    person = await a_customer_row(database)
    unfit, other, third = [await a_delivery(database, None, person, sender_id=mine) for _ in range(3)]
    begin = [Start(unfit, "<a@x>", Skip.GOAL_MET), Start(other, "<b@x>"), Start(third, "<c@x>")]
    assert await ledger.advance(mine, NOW, [], begin, first_only) == {
        unfit: Drop(State.SKIPPED, Skip.GOAL_MET),
        other: Go(TODAY),
        third: Drop(State.SKIPPED, Skip.CAPPED),
    }
    async with database.read() as connection:
        assert (await connection.execute(select(cap_slot.c.delivery_id, cap_slot.c.local_day))).all() == [
            (other, TODAY)
        ]


async def test_what_ended_or_was_dropped_is_nothing_to_yield_to_and_keeps_no_place(
    database: Database,
) -> None:
    """All in one transaction: a refusal, what is dropped, and what may go because of both."""
    ledger, mine = Ledger(database), await a_sender(database)
    person = await a_customer_row(database)
    refused, dropped, goes = [
        await a_delivery(database, None, person, sender_id=mine, priority=each) for each in (9, 8, 7)
    ]
    assert await ledger.advance(mine, NOW, [], starts([refused]), first_only) == {refused: Go(TODAY)}
    seen = []

    def look(facts: HandoffFacts) -> Verdict:
        seen.append((len(facts.used), [each.delivery_id for each in facts.waiting]))
        return Drop(State.SKIPPED, "x") if facts.priority == 8 else Go(TODAY)

    end = Finish(refused, NOW, Refused(Phase.RCPT, Reply(550, "no")))
    await ledger.advance(mine, NOW, [end], starts([dropped, goes]), look)
    assert seen == [(0, [goes]), (0, [])]
    states = [(await one(database, delivery, each))["state"] for each in (refused, dropped, goes)]
    assert states == ["failed", "skipped", "sending"]


async def test_a_mail_that_left_keeps_its_place(database: Database) -> None:
    ledger, mine = Ledger(database), await a_sender(database)
    person = await a_customer_row(database)
    left, late = [await a_delivery(database, None, person, sender_id=mine) for _ in range(2)]
    await ledger.advance(mine, NOW, [], starts([left]), first_only)
    end = Finish(left, NOW, Accepted(Reply(250)))
    verdicts = await ledger.advance(mine, NOW, [end], starts([late]), first_only)
    assert verdicts == {late: Drop(State.SKIPPED, Skip.CAPPED)}


async def test_a_place_somebody_else_took_all_the_same_is_lost(database: Database) -> None:
    """The row decides, whoever else was allowed to think that it was free."""
    ledger, mine = Ledger(database), await a_sender(database)
    person = await a_customer_row(database)
    other, found, alone = (
        await a_delivery(database, None, person, state="sending"),
        await a_delivery(database, None, person, sender_id=mine),
        await a_delivery(database, sender_id=mine),
    )
    long_ago = date(2027, 1, 1)  # no place on that day is looked at any more
    await put(database, cap_slot, customer_id=person, local_day=long_ago, slot=0, delivery_id=other)
    begin = starts([found, alone])
    assert await ledger.advance(mine, NOW, [], begin, lambda _facts: Go(long_ago)) == {
        found: Drop(State.SKIPPED, Skip.CAPPED),
        alone: Go(long_ago),
    }
    rows = [await one(database, delivery, each) for each in (found, alone)]
    assert [(row["state"], row["reason"]) for row in rows] == [("skipped", "capped"), ("sending", None)]


async def until_it_waits(connection: AsyncConnection) -> None:
    """Returns as soon as somebody waits for what this transaction locked."""
    mine = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
    waiting = text("select count(*) from pg_stat_activity where :mine = any(pg_blocking_pids(pid))")
    async with asyncio.timeout(10):
        while not await connection.scalar(waiting, {"mine": mine}):
            await asyncio.sleep(0.01)
            await connection.execute(text("select pg_stat_clear_snapshot()"))


async def test_of_two_senders_one_sees_the_place_the_other_took_while_it_waited(
    postgresql_database: Database,
) -> None:
    database = postgresql_database
    ledger, mine, theirs = Ledger(database), await a_sender(database), await a_sender(database)
    person = await a_customer_row(database)
    first = await a_delivery(database, None, person, sender_id=mine)
    second = await a_delivery(database, None, person, sender_id=theirs)
    async with database.write() as connection:
        verdicts = await handoff.advance(
            connection, mine, NOW, ends=[], starts=starts([first]), judge=first_only
        )
        assert verdicts == {first: Go(TODAY)}
        other = asyncio.create_task(ledger.advance(theirs, NOW, [], starts([second]), first_only))
        await until_it_waits(connection)
    assert await other == {second: Drop(State.SKIPPED, Skip.CAPPED)}


@pytest.mark.parametrize("by", ["customer", "address"])
async def test_an_unsubscribe_while_it_waited_is_seen(postgresql_database: Database, by: str) -> None:
    database = postgresql_database
    ledger, mine = Ledger(database), await a_sender(database)
    person = await a_customer_row(database)
    found = await a_delivery(database, None, person, sender_id=mine)
    many = [await a_delivery(database, sender_id=mine) for _ in range(3)]

    def look(facts: HandoffFacts) -> Verdict:
        stays = facts.consent == "yes" and not facts.suppressed
        return Go(TODAY) if stays else Drop(State.SKIPPED, Skip.UNSUBSCRIBED)

    async with database.write() as connection:
        await connection.execute(
            update(customer)
            .where(customer.c.id == person)
            .values({"consent": "no"} if by == "customer" else {"first_name": "x"})
        )
        start = asyncio.create_task(ledger.advance(mine, NOW, [], starts([found, *many]), look))
        await until_it_waits(connection)
        if by == "address":
            key = (await one(database, customer, person))["email_key"]
            await connection.execute(
                suppression.insert().values(
                    email_key=key, scope="commercial", reason="unsubscribed", source="t", at=NOW
                )
            )
    assert await start == {found: Drop(State.SKIPPED, Skip.UNSUBSCRIBED)} | dict.fromkeys(many, Go(TODAY))


async def test_an_outcome_does_not_cover_what_became_of_it_while_it_waited(
    postgresql_database: Database,
) -> None:
    database = postgresql_database
    mine = await a_sender(database)
    found = await a_delivery(database, state="sending", sender_id=mine, attempts=1)
    end = Finish(found, NOW, Accepted(Reply(250)))
    async with database.write() as connection:
        await connection.execute(
            update(delivery).where(delivery.c.id == found).values(state="cancelled", sender_id=None)
        )
        ending = asyncio.create_task(Ledger(database).advance(mine, NOW, [end], [], first_only))
        await until_it_waits(connection)
    await ending
    assert (await one(database, delivery, found))["state"] == State.CANCELLED


async def test_a_sender_recovered_while_it_waited_is_fenced(postgresql_database: Database) -> None:
    database = postgresql_database
    ledger, mine = Ledger(database), await a_sender(database)
    found = await a_delivery(database)
    assert await ledger.claim(mine, NOW, 1) == [found]
    async with database.write() as connection:
        await connection.execute(select(sender.c.id).where(sender.c.id == mine).with_for_update())
        start = asyncio.create_task(ledger.advance(mine, NOW, [], starts([found]), first_only))
        await until_it_waits(connection)
        await let_go(connection, mine, None, NOW, 0.5)
    with pytest.raises(Fenced):
        await start
    assert (await one(database, delivery, found))["state"] == State.QUEUED


async def test_nobody_recovers_a_sender_that_is_writing(postgresql_database: Database) -> None:
    database = postgresql_database
    mine = await a_sender(database)
    async with database.write() as connection:
        await handoff.advance(connection, mine, NOW, ends=[], starts=starts([1]), judge=first_only)
        async with database.write() as other:
            dead = select(sender.c.id).where(sender.c.id == mine).with_for_update(skip_locked=True)
            assert (await other.execute(dead)).all() == []


async def test_what_met_another_change_is_tried_again_with_all_that_was_known(
    postgresql_database: Database,
) -> None:
    """Each waits for what the other has. PostgreSQL breaks off who has waited for a second, which is the sender."""
    database = postgresql_database
    ledger, mine = Ledger(database), await a_sender(database)
    person = await a_customer_row(database)
    unfit = await a_delivery(database, None, person, sender_id=mine)
    goes = await a_delivery(database, sender_id=mine)
    looked = []

    def look(facts: HandoffFacts) -> Verdict:
        looked.append(facts.zone)
        return Go(TODAY)

    begin = [Start(unfit, "<a@x>", Skip.GOAL_MET), Start(goes, "<b@x>")]
    async with database.write() as connection:
        await connection.execute(text("set local deadlock_timeout = '1min'"))
        await connection.execute(update(customer).where(customer.c.id == person).values(zone="Asia/Tokyo"))
        start = asyncio.create_task(ledger.advance(mine, NOW, [], begin, look))
        await until_it_waits(connection)
        await connection.execute(update(delivery).where(delivery.c.id == unfit).values(priority=1))
        assert not looked
    assert await start == {unfit: Drop(State.SKIPPED, Skip.GOAL_MET), goes: Go(TODAY)}
    assert looked == ["Asia/Tokyo", None]
