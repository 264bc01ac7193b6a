from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select, update

from mailer.core.coupon import CouponState
from mailer.core.delivery import Accepted, Failure, Reply, State
from mailer.core.handoff import Drop, Finish, Go, Reminded, Start
from mailer.core.run import Reserve
from mailer.errors import UsageError
from mailer.store.control import Control
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from mailer.store.tables import campaign_version, coupon, delivery, run
from tests.store.planned import a_row, codes, counted, customers, fates, fill, in_pool, plan
from tests.store.rows import NOW, a_sender, one

GENERATED = Reserve(kind="generated", prefix="SS", percent=15, valid_until=date(2027, 6, 9))
POOL = Reserve(kind="pool", pool="shop", amount_e4=500_000, currency="TRY")
STATIC = Reserve(kind="static", code="HOSGELDIN", percent=10)

QUEUED, OVER_BUDGET, EMPTY = ("queued", None), ("skipped", "budget"), ("skipped", "pool_empty")


async def end(database: Database, run_id: int, **finish: object) -> None:
    """Hand every waiting delivery of a run to a relay, with this outcome."""
    ledger, mine = Ledger(database), await a_sender(database)
    ids = await ledger.claim(mine, NOW, 1_000)
    await ledger.advance(mine, NOW, [], [Start(each, "<m@x>") for each in ids], lambda _facts: Go())
    await ledger.advance(mine, NOW, [Finish(each, NOW, **finish) for each in ids], [], lambda _facts: Go())  # type: ignore[arg-type]


async def test_a_budget_is_spent_in_order_and_the_others_are_skipped(database: Database) -> None:
    people = await customers(database, 5)
    run_id = await plan(database, [a_row(key, replace(GENERATED, budget=3)) for key in people])
    assert await fates(database, run_id) == [QUEUED] * 3 + [OVER_BUDGET] * 2
    assert len({row["code"] for row in await codes(database)}) == 3


async def test_a_budget_is_one_for_all_runs_of_its_campaign(database: Database) -> None:
    people = await customers(database, 4)
    spec = replace(GENERATED, budget=3)
    first = await plan(database, [a_row(key, spec) for key in people[:2]])
    second = await plan(database, [a_row(key, spec) for key in people[2:]])
    other = await plan(database, [a_row(key, spec) for key in people[:3]], "another")
    assert await fates(database, first) == [QUEUED] * 2
    assert await fates(database, second) == [QUEUED, OVER_BUDGET]
    assert await fates(database, other) == [QUEUED] * 3


async def test_a_released_code_comes_back_to_the_budget_and_to_its_own_once_key_only(
    database: Database,
) -> None:
    people = await customers(database, 3)
    spec = replace(GENERATED, budget=2)
    await end(
        database, await plan(database, [a_row(key, spec) for key in people[:2]]), failure=Failure.RENDER
    )
    before = {row["customer_id"]: row["code"] for row in await codes(database)}
    assert await counted(database) == 0
    later = replace(spec, percent=30, valid_until=date(2027, 7, 1))
    run_id = await plan(database, [a_row(key, later) for key in [people[2], people[0], people[1]]])
    rows = {row["customer_id"]: row for row in await codes(database)}
    assert sorted(await fates(database, run_id)) == sorted([QUEUED, QUEUED, OVER_BUDGET])
    assert await counted(database) == 2
    assert rows[people[2]]["code"] not in before.values()
    assert rows[people[0]]["code"] == before[people[0]]
    assert (rows[people[0]]["percent"], rows[people[0]]["valid_until"]) == (30, date(2027, 7, 1))
    assert rows[people[1]]["state"] == CouponState.RELEASED


async def test_a_pool_gives_each_code_once_and_the_first_loaded_first(database: Database) -> None:
    people = await customers(database, 4)
    await fill(database, "shop", ["B2", "A1", "C3"])
    await fill(database, "other", ["D4", "E5"])
    run_id = await plan(database, [a_row(key, POOL) for key in people])
    assert await fates(database, run_id) == [QUEUED] * 3 + [EMPTY]
    rows = await codes(database)
    assert [row["code"] for row in rows] == ["B2", "A1", "C3"]
    assert {(row["amount_e4"], row["currency"], row["state"]) for row in rows} == {
        (500_000, "TRY", "reserved")
    }
    assert await in_pool(database, "other") == {"available": 2}


async def test_a_budget_bounds_a_pool_too(database: Database) -> None:
    people = await customers(database, 4)
    await fill(database, "shop", [f"C{n}" for n in range(3)])
    run_id = await plan(database, [a_row(key, replace(POOL, budget=2)) for key in people])
    assert await fates(database, run_id) == [QUEUED] * 2 + [OVER_BUDGET] * 2
    assert await in_pool(database, "shop") == {"available": 1, "reserved": 2}


async def test_a_static_code_is_written_down_for_each(database: Database) -> None:
    people = await customers(database, 3)
    run_id = await plan(database, [a_row(key, replace(STATIC, budget=2)) for key in people])
    assert await fates(database, run_id) == [QUEUED] * 2 + [OVER_BUDGET]
    assert [(row["customer_id"], row["code"]) for row in await codes(database)] == [
        (people[0], "HOSGELDIN"),
        (people[1], "HOSGELDIN"),
    ]


async def test_who_has_used_the_code_of_this_occasion_gets_no_second_one(database: Database) -> None:
    [person] = await customers(database, 1)
    await end(database, await plan(database, [a_row(person, GENERATED)]), failure=Failure.RENDER)
    async with database.write() as connection:
        await connection.execute(update(coupon).values(state=CouponState.REDEEMED))
    run_id = await plan(database, [a_row(person, GENERATED)])
    assert await fates(database, run_id) == [("skipped", "not_eligible")]


