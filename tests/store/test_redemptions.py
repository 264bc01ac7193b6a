from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from mailer.core.delivery import Accepted, Reply
from mailer.core.event_row import EventRow
from mailer.core.handoff import Finish, Go, Start
from mailer.core.merge import Fate, Noted
from mailer.core.redemption import Redemption
from mailer.core.run import Reserve
from mailer.errors import UsageError
from mailer.store.engine import Database
from mailer.store.events import Events
from mailer.store.ledger import Ledger
from mailer.store.redemptions import Answer, Redemptions
from mailer.store.revenue import Revenue
from mailer.store.tables import customer, customer_event, delivery_event
from tests.store.planned import a_row, codes, customers, fill, plan
from tests.store.rows import NOW, a_sender

ISTANBUL = ZoneInfo("Europe/Istanbul")
OWN = Reserve(kind="generated", prefix="SS", percent=15, valid_until=date(2027, 6, 9))
SHARED = Reserve(kind="static", code="HOSGELDIN", percent=10, valid_until=date(2027, 6, 9))
LATER = NOW + timedelta(days=2)


async def sent(database: Database, reserve: Reserve, wanted: int = 1, campaign: str = "offer") -> list[str]:
    """Codes of mails the relay accepted, in the order of their customers."""
    people = await customers(database, wanted)
    await plan(database, [a_row(key, reserve) for key in people], campaign)
    ledger, mine = Ledger(database), await a_sender(database)
    ids = await ledger.claim(mine, NOW, 1_000)
    await ledger.advance(mine, NOW, [], [Start(each, "<m@x>") for each in ids], lambda _facts: Go())
    ok = Accepted(Reply(250, "ok"))
    await ledger.advance(mine, NOW, [Finish(each, NOW, ok) for each in ids], [], lambda _facts: Go())
    return [row["code"] for row in await codes(database, campaign) if row["customer_id"] in people]


async def names(database: Database) -> list[str]:
    async with database.read() as connection:
        return list(await connection.scalars(select(customer.c.ext_id).order_by(customer.c.id)))


async def happened(database: Database) -> list[dict[str, Any]]:
    """Every redemption as customers' events keep it."""
    async with database.read() as connection:
        rows = await connection.execute(
            select(customer_event, customer.c.ext_id.label("who"))
            .outerjoin(customer, customer.c.id == customer_event.c.customer_id)
            .where(customer_event.c.name == "coupon.redeemed")
            .order_by(customer_event.c.id)
        )
        return [dict(row) for row in rows.mappings()]


async def facts(database: Database) -> list[dict[str, Any]]:
    """The redemptions deliveries know of."""
    async with database.read() as connection:
        return list(
            await connection.scalars(
                select(delivery_event.c.detail)
                .where(delivery_event.c.kind == "redeemed")
                .order_by(delivery_event.c.id)
            )
        )


async def test_a_code_is_redeemed_once_whoever_says_so_how_often(database: Database) -> None:
    [code] = await sent(database, OWN)
    [holder] = await names(database)
    book, said = Redemptions(database, ISTANBUL), Redemption(code, LATER, "o1", 1_299_000)
    assert await book.tell(said, LATER) == Answer(holder=holder, code=code)
    for again in (said, replace(said, order=None), replace(said, at=LATER + timedelta(days=300))):
        assert (await book.tell(again, again.at)).again
    [row] = await codes(database)
    assert (row["state"], row["redeemed_at"], row["redeemed_order"], row["redeemed_net_e4"]) == (
        "redeemed", LATER, "o1", 1_299_000,
    )  # fmt: skip
    assert row["changed_at"] == LATER
    assert await facts(database) == [{"code": code, "order": "o1", "net": "129.9"}]
    [event] = await happened(database)
    assert (event["who"], event["order_ref"], event["net_e4"]) == (holder, "o1", 1_299_000)
    with pytest.raises(UsageError, match="for the order o1"):
        await book.tell(replace(said, order="o2"), LATER)


async def test_an_order_may_be_named_later(database: Database) -> None:
    [code] = await sent(database, OWN)
    book = Redemptions(database, ISTANBUL)
    await book.tell(Redemption(code, LATER), LATER)
    await book.tell(Redemption(code, LATER + timedelta(days=1), "o1", 50_000), LATER + timedelta(days=1))
    [row] = await codes(database)
    assert (row["redeemed_at"], row["redeemed_order"], row["redeemed_net_e4"]) == (LATER, "o1", 50_000)
    assert [bought.order.net_e4 for bought in await Revenue(database).bought()] == [50_000]


async def test_a_shop_whose_clock_is_behind_loses_no_order(database: Database) -> None:
    """It says that a code was used before the mail that carried it was due."""
    [code] = await sent(database, OWN)
    await Redemptions(database, ISTANBUL).tell(
        Redemption(code, LATER - timedelta(days=9), "o1", 50_000), LATER
    )
    assert [bought.order.net_e4 for bought in await Revenue(database).bought(LATER)] == [50_000]


