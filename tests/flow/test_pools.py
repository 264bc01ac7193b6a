"""What is left of pools and budgets against what is about to be taken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from mailer.core.audience import Selection
from mailer.core.campaign import Campaign
from mailer.core.coupon import CouponState
from mailer.core.pool import Stock
from mailer.errors import UsageError
from mailer.flow.pools import LOOK, Stockroom
from tests.flow.planning import ISTANBUL, at

NOW = at("2027-05-10T06:00")
POOL = {"kind": "pool", "pool": "shop"}
MANUAL = {"purpose": "commercial", "trigger": "manual", "coupon": POOL}
DAILY = {"purpose": "commercial", "trigger": {"cron": "0 10 * * *"}, "coupon": POOL}
HELLO = {"purpose": "commercial", "trigger": {"event": "consent.confirmed"}, "coupon": POOL}


class Shop:
    """A pool and a number of customers who agreed."""

    def __init__(self, available: int, people: int, **used: int) -> None:
        self.available, self.people, self.taken = available, people, used
        self.looks = 0
        self.asked: list[Selection] = []

    async def all(self) -> Sequence[Stock]:
        self.looks += 1
        return [Stock("shop", {CouponState.AVAILABLE: self.available, CouponState.ISSUED: 5})]

    async def used(self, campaign: str) -> int:
        return self.taken.get(campaign, 0)

    async def zones(self) -> frozenset[str | None]:
        return frozenset({None, "Europe/Berlin"})

    async def count(self, selection: Selection, _now: object) -> int:
        self.asked.append(selection)
        return self.people


def stockroom(shop: Shop, **campaigns: dict[str, Any]) -> Stockroom:
    known = {name: Campaign.model_validate({**of, "name": name}) for name, of in campaigns.items()}
    return Stockroom(campaigns=known, stock=shop, people=shop, zone=ISTANBUL, leap_day="feb28")


def a_campaign(**changes: Any) -> Campaign:
    return Campaign.model_validate({**MANUAL, **changes, "name": "offer"})


@pytest.mark.parametrize(
    ("available", "people", "coupon", "used", "blocked"),
    [
        pytest.param(9, 10, POOL, 0, True, id="a code too few"),
        pytest.param(10, 10, POOL, 0, False, id="exactly enough"),
        pytest.param(9, 10, {**POOL, "budget": 9}, 0, False, id="the budget asks for no more"),
        pytest.param(4, 10, {**POOL, "budget": 9}, 5, False, id="nor what is left of it"),
        pytest.param(3, 10, {**POOL, "budget": 9}, 5, True, id="what is left of the budget is too much"),
        pytest.param(5, 10, {"kind": "pool", "pool": "another"}, 0, True, id="a pool nobody loaded"),
        pytest.param(0, 10, {"kind": "generated", "prefix": "A", "budget": 1}, 0, False, id="made as needed"),
    ],
)
async def test_a_pool_smaller_than_the_audience_blocks_a_launch(
    available: int, people: int, coupon: dict[str, Any], used: int, blocked: bool
) -> None:
    campaign = a_campaign(coupon=coupon)
    shop = Shop(available, people, offer=used)
    room = stockroom(shop, offer={**MANUAL, "coupon": coupon})
    if not blocked:
        await room.ready(campaign, NOW)
        return
    with pytest.raises(UsageError, match=r"needs \d+ coupons and the pool .* Nothing was sent"):
        await room.ready(campaign, NOW)


@pytest.mark.parametrize(
    ("campaign", "available", "people", "said"),
    [
        pytest.param(DAILY, 0, 3, "is empty", id="empty"),
        pytest.param(DAILY, 5, 6, "fewer codes left than the next run needs", id="too few for tomorrow"),
        pytest.param(DAILY, 6, 6, None, id="enough"),
        pytest.param(MANUAL, 5, 6, None, id="by hand: asked when it is started"),
        pytest.param(HELLO, 5, 6, None, id="events: nobody knows how many"),
        pytest.param({**DAILY, "enabled": False}, 0, 6, None, id="switched off"),
    ],
)
async def test_a_low_pool_alarms(
    campaign: dict[str, Any], available: int, people: int, said: str | None
) -> None:
    alarms = await stockroom(Shop(available, people), daily=campaign).alarms(NOW, taken=False)
    if said is None:
        assert alarms == []
    else:
        [alarm] = alarms
        assert said in alarm
        assert "daily" in alarm
        assert "mailer coupons load shop FILE" in alarm


async def test_a_spent_budget_alarms() -> None:
    spec = {"kind": "generated", "prefix": "A", "budget": 100}
    room = stockroom(Shop(0, 0, offer=100), offer={**MANUAL, "coupon": spec})
    [alarm] = await room.alarms(NOW, taken=False)
    assert "budget of offer, 100, is used up" in alarm


async def test_it_looks_hourly_or_when_codes_were_taken() -> None:
    shop = Shop(50, 3)
    room = stockroom(shop, daily=DAILY)
    for later, taken in ((timedelta(), False), (LOOK / 2, False), (LOOK / 2, True), (LOOK * 2, False)):
        await room.alarms(NOW + later, taken=taken)
    assert shop.looks == 3


async def test_it_looks_again_once_the_clock_was_set_back() -> None:
    shop = Shop(50, 3)
    room = stockroom(shop, daily=DAILY)
    await room.alarms(NOW, taken=False)
    await room.alarms(NOW - timedelta(days=400), taken=False)
    assert shop.looks == 2


async def test_the_next_run_is_that_of_one_day_in_all_zones() -> None:
    shop = Shop(50, 3)
    local = {**DAILY, "trigger": {"cron": "0 10 * * *", "timezone": "customer"}}
    [row] = await stockroom(shop, daily=local).pools(NOW)
    assert (row["needed"], row["available"], row["issued"], row["campaigns"]) == (6, 50, 5, ["daily"])
    assert {selection.zones for selection in shop.asked} == {frozenset({None}), frozenset({"Europe/Berlin"})}