async def a_retriable(database: Database) -> int:
    """A campaign with a budget of one: a delivery that failed, and another that has the code now."""
    people = await customers(database, 2)
    spec = replace(GENERATED, budget=1)
    first = await plan(database, [a_row(people[0], spec)])
    async with database.write() as connection:
        of = select(run.c.version_id).where(run.c.id == first).scalar_subquery()
        await connection.execute(
            update(campaign_version).where(campaign_version.c.id == of)
            .values(definition={"coupon": {"kind": "generated", "budget": 1}})
        )  # fmt: skip
    await end(database, first, failure=Failure.RENDER)
    await plan(database, [a_row(people[1], spec)])
    async with database.read() as connection:
        return int(
            await connection.scalar(select(delivery.c.id).where(delivery.c.state == State.FAILED)) or 0
        )


async def test_trying_again_takes_the_same_code_as_far_as_the_budget_goes(database: Database) -> None:
    failed = await a_retriable(database)
    with pytest.raises(UsageError, match="budget of offer, 1, is used up"):
        await Control(database).retry(failed, NOW)
    assert (await one(database, delivery, failed))["state"] == State.FAILED
    waiting = next(row for row in await codes(database) if row["state"] == "reserved")
    of = await one(database, delivery, waiting["delivery_id"])
    await Control(database).cancel(of["run_id"], NOW)
    await Control(database).retry(failed, NOW)
    states = {row["delivery_id"]: row["state"] for row in await codes(database)}
    assert states == {failed: "reserved", of["id"]: "released"}


REMINDER = Reserve(kind="reminder", of="birthday", day=date(2027, 6, 1))


async def given(database: Database, *people: int, last: date | None) -> None:
    """A coupon of the birthday campaign, accepted by the relay."""
    spec = replace(GENERATED, valid_until=last)
    await end(
        database,
        await plan(database, [a_row(key, spec, once_key=f"b:{key}:{last}") for key in people], "birthday"),
        outcome=Accepted(Reply(250, "ok")),
    )


async def test_a_reminder_shows_the_coupon_that_ends_first_and_is_still_good(database: Database) -> None:
    people = await customers(database, 3)
    await given(database, people[0], last=None)
    await given(database, people[0], last=date(2027, 6, 9))
    await given(database, people[0], people[1], last=date(2027, 5, 31))
    held = {
        row["valid_until"]: row
        for row in await codes(database, "birthday")
        if row["customer_id"] == people[0]
    }
    run_id = await plan(database, [a_row(key, REMINDER) for key in people], "remind")
    assert await fates(database, run_id) == [QUEUED, *[("skipped", "not_eligible")] * 2]
    ledger, mine = Ledger(database), await a_sender(database)
    [mail] = await ledger.claim(mine, NOW, 10)
    [job] = await ledger.load([mail])
    wanted = held[date(2027, 6, 9)]
    assert job.coupon is not None
    assert (job.coupon.code, job.coupon.valid_until) == (wanted["code"], date(2027, 6, 9))
    seen = []
    await ledger.advance(
        mine, NOW, [], [Start(mail, "<m@x>")], lambda facts: seen.append(facts.reminds) or Go()
    )
    assert seen == [Reminded("issued", date(2027, 6, 9))]
    await ledger.advance(mine, NOW, [Finish(mail, NOW, Accepted(Reply(250)))], [], lambda _facts: Go())
    assert (await one(database, coupon, wanted["id"]))["issued_at"] == NOW
    assert await codes(database, "remind") == []


async def test_a_reminder_of_a_code_used_meanwhile_is_dropped_and_leaves_the_code_alone(
    database: Database,
) -> None:
    [person] = await customers(database, 1)
    await given(database, person, last=date(2027, 6, 9))
    await plan(database, [a_row(person, REMINDER)], "remind")
    async with database.write() as connection:
        await connection.execute(update(coupon).values(state=CouponState.REDEEMED))
    ledger, mine = Ledger(database), await a_sender(database)
    [mail] = await ledger.claim(mine, NOW, 10)
    [job] = await ledger.load([mail])
    assert job.coupon is not None
    drop = Drop(State.SKIPPED, "not_eligible")
    await ledger.advance(
        mine, NOW, [], [Start(mail, "<m@x>")],
        lambda facts: Go() if facts.reminds is None or facts.reminds.good(NOW.date()) else drop,
    )  # fmt: skip
    assert (await one(database, delivery, mail))["state"] == State.SKIPPED
    assert [row["state"] for row in await codes(database, "birthday")] == ["redeemed"]


async def test_every_step_of_a_code_is_stamped(database: Database) -> None:
    [person] = await customers(database, 1)
    await plan(database, [a_row(person, GENERATED)], now=NOW - timedelta(hours=1))
    assert [row["changed_at"] for row in await codes(database)] == [NOW - timedelta(hours=1)]
    ledger, mine = Ledger(database), await a_sender(database)
    [mail] = await ledger.claim(mine, NOW, 1)
    await ledger.advance(mine, NOW, [], [Start(mail, "<m@x>")], lambda _facts: Go())
    await ledger.advance(mine, NOW, [Finish(mail, NOW, Accepted(Reply(250)))], [], lambda _facts: Go())
    assert [(row["changed_at"], row["issued_at"]) for row in await codes(database)] == [(NOW, NOW)]