async def test_what_was_told_first_stays_and_what_it_left_open_is_filled_in(database: Database) -> None:
    [code] = await sent(database, OWN)
    book = Redemptions(database, ISTANBUL)
    for order, net_e4 in ((None, 50_000), ("o1", None), ("o1", 70_000), (None, None)):
        await book.tell(Redemption(code, LATER, order, net_e4), LATER)
    [row] = await codes(database)
    assert (row["redeemed_order"], row["redeemed_net_e4"]) == ("o1", 50_000)


async def test_a_code_of_ours_may_be_typed_in_small_letters_and_an_uploaded_one_not(
    database: Database,
) -> None:
    [own] = await sent(database, OWN)
    await fill(database, "shop", ["POOL-1"])
    [pooled] = await sent(database, Reserve(kind="pool", pool="shop"), campaign="autumn")
    book = Redemptions(database, ISTANBUL)
    told = [await book.tell(Redemption(typed, LATER), LATER) for typed in (own.lower(), own)]
    assert [(answer.code, answer.again) for answer in told] == [(own, False), (own, True)]
    assert [row["state"] for row in await codes(database)] == ["redeemed"]
    assert len(await happened(database)) == 1
    with pytest.raises(UsageError, match="There is no code 'pool-1'"):
        await book.tell(Redemption(pooled.lower(), LATER), LATER)


async def test_what_does_not_count_leaves_no_trace(database: Database) -> None:
    [code] = await sent(database, OWN)
    late = LATER.replace(year=2028)
    for said in (Redemption(code, late, "o1"), Redemption("NOPE", LATER), Redemption("", LATER)):
        with pytest.raises(UsageError):
            await Redemptions(database, ISTANBUL).tell(said, said.at)
    assert [row["state"] for row in await codes(database)] == ["issued"]
    assert (await facts(database), await happened(database)) == ([], [])


async def test_a_shared_code_counts_once_an_order(database: Database) -> None:
    await sent(database, SHARED, 2)
    first, second = await names(database)
    book = Redemptions(database, ISTANBUL)
    with pytest.raises(UsageError, match="--order"):
        await book.tell(Redemption("HOSGELDIN", LATER), LATER)
    for who, order in ((first, "o1"), (first, "o2"), (first, "o2"), ("", "o3")):
        await book.tell(Redemption("HOSGELDIN", LATER, order, None, who), LATER)
    assert [(row["customer_id"], row["state"], row["redeemed_order"]) for row in await codes(database)] == [
        (1, "redeemed", "o1"),
        (2, "issued", None),
    ]
    assert [(row["who"], row["order_ref"]) for row in await happened(database)] == [
        (first, "o1"),
        (first, "o2"),
        (None, "o3"),
    ]
    assert second not in {row["who"] for row in await happened(database)}
    with pytest.raises(UsageError, match="expired"):
        await book.tell(Redemption("HOSGELDIN", LATER.replace(year=2028), "o4"), LATER)
    with pytest.raises(UsageError, match="no customer 'nobody'"):
        await book.tell(Redemption("HOSGELDIN", LATER, "o5", None, "nobody"), LATER)


def an_event(line: int, code: str, customer_id: str, **more: Any) -> EventRow:
    given: dict[str, Any] = {"order_ref": f"o{line}", "net_e4": 10_000} | more
    return EventRow(
        line, f"e{line}", customer_id, "coupon.redeemed", LATER, {"code": code}, code=code, **given
    )


async def test_events_say_it_too_and_those_that_do_not_count_are_noted(database: Database) -> None:
    one, two = await sent(database, OWN, 2)
    first, second = await names(database)
    events = Events(database, ISTANBUL)
    rows = [
        an_event(1, one, first),
        an_event(2, one, first),  # the same code for another order, in the same lot
        an_event(3, "NOPE", first),
        an_event(4, two, first),  # forwarded: it is used all the same
        an_event(5, "", second),
    ]
    fates = await events.add(rows, LATER)
    assert [fate.fate if isinstance(fate, Noted) else fate for fate in fates] == [Fate.CREATED] * 5
    assert {fate.warning.line: fate.warning.reason for fate in fates if isinstance(fate, Noted)} == {
        2: f"The code {one} was redeemed already on 2027-05-12 for the order o1.",
        3: "There is no code 'NOPE'; see mailer coupons list.",
        5: "No code is named.",
    }
    assert [(row["state"], row["redeemed_order"]) for row in await codes(database)] == [
        ("redeemed", "o1"),
        ("redeemed", "o4"),
    ]
    assert await events.add(rows, LATER) == [Fate.UNCHANGED] * 5
    assert len(await facts(database)) == 2
    assert len(await happened(database)) == 5


async def test_of_two_tills_at_once_one_is_told_no(database: Database) -> None:
    [code] = await sent(database, OWN)
    book = Redemptions(database, ISTANBUL)
    answers = await asyncio.gather(
        *(book.tell(Redemption(code, LATER, f"o{n}"), LATER) for n in range(6)), return_exceptions=True
    )
    assert Counter(type(answer) for answer in answers) == {Answer: 1, UsageError: 5}
    assert len(await facts(database)) == 1
