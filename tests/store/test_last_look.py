"""What the last look sees: the same for those of whom the same is true, and nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from mailer.core.delivery import Accepted, Failure, Phase, Refused, Reply, Skip, State, TryLater, Withdrawn
from mailer.core.handoff import Drop, Finish, Go, HandoffFacts, Start, Verdict, Wait
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from mailer.store.tables import (
    cap_slot,
    coupon_reminder,
    delivery,
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


async def test_a_mail_that_could_not_be_made_is_nothing_to_yield_to(database: Database) -> None:
    ledger, mine = Ledger(database), await a_sender(database)
    person, seen = await a_customer_row(database), []
    broken, other = [await a_delivery(database, None, person) for _ in range(2)]
    assert await ledger.claim(mine, NOW, 2) == [broken, other]

    def look(facts: HandoffFacts) -> Verdict:
        seen.append(facts.waiting)
        return Go(TODAY)

    end = Finish(broken, NOW, failure=Failure.RENDER)
    assert await ledger.advance(mine, NOW, [end], starts([other]), look) == {other: Go(TODAY)}
    assert seen == [()]


@pytest.mark.parametrize("at_once", [True, False], ids=["in the same transaction", "before"])
async def test_who_got_a_mail_today_is_not_taken_for_one_who_did_not(
    database: Database, *, at_once: bool
) -> None:
    ledger, mine = Ledger(database), await a_sender(database)
    person = await a_customer_row(database)
    run = await a_run(database)
    left = await a_delivery(database, None, person, sender_id=mine)
    others = [await a_delivery(database, run, sender_id=mine) for _ in range(2)]
    late = await a_delivery(database, run, person, sender_id=mine)
    await ledger.advance(mine, NOW, [], starts([left]), first_only)
    end = [Finish(left, NOW, Accepted(Reply(250)))]
    if not at_once:
        await ledger.advance(mine, NOW, end, [], first_only)
    verdicts = await ledger.advance(
        mine, NOW, end if at_once else [], starts([others[0], late, others[1]]), first_only
    )
    assert verdicts == dict.fromkeys(others, Go(TODAY)) | {late: Drop(State.SKIPPED, Skip.CAPPED)}


async def test_what_was_claimed_and_comes_back_unbegun_may_be_claimed_by_others(database: Database) -> None:
    ledger, mine, other = Ledger(database), await a_sender(database), await a_sender(database)
    found = [await a_delivery(database) for _ in range(2)]
    assert await ledger.claim(mine, NOW, 5) == found
    await ledger.advance(mine, NOW, [Finish(found[0], NOW, Withdrawn())], [], first_only)
    assert await ledger.claim(other, NOW, 5) == [found[0]]
    row = await one(database, delivery, found[0])
    assert (row["state"], row["attempts"]) == (State.QUEUED, 0)


async def test_what_ends_does_not_start_as_well(database: Database) -> None:
    ledger, mine = Ledger(database), await a_sender(database)
    found = await a_delivery(database, state="sending", sender_id=mine, attempts=1)
    later = Finish(found, NOW, TryLater(Phase.RCPT, Reply(451, "x")), next_attempt=SOON)
    assert await ledger.advance(mine, NOW, [later], starts([found]), first_only) == {found: Wait(None)}
    row = await one(database, delivery, found)
    assert (row["state"], row["not_before"], row["attempts"]) == (State.DEFERRED, SOON, 1)


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
