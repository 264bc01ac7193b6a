"""The rewards as their files say them: anniversary, spend threshold, a friend brought along. No code of their own."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from mailer.core.coupon import E4
from mailer.files import catalog, yaml
from mailer.store.engine import Database
from mailer.store.tables import customer_date, customer_event
from tests.flow.planning import LONG_AGO, Shop
from tests.store.rows import put

JOBS = Path(__file__).parents[2] / "jobs"


async def shop_of(database: Database, *names: str, **changed: Any) -> Shop:
    """A shop with these campaigns as they are shipped, switched on."""
    stock = catalog.read(JOBS)
    written = {name: yaml.read(JOBS / f"{name}.yaml").values for name in names}
    shop = Shop(
        database,
        "feb28",
        **{name: {**values, "enabled": True, **changed} for name, values in written.items()},
    )
    shop.segments.update(stock.segments)
    await shop.seen()
    return shop


async def joined(shop: Shop, name: str, day: str, **values: Any) -> None:
    key = await shop.customer(name, **values)
    found = date.fromisoformat(day)
    await put(
        shop.database, customer_date, customer_id=key, attr="member_since", month=found.month, day=found.day,
        year=found.year, set_at=LONG_AGO, placeholder=False,
    )  # fmt: skip


async def order(
    shop: Shop, who: str, when: str, ref: str, net: int, name: str = "order.placed", currency: str = "TRY"
) -> None:
    """An order, or what was given back of it, as the import writes it down."""
    key = await shop.event(name, who, when, order=ref, net=net, currency=currency)
    async with shop.database.write() as conn:
        await conn.execute(
            update(customer_event)
            .where(customer_event.c.ext_id == key)
            .values(order_ref=ref, net_e4=net * E4, currency=currency)
        )


# Membership anniversary ----------------------------------------------------------------------------------


async def test_an_anniversary_begins_with_the_first_and_comes_once_a_year(database: Database) -> None:
    shop = await shop_of(database, "anniversary")
    await joined(shop, "this-year", "2027-05-10")
    await joined(shop, "last-year", "2026-05-10")
    await joined(shop, "far", "2020-05-10", zone="America/New_York")
    for now in ("2027-05-10T07:00", "2027-05-10T14:00", "2027-05-11T07:00", "2028-05-10T07:00"):
        await shop.plan(now)
        await shop.settle("sent", now)
    assert sorted(await shop.rows()) == [
        "2027-05-10 far sent 2027-05-10T14:00Z",
        "2027-05-10 last-year sent 2027-05-10T07:00Z",
        "2028-05-10 last-year sent 2028-05-10T07:00Z",
        "2028-05-10 this-year sent 2028-05-10T07:00Z",
    ]
    assert [code.partition("-")[0] for code, _state, _day in await shop.codes()] == ["YD"] * 4


@pytest.mark.parametrize("first", ["birthday", "anniversary"])
async def test_birthday_and_anniversary_on_one_day_are_one_mail(database: Database, first: str) -> None:
    names = ["birthday", "anniversary"]
    shop = await shop_of(database, *sorted(names, key=lambda name: name != first))
    await joined(shop, "both", "2020-05-10", birthday="1990-05-10")
    await joined(shop, "member", "2020-05-10")
    await shop.plan("2027-05-10T07:00")
    assert await shop.rows("birthday") == ["2027-05-10 both queued 2027-05-10T07:00Z"]
    assert await shop.rows("anniversary") == [
        "2027-05-10 both capped",
        "2027-05-10 member queued 2027-05-10T07:00Z",
    ]


# Spend threshold -----------------------------------------------------------------------------------------


async def test_case_14_the_threshold_counts_what_stays_bought(database: Database) -> None:
    shop = await shop_of(database, "spend-reward")
    await shop.customer("a")
    await order(shop, "a", "2027-09-01T09:00", "A1", 600)
    await order(shop, "a", "2027-09-02T09:00", "A2", 450)
    await shop.plan("2027-09-03T09:00")  # the baseline: nobody has settled a thousand
    await order(shop, "a", "2027-09-10T09:00", "A2", 450, "order.refunded")
    await shop.plan("2027-09-16T09:00")
    await shop.plan("2027-09-17T09:00")
    assert await shop.rows() == []
    await order(shop, "a", "2027-09-20T09:00", "A3", 500)
    await order(shop, "a", "2027-09-20T09:00", "A3", 500)  # the webhook came twice
    await shop.plan("2027-10-04T08:59")
    assert await shop.rows() == []
    for now in ("2027-10-04T09:00", "2027-10-04T09:01", "2027-10-05T09:00"):
        await shop.plan(now)
    assert await shop.rows() == ["2027-10-04 a queued 2027-10-04T09:00Z"]
    assert [(code[:3], state, day) for code, state, day in await shop.codes()] == [
        ("TK-", "reserved", "2027-12-03")
    ]


async def test_a_refund_and_a_new_order_earn_no_second_reward(database: Database) -> None:
    shop = await shop_of(database, "spend-reward")
    await shop.customer("a")
    await shop.plan("2027-01-01T09:00")
    await order(shop, "a", "2027-01-01T09:00", "A1", 1000)
    await shop.plan("2027-01-15T09:00")
    await shop.settle("sent", "2027-01-15T09:00")
    await order(shop, "a", "2027-02-01T09:00", "A1", 1000, "order.refunded")
    await shop.plan("2027-02-01T09:00")
    await order(shop, "a", "2027-02-02T09:00", "A2", 1500)
    await shop.plan("2027-02-16T09:00")
    assert await shop.rows() == ["2027-01-15 a sent 2027-01-15T09:00Z", "2027-02-16 a too_soon"]
    assert len(await shop.codes()) == 1


async def test_who_reached_it_before_and_who_paid_in_another_currency(database: Database) -> None:
    shop = await shop_of(database, "spend-reward")
    await shop.customer("rich")
    await shop.customer("euro")
    await order(shop, "rich", "2026-12-01T09:00", "R1", 5000)
    await shop.plan("2027-01-01T09:00")
    await order(shop, "euro", "2027-01-02T09:00", "E1", 2000, currency="EUR")
    await shop.plan("2027-01-20T09:00")
    assert await shop.rows() == []


async def test_samples_end_where_the_stock_does(database: Database) -> None:
    coupon = {"kind": "generated", "prefix": "TK", "valid": "60d", "budget": 2}
    shop = await shop_of(database, "spend-reward", coupon=coupon)
    for who in "abc":
        await shop.customer(who)
    await shop.plan("2027-01-01T09:00")
    for who in "abc":
        await order(shop, who, "2027-01-01T09:00", who, 1200)
    await shop.plan("2027-01-15T09:00")
    assert [row.split(" ")[2] for row in await shop.rows()] == ["queued", "queued", "budget"]


# Referral ------------------------------------------------------------------------------------------------


async def test_the_second_order_asks_for_a_friend_a_week_after_it_arrived(database: Database) -> None:
    shop = await shop_of(database, "referral")
    await shop.customer("a")
    await order(shop, "a", "2027-03-01T09:00", "A1", 100)
    await shop.event("order.delivered", "a", "2027-03-04T09:00", order="A1")
    for day in ("03-04", "03-11", "03-12", "03-13"):
        await shop.plan(f"2027-{day}T09:00")
    assert await shop.rows() == []
    await order(shop, "a", "2027-04-01T09:00", "A2", 100)
    second = await shop.event("order.delivered", "a", "2027-04-04T09:00", order="A2")
    for now in ("04-04T09:00", "04-11T08:59"):
        await shop.plan(f"2027-{now}")
    assert await shop.rows() == []
    await shop.plan("2027-04-11T09:00")
    assert await shop.rows() == [f"{second} a queued 2027-04-11T09:00Z"]
    await shop.settle("sent", "2027-04-11T09:00")
    third = await shop.event("order.delivered", "a", "2027-05-04T09:00", order="A3")
    await shop.plan("2027-05-11T09:00")  # still the same quarter
    assert (await shop.rows())[1:] == [f"{third} a too_soon"]


async def test_the_delivery_of_a_first_order_asks_for_nothing_though_a_second_order_follows(
    database: Database,
) -> None:
    shop = await shop_of(database, "referral")
    await shop.customer("a")
    await order(shop, "a", "2027-03-01T09:00", "A1", 100)
    await shop.event("order.delivered", "a", "2027-03-04T09:00", order="A1")
    await order(shop, "a", "2027-03-06T09:00", "A2", 100)
    second = await shop.event("order.delivered", "a", "2027-03-09T09:00", order="A2")
    await shop.plan("2027-03-11T09:00")
    assert await shop.rows() == []
    await shop.plan("2027-03-16T09:00")
    assert await shop.rows() == [f"{second} a queued 2027-03-16T09:00Z"]


async def test_a_second_order_given_back_before_the_mail_is_none(database: Database) -> None:
    shop = await shop_of(database, "referral")
    await shop.customer("a")
    await order(shop, "a", "2027-03-01T09:00", "A1", 100)
    await order(shop, "a", "2027-03-06T09:00", "A2", 100)
    await shop.event("order.delivered", "a", "2027-03-09T09:00", order="A2")
    await order(shop, "a", "2027-03-12T09:00", "A2", 100, "order.refunded")
    await shop.plan("2027-03-16T09:00")
    assert await shop.rows() == []
