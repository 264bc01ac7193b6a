from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from mailer.core.delivery import State
from mailer.core.report import Scope
from mailer.core.uplift import Arm
from mailer.flow.report import ReportDesk, RunReport
from mailer.store.engine import Database
from mailer.store.reports import Reports
from mailer.store.revenue import Revenue
from mailer.store.tables import customer_event, delivery, delivery_event
from tests.store.rows import (
    NOW,
    a_coupon,
    a_customer_row,
    a_delivery,
    a_run,
    a_version,
    add,
    add_many,
    one,
    put,
)
from tests.store.rows import _numbers as numbers

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GOAL = {"goal": {"event": "order.placed", "within": "3d"}}


def desk(database: Database) -> ReportDesk:
    return ReportDesk(Reports(database), Revenue(database), "TRY")


async def sent(database: Database, run_id: int, customer_id: int | None = None, **values: Any) -> int:
    """A mail a relay took."""
    given = {"state": State.SENT, "sent_at": NOW, "attempts": 1}
    return await a_delivery(database, run_id, customer_id, **(given | values))


async def happened(
    database: Database, delivery_id: int, kind: str, at: timedelta = HOUR, **detail: Any
) -> None:
    await put(
        database, delivery_event, delivery_id=delivery_id, kind=kind, at=NOW + at, detail=detail or None
    )


async def ordered(
    database: Database, customer_id: int, at: timedelta, net: int | None = 1_000_000, **values: Any
) -> None:
    given = {"name": "order.placed", "order_ref": f"o{next(numbers)}", "currency": None}
    await add(
        database, customer_event, ext_id=f"e{next(numbers)}", customer_id=customer_id, at=NOW + at, stored_at=NOW,
        properties={}, net_e4=net, **(given | values),
    )  # fmt: skip


async def only(database: Database, **scope: Any) -> RunReport:
    [found] = await desk(database).runs(Scope(**scope))
    return found


async def test_a_run_is_counted_by_state_reason_and_reaction(database: Database) -> None:
    run_id = await a_run(database)
    mails = [await sent(database, run_id) for _ in range(3)]
    bounced = await sent(database, run_id, state=State.FAILED, reason="bounced")
    await a_delivery(database, run_id, state=State.FAILED, reason="refused", attempts=1)
    await a_delivery(database, run_id, state=State.SKIPPED, reason="capped")
    await a_delivery(database, run_id)
    for _twice in range(2):
        await happened(database, mails[0], "clicked", by="human")
        await happened(database, bounced, "bounced", status="5.1.1")
    await happened(database, mails[0], "clicked", by="machine")
    await happened(database, mails[1], "clicked", by="unknown")
    await happened(database, mails[1], "opened", by="machine")
    await happened(database, mails[2], "unsubscribed")
    await happened(database, mails[2], "complained")
    await happened(database, mails[2], "deferred")
    funnel = (await only(database)).funnel
    assert (funnel.audience, funnel.eligible, funnel.sent, funnel.failed, funnel.waiting) == (7, 6, 3, 2, 1)
    assert (funnel.accepted, funnel.bounced, funnel.unsubscribed, funnel.complained) == (4, 1, 1, 1)
    assert (funnel.clicked_human, funnel.clicked_machine, funnel.clicked_unknown) == (1, 1, 1)
    assert (funnel.opened_human, funnel.opened_machine) == (0, 1)
    assert (funnel.skipped, funnel.failures) == ({"capped": 1}, {"bounced": 1, "refused": 1})


