"""What the last look sees of what others did while it waited for them, on PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select, text, update

from mailer.core.delivery import Accepted, Reply, Skip, State
from mailer.core.handoff import Drop, Finish, Go, HandoffFacts, Start, Verdict, Wait
from mailer.errors import Fenced
from mailer.store import handoff
from mailer.store.burial import let_go
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from mailer.store.tables import customer, delivery, sender, suppression
from tests.store.rows import NOW, a_customer_row, a_delivery, a_sender, one
from tests.store.waiting import until_it_waits

TODAY = NOW.date()


def first_only(facts: HandoffFacts) -> Verdict:
    """One commercial mail a day."""
    return Drop(State.SKIPPED, Skip.CAPPED) if facts.used else Go(TODAY)


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
            connection, mine, NOW, ends=[], starts=[Start(first, "<m@x>")], judge=first_only
        )
        assert verdicts == {first: Go(TODAY)}
        other = asyncio.create_task(ledger.advance(theirs, NOW, [], [Start(second, "<m@x>")], first_only))
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
        start = asyncio.create_task(
            ledger.advance(mine, NOW, [], [Start(each, f"<{each}@x>") for each in (found, *many)], look)
        )
        await until_it_waits(connection)
        if by == "address":
            key = (await one(database, customer, person))["email_key"]
            await connection.execute(
                suppression.insert().values(
                    email_key=key, scope="commercial", reason="unsubscribed", source="t", at=NOW
                )
            )
    assert await start == {found: Drop(State.SKIPPED, Skip.UNSUBSCRIBED)} | dict.fromkeys(many, Go(TODAY))


async def test_what_was_cancelled_while_its_start_waited_does_not_start(
    postgresql_database: Database,
) -> None:
    database = postgresql_database
    ledger, mine = Ledger(database), await a_sender(database)
    found = await a_delivery(database)
    assert await ledger.claim(mine, NOW, 1) == [found]
    async with database.write() as connection:
        await connection.execute(update(delivery).where(delivery.c.id == found).values(state="cancelled"))
        start = asyncio.create_task(ledger.advance(mine, NOW, [], [Start(found, "<m@x>")], first_only))
        await until_it_waits(connection)
    assert await start == {found: Wait(None)}
    assert (await one(database, delivery, found))["state"] == State.CANCELLED


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
        start = asyncio.create_task(ledger.advance(mine, NOW, [], [Start(found, "<m@x>")], first_only))
        await until_it_waits(connection)
        await let_go(connection, mine, None, NOW, 0.5)
    with pytest.raises(Fenced):
        await start
    assert (await one(database, delivery, found))["state"] == State.QUEUED


async def test_nobody_recovers_a_sender_that_is_writing(postgresql_database: Database) -> None:
    database = postgresql_database
    mine = await a_sender(database)
    async with database.write() as connection:
        await handoff.advance(connection, mine, NOW, ends=[], starts=[Start(1, "<m@x>")], judge=first_only)
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
