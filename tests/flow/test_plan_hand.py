"""What a person started and what cut it short before it was whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from mailer.core.run import Batch, NewDelivery
from mailer.errors import Conflict
from mailer.flow import plan_fill
from mailer.store.control import Control
from mailer.store.engine import Database
from mailer.store.runs import Runs
from tests.flow.planning import BIRTHDAY, OFFER, Shop, at

_codes = count(1)
MORNING, NOON = "2027-04-02T07:00", "2027-04-02T09:00"
GIFT: dict[str, Any] = OFFER | {"coupon": {"kind": "generated", "prefix": "YZ", "percent": 10}}


class Fails(Runs):
    """The second part of a run is not written down: the database is gone, or the process is."""

    left = 1

    async def add(
        self, run_id: int, rows: Sequence[NewDelivery], now: datetime, batches: Sequence[Batch] = ()
    ) -> int:
        self.left -= 1
        if self.left < 0:
            raise OSError("gone")
        return await super().add(run_id, rows, now, batches)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_fill, "PAGE", 2)
    monkeypatch.setattr(plan_fill, "FIRST", 2)


async def cut_short(shop: Shop, campaign: str = "offer", now: str = MORNING) -> None:
    """Start a campaign of which only the first two customers get into the run."""
    whole = shop.runs
    shop.runs = Fails(shop.database, lambda prefix: f"{prefix}-A{next(_codes):09d}")
    with pytest.raises(OSError, match="gone"):
        await shop.planner().run_by_hand(shop.campaigns[campaign], at(now))
    shop.runs = whole


async def shop_of(database: Database, campaign: dict[str, Any], customers: int = 5) -> Shop:
    shop = Shop(database, offer=campaign)
    await shop.seen()
    for number in range(customers):
        await shop.customer(f"c{number}", birthday="1990-04-02")
    return shop


async def test_the_next_pass_finishes_it(database: Database) -> None:
    shop = await shop_of(database, OFFER)
    await cut_short(shop)
    assert await shop.run_states() == ["2027-04-02 planning"]
    await shop.customer("late", set_at=NOON)  # was not there when it was started
    report = await shop.plan(NOON)
    assert (report.added, report.faults) == (3, [])
    assert await shop.run_states() == ["2027-04-02 queued"]
    assert await shop.rows() == [
        f"2027-04-02 c{n} queued 2027-04-02T{7 if n < 2 else 9:02}:00Z" for n in range(5)
    ]
    assert (await shop.plan(NOON)).added == 0


async def test_whoever_says_it_again_means_the_same(database: Database) -> None:
    shop = await shop_of(database, GIFT)
    await cut_short(shop)
    assert await shop.planner().run_by_hand(shop.campaigns["offer"], at(NOON)) == ("2027-04-02", 5)
    assert await shop.run_states() == ["2027-04-02 queued"]
    assert len({row.split()[1] for row in await shop.rows() if "queued" in row}) == 5
    assert len({code for code, _state, _day in await shop.codes()}) == 5
    assert (await shop.planner().run_by_hand(shop.campaigns["offer"], at(NOON)))[0] == "2027-04-02.2"


async def test_too_long_ago_it_ends_and_another_is_started(database: Database) -> None:
    shop = await shop_of(database, OFFER | {"catch_up": "1h"})
    await cut_short(shop)
    occurrence, count = await shop.planner().run_by_hand(shop.campaigns["offer"], at("2027-04-02T12:00"))
    assert (occurrence, count) == ("2027-04-02.2", 5)
    rows = await shop.rows()
    assert [row.split()[2] for row in rows if row.startswith("2027-04-02 ")] == ["queued"] * 2 + [
        "missed"
    ] * 3


async def test_of_an_anniversary_those_whose_day_it_was(database: Database) -> None:
    shop = await shop_of(database, BIRTHDAY | {"trigger": {"anniversary": "birthday", "at": "23:30"}}, 3)
    await shop.customer("other", birthday="1990-04-03")
    await cut_short(shop)
    await shop.plan("2027-04-03T07:00")
    started = [row.split()[1] for row in await shop.rows() if row.startswith("2027-04-02 ")]
    assert started == ["c0", "c1", "c2"]


async def test_while_its_campaign_is_paused_it_stays_as_it_is(database: Database) -> None:
    shop = await shop_of(database, OFFER)
    await cut_short(shop)
    await shop.runs.pause("offer", paused=True)
    await shop.plan(NOON)
    assert await shop.run_states() == ["2027-04-02 planning"]
    await shop.runs.pause("offer", paused=False)
    await shop.plan(NOON)
    assert await shop.run_states() == ["2027-04-02 queued"]


async def test_one_that_answers_events_since_has_nobody_to_be_finished_for(database: Database) -> None:
    shop = await shop_of(database, OFFER)
    await cut_short(shop)
    shop.campaign("offer", {"purpose": "commercial", "trigger": {"event": "order.placed"}})
    assert (await shop.plan(NOON)).faults == []
    assert await shop.run_states() == ["2027-04-02 planning"]


async def test_called_off_while_it_is_planned_nobody_is_added_any_more(database: Database) -> None:
    shop = await shop_of(database, OFFER)
    await cut_short(shop)
    (half,) = await shop.runs.half_planned(["offer"])
    assert (half.campaign, half.occurrence, half.written) == ("offer", "2027-04-02", 2)
    await Control(database).cancel(half.id, at(NOON))
    late = NewDelivery(
        customer_key=5, once_key="late", email="l@x.example", email_key="l@x.example", due_at=at(MORNING),
        not_before=at(MORNING),
    )  # fmt: skip
    assert await shop.runs.add(half.id, [late], at(NOON)) == 0
    await shop.plan(NOON)
    assert [row.split()[2] for row in await shop.rows()] == ["cancelled"] * 2
    assert await shop.run_states() == ["2027-04-02 cancelled"]


async def test_what_is_switched_off_cannot_be_started(database: Database) -> None:
    shop = await shop_of(database, OFFER | {"enabled": False})
    with pytest.raises(Conflict, match="offer is switched off"):
        await shop.planner().run_by_hand(shop.campaigns["offer"], at(MORNING))
    assert await shop.run_states() == []