async def test_a_scope_is_kept_to(database: Database) -> None:
    early = await a_run(database, due_at=NOW - DAY)
    late, other = await a_run(database), await a_run(database, campaign="welcome")
    for run_id in (early, late, other):
        await happened(database, await sent(database, run_id), "clicked", by="human")

    async def runs(**scope: Any) -> list[tuple[int, int, int]]:
        found = await desk(database).runs(Scope(**scope))
        return [(each.head.id, each.funnel.sent, each.funnel.clicked_human) for each in found]

    assert await runs() == [(early, 1, 1), (late, 1, 1), (other, 1, 1)]
    assert await runs(campaign="offer") == [(early, 1, 1), (late, 1, 1)]
    assert await runs(campaign="offer", since=NOW) == [(late, 1, 1)]
    assert await runs(runs=(other,)) == [(other, 1, 1)]
    assert await runs(campaign="nobody") == []
    totals = await desk(database).campaigns(Scope())
    assert [(each.campaign, each.runs, each.funnel.sent) for each in totals] == [
        ("offer", 2, 2),
        ("welcome", 1, 1),
    ]


async def test_a_goal_counts_in_time_and_once(database: Database) -> None:
    run_id = await a_run(database, version_id=await a_version(database, definition=GOAL))
    people = [await a_customer_row(database) for _ in range(5)]
    for person in people:
        await sent(database, run_id, person)
    await ordered(database, people[0], HOUR)
    await ordered(database, people[0], 2 * HOUR)
    await ordered(database, people[1], 3 * DAY)
    await ordered(database, people[2], 3 * DAY + HOUR)
    await ordered(database, people[3], -HOUR)
    await ordered(database, people[4], HOUR, name="survey.answered")
    await a_delivery(database, run_id, state=State.SKIPPED, reason="capped")
    found = await only(database)
    assert found.funnel.goal == 2
    assert found.as_json()["goal"] == 2
    without = await a_run(database, campaign="news")
    await sent(database, without, people[0])
    assert (await only(database, campaign="news")).as_json()["goal"] is None


async def test_orders_are_put_down_to_the_code_else_to_the_last_click_of_a_person(database: Database) -> None:
    first, second = await a_run(database), await a_run(database, campaign="welcome")
    ayse, ben, cem = [await a_customer_row(database) for _ in range(3)]
    one, two = await sent(database, first, ayse), await sent(database, second, ayse)
    await happened(database, one, "clicked", HOUR, by="human")
    await happened(database, two, "clicked", 2 * HOUR, by="human")
    await happened(database, one, "clicked", 3 * HOUR, by="machine")
    await ordered(database, ayse, 4 * HOUR, 500_000)  # the last click: welcome
    await ordered(database, ayse, 5 * HOUR, 700_000, order_ref="o-code", currency="EUR")
    await happened(database, one, "redeemed", 6 * HOUR, code="X", order="o-code", net="70")
    await ordered(database, ayse, 6 * DAY, 900_000)  # too late for any
    of_ben = await sent(database, first, ben)
    await happened(database, of_ben, "redeemed", HOUR, code="Y", order="unseen", net="12.50")
    of_cem = await sent(database, first, cem)
    await happened(database, of_cem, "clicked", HOUR, by="machine")
    await ordered(database, cem, 2 * HOUR)
    offer = (await only(database, campaign="offer")).funnel
    assert (offer.orders_by_code, offer.orders_by_click, offer.redeemed) == (2, 0, 2)
    assert {name: str(amount) for name, amount in offer.revenue.items()} == {"EUR": "70.00", "TRY": "12.50"}
    welcome = (await only(database, campaign="welcome")).funnel
    assert (welcome.orders_by_code, welcome.orders_by_click, welcome.revenue_e4) == (0, 1, {"TRY": 500_000})


async def test_refunds_come_off_and_an_order_told_twice_is_one(database: Database) -> None:
    run_id = await a_run(database)
    ayse = await a_customer_row(database)
    await happened(database, await sent(database, run_id, ayse), "clicked", HOUR, by="human")
    for net in (900_000, 1_000_000):
        await ordered(database, ayse, 2 * HOUR, net, order_ref="o1")
    await ordered(database, ayse, 2 * HOUR, 300_000, order_ref="o2")
    await ordered(database, ayse, 9 * HOUR, -400_000, order_ref="o1", name="order.refunded")
    await ordered(database, ayse, 9 * HOUR, None, order_ref="o2", name="order.refunded")
    funnel = (await only(database)).funnel
    assert (funnel.orders_by_click, funnel.revenue_e4) == (2, {"TRY": 600_000})


