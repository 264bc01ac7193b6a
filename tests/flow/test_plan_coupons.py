"""Coupons as the planner promises them, on both databases."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from mailer.store.engine import Database
from mailer.store.tables import cap_slot, coupon, delivery
from tests.flow.planning import BIRTHDAY, Shop, at
from tests.store.planned import fill
from tests.store.rows import put

TUESDAY = "2027-05-11T07:00"
NEWS: dict[str, Any] = {"purpose": "commercial", "trigger": {"cron": "0 10 * * tue"}, "priority": 20}
POOL = {"kind": "pool", "pool": "shop", "percent": 20}


@pytest.mark.parametrize(
    ("promise", "reason"),
    [
        pytest.param(POOL, "pool_empty", id="an empty pool"),
        pytest.param({"kind": "generated", "prefix": "DG", "budget": 1}, "budget", id="a spent budget"),
    ],
)
async def test_a_mail_that_gets_no_coupon_stands_in_no_other_ones_way(
    database: Database, promise: dict[str, Any], reason: str
) -> None:
    shop = Shop(database, birthday={**BIRTHDAY, "coupon": promise}, news=NEWS)
    for name in ("ayse", "bora"):
        await shop.customer(name, birthday="1990-05-11")
    await fill(database, "shop", ["C1"])
    await shop.seen()
    await shop.plan(TUESDAY)
    assert await shop.rows("birthday") == [
        "2027-05-11 ayse queued 2027-05-11T07:00Z",
        f"2027-05-11 bora {reason}",
    ]
    assert await shop.rows("news") == [
        "2027-05-11 ayse capped",
        "2027-05-11 bora queued 2027-05-11T07:00Z",
    ]


@pytest.mark.parametrize(
    ("promise", "codes", "news"),
    [
        pytest.param(POOL, [], "queued 2027-05-11T06:00Z", id="an empty pool"),
        pytest.param(POOL, ["C1"], "capped", id="a pool with a code"),
        pytest.param(
            {"kind": "generated", "prefix": "DG", "budget": 1}, [], "queued 2027-05-11T06:00Z", id="spent"
        ),
        pytest.param({"kind": "generated", "prefix": "DG", "budget": 2}, [], "capped", id="a budget left"),
        pytest.param({"kind": "reminder", "of": "other"}, [], "capped", id="a reminder"),
    ],
)  # fmt: skip
async def test_a_mail_yields_to_no_coupon_of_later_that_day_there_is_no_code_for(
    database: Database, promise: dict[str, Any], codes: list[str], news: str
) -> None:
    morning = {**NEWS, "trigger": {"cron": "0 9 * * tue"}}
    shop = Shop(database, birthday={**BIRTHDAY, "coupon": promise}, news=morning)
    await shop.customer("early", birthday="1990-05-10")
    await shop.customer("ayse", birthday="1990-05-11")
    await shop.seen()
    await shop.plan("2027-05-10T07:00")  # takes one of the budget, and finds the pool empty
    if codes:
        await fill(database, "shop", codes)
    await shop.plan("2027-05-11T06:00")
    assert (await shop.rows("news"))[-1] == f"2027-05-11 ayse {news}"


async def test_codes_loaded_after_a_mail_was_let_go_make_no_second_one_that_day(database: Database) -> None:
    shop = Shop(
        database, birthday={**BIRTHDAY, "coupon": POOL}, news={**NEWS, "trigger": {"cron": "0 9 * * tue"}}
    )
    await shop.customer("ayse", birthday="1990-05-11")
    await shop.seen()
    await shop.plan("2027-05-11T06:00")
    await shop.settle("sent", "2027-05-11T06:00")
    async with database.read() as conn:
        [mail] = await conn.execute(select(delivery.c.id, delivery.c.customer_id))
    await put(
        database, cap_slot, customer_id=mail.customer_id, local_day=date(2027, 5, 11), slot=0,
        delivery_id=mail.id,
    )  # fmt: skip
    await fill(database, "shop", ["C1"])
    await shop.plan(TUESDAY)
    assert await shop.rows("birthday") == ["2027-05-11 ayse capped"]
    assert await shop.codes() == [("C1", "available", "None")]


async def test_an_event_without_a_code_for_its_answer_lets_the_lower_mail_go(database: Database) -> None:
    reward = {
        "purpose": "commercial", "trigger": {"event": "order.placed", "after": "3h"}, "priority": 70,
        "coupon": POOL,
    }  # fmt: skip
    shop = Shop(database, reward=reward, news=NEWS)
    for name in ("ayse", "bora"):
        await shop.customer(name)
    await shop.seen()
    await shop.event("order.placed", "ayse", "2027-05-11T05:00")
    await shop.plan(TUESDAY)
    assert await shop.rows("news") == [
        f"2027-05-11 {name} queued 2027-05-11T07:00Z" for name in ("ayse", "bora")
    ]


async def test_what_a_code_is_worth_and_how_long_by_the_day_it_leaves(database: Database) -> None:
    spec = {"kind": "pool", "pool": "shop", "amount": 50, "valid": "10d"}
    late = {
        "purpose": "commercial",
        "trigger": {"cron": "30 23 * * *"},
        "coupon": spec,
    }  # leaves the next morning
    shop = Shop(database, late=late)
    await shop.customer("ayse")
    await fill(database, "shop", ["C1"])
    await shop.seen()
    await shop.plan("2027-05-10T20:30")
    async with database.read() as connection:
        row = (await connection.execute(select(coupon))).mappings().one()
    assert (row["amount_e4"], row["currency"], row["valid_until"]) == (500_000, "TRY", date(2027, 5, 21))


@pytest.mark.parametrize(
    ("more", "zone", "expires_at"),
    [
        pytest.param({}, None, "2027-05-13T21:00", id="the day after its code's last"),
        pytest.param(
            {}, "Pacific/Kiritimati", "2027-05-14T10:00", id="by its customer's calendar, after the night"
        ),
        pytest.param({"ttl": "24h"}, None, "2027-05-12T07:00", id="unless it is too late before"),
        pytest.param({"ttl": "10d"}, None, "2027-05-13T21:00", id="a later end changes nothing"),
    ],
)
async def test_a_mail_held_until_its_code_is_over_is_of_no_use(
    database: Database, more: dict[str, Any], zone: str | None, expires_at: str
) -> None:
    code = {"kind": "generated", "prefix": "SS", "valid": "2d"}
    shop = Shop(database, news=NEWS | {"coupon": code, "catch_up": "48h"} | more)
    await shop.customer("ayse", zone=zone)
    await shop.seen()
    await shop.plan(TUESDAY)
    async with database.read() as connection:
        assert (await connection.scalars(select(delivery.c.expires_at))).one() == at(expires_at)