async def test_codes_given_are_counted(database: Database) -> None:
    run_id = await a_run(database)
    for state in ("issued", "redeemed", "quarantined", "reserved", "released"):
        await a_coupon(database, await sent(database, run_id), state=state)
    assert (await only(database)).funnel.coupons == 3


async def test_both_sides_of_the_draw_are_compared_whatever_kept_a_mail_back(database: Database) -> None:
    version = await a_version(database, definition=GOAL)
    run_id = await a_run(database, version_id=version)
    ordering: list[int] = []

    async def person(make: Callable[[int], Awaitable[int]], *, buys: bool = False) -> int:
        customer = await a_customer_row(database)
        if buys:
            ordering.append(customer)
        return await make(customer)

    def skipped(reason: str) -> Callable[[int], Awaitable[int]]:
        return lambda customer: a_delivery(database, run_id, customer, state=State.SKIPPED, reason=reason)

    await person(lambda customer: sent(database, run_id, customer), buys=True)
    await person(lambda customer: a_delivery(database, run_id, customer, state=State.EXPIRED))
    await person(skipped("capped"))
    await person(skipped("goal_met"), buys=True)
    await person(skipped("no_consent"))  # before the draw: on no side
    at_hand_off = await person(skipped("unsubscribed"))
    await happened(database, at_hand_off, "skipped")
    await person(skipped("holdout"))
    await person(skipped("holdout"), buys=True)
    for customer in ordering:
        await ordered(database, customer, HOUR)
    [found] = await desk(database).campaigns(Scope())
    assert found.uplift is not None
    assert (found.uplift.mailed, found.uplift.held_out) == (Arm(5, 2), Arm(2, 1))
    assert found.as_json()["uplift"]["says"].startswith("not enough data: 2 people were left out")
    again = await a_run(database, version_id=version, due_at=NOW + DAY)  # a person counts once
    of = await one(database, delivery, at_hand_off)
    await sent(database, again, of["customer_id"])
    [found] = await desk(database).campaigns(Scope())
    assert found.uplift is not None
    assert found.uplift.mailed == Arm(5, 2)


async def test_domains_are_told_apart(database: Database) -> None:
    run_id = await a_run(database)

    async def to(address: str, kinds: tuple[str, ...] = (), **values: Any) -> None:
        customer = await a_customer_row(database, email=address)
        made = await sent(database, run_id, customer, **values)
        for kind in kinds:
            await happened(database, made, kind)

    await to("a@big.example", ("deferred", "deferred"))
    await to("b@big.example", ("bounced",), state=State.FAILED, reason="bounced")
    await to("c@big.example", ("complained",))
    await to("d@small.example", (), state=State.FAILED, reason="refused", sent_at=None)
    await add_many(database, run_id, 3)  # nothing was tried
    big = {
        "domain": "big.example", "tried": 3, "accepted": 3, "deferred": 1, "refused": 0, "bounced": 1, "complained": 1,
    }  # fmt: skip
    small = dict.fromkeys(big, 0) | {"domain": "small.example", "tried": 1, "refused": 1}
    for scope in (Scope(), Scope("offer")):
        assert list(await desk(database).domains(scope)) == [big, small]
    assert await desk(database).domains(Scope("nobody")) == []


@pytest.mark.parametrize("outcomes", [True, False])
async def test_a_run_without_anybody_is_all_noughts(database: Database, outcomes: bool) -> None:
    await a_run(database, state="skipped_empty")
    [found] = await desk(database).runs(Scope(), outcomes=outcomes)
    assert (found.funnel.audience, found.funnel.eligible, found.as_json()["revenue"]) == (0, 0, {})
