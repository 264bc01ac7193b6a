"""Campaigns that wait for people to enter a segment, planned on real databases."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from mailer.core.campaign import Campaign
from mailer.core.event_row import EventRow
from mailer.core.segment import Rule
from mailer.errors import TemplateFault
from mailer.store import members
from mailer.store.audience import Audience
from mailer.store.engine import Database
from mailer.store.events import Events
from mailer.store.tables import run, segment_member
from tests.flow.planning import ISTANBUL, Shop, at
from tests.store.rows import a_version

GOLD, PLAIN = {"tier": "gold"}, {"tier": "plain"}
VIP: dict[str, Any] = {"purpose": "commercial", "trigger": {"segment": "vip"}}
NEWCOMER = "2027-05-10 guest queued 2027-05-10T08:01Z"


class BrokenError(BaseException):
    """The planner's process ends here."""


async def vips(database: Database, **more: Any) -> Shop:
    """A shop with one member and one guest, looked at once."""
    shop = Shop(database)
    shop.segments["vip"] = Rule.model_validate({"attr": {"tier": "gold"}})
    shop.campaign("vip", VIP | more)
    await shop.seen()
    await shop.customer("member", attributes=GOLD)
    await shop.customer("guest", attributes=PLAIN)
    await shop.plan("2027-05-10T07:00")
    return shop


async def enter(shop: Shop, when: str = "2027-05-10T08:00", who: str = "guest") -> None:
    await shop.change(who, when, attributes=GOLD)


async def test_a_campaign_added_later_begins_with_who_is_in_it_then(database: Database) -> None:
    shop = await vips(database)
    await enter(shop)
    shop.campaign("late", VIP)
    await shop.plan("2027-05-10T08:01")
    assert await shop.rows("late") == []
    assert await shop.rows("vip") == [NEWCOMER]


async def test_who_enters_outside_the_audience_is_no_newcomer_later(database: Database) -> None:
    shop = await vips(database, audience={"attr": {"city": "İzmir"}})
    await shop.change("guest", "2027-05-10T08:00", attributes=GOLD)
    await shop.plan("2027-05-10T08:01")
    await shop.change("guest", "2027-05-10T09:00", attributes=GOLD | {"city": "İzmir"})
    await shop.plan("2027-05-10T09:01")
    assert await shop.rows() == []


async def test_who_enters_during_a_pause_is_left_out_with_that_as_the_reason(database: Database) -> None:
    shop = await vips(database)
    await shop.runs.pause("vip", True)
    await enter(shop)
    await shop.plan("2027-05-10T08:01")
    await shop.runs.pause("vip", False)
    await shop.plan("2027-05-10T08:02")
    await shop.plan("2027-05-11T08:02")
    assert await shop.rows() == ["2027-05-10 guest paused"]


@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param(VIP | {"enabled": False}, id="switched off"),
        pytest.param(VIP | {"trigger": {"cron": "0 10 1 1 *"}}, id="another trigger"),
    ],
)
async def test_a_campaign_that_did_not_watch_starts_over(
    database: Database, meanwhile: dict[str, Any]
) -> None:
    shop = await vips(database)
    shop.campaign("vip", meanwhile)
    await shop.plan("2027-05-10T07:30")
    await enter(shop)
    await shop.plan("2027-05-10T08:01")
    shop.campaign("vip", VIP)
    await shop.plan("2027-05-10T08:02")
    assert await shop.rows() == []
    await shop.customer("third", attributes=GOLD)
    await shop.plan("2027-05-10T08:03")
    assert await shop.rows() == ["2027-05-10 third queued 2027-05-10T08:03Z"]


async def test_a_changed_rule_writes_to_nobody_it_newly_finds(database: Database) -> None:
    shop = await vips(database)
    shop.segments["vip"] = Rule.model_validate({"segment": "known"})
    shop.segments["known"] = Rule.model_validate({"attr": {"tier": {"missing": False}}})
    await shop.plan("2027-05-10T08:00")
    shop.segments["known"] = Rule()  # also one it only names
    await shop.customer("third", attributes={})
    await shop.plan("2027-05-10T08:01")
    assert await shop.rows() == []
    await shop.customer("fourth", attributes={})
    await shop.plan("2027-05-10T08:02")
    assert await shop.rows() == ["2027-05-10 fourth queued 2027-05-10T08:02Z"]


async def test_when_time_goes_backwards_nobody_leaves_to_enter_again(database: Database) -> None:
    shop = await vips(database)
    shop.segments["vip"] = Rule.model_validate({"event": {"name": "visited"}})
    await shop.plan("2027-05-10T07:01")
    await shop.event("visited", "guest", "2027-05-10T08:00")
    for now in ("2027-05-10T08:01", "2027-05-10T07:30", "2027-05-11T08:01"):
        await shop.plan(now)
    assert await shop.rows() == [NEWCOMER]


async def test_a_run_called_off_takes_nobody_who_enters_that_day(database: Database) -> None:
    shop = await vips(database)
    await enter(shop)
    await shop.plan("2027-05-10T08:01")
    async with database.write() as connection:
        await connection.execute(update(run).values(state="cancelled"))
    await shop.customer("third", attributes=GOLD)
    await shop.plan("2027-05-10T09:00")
    await shop.plan("2027-05-11T09:00")
    assert [row.split(" ")[1] for row in await shop.rows()] == ["guest"]


# What breaks off -----------------------------------------------------------------------------------------


class Frail(Audience):
    """Ends the process just before it ticks off who was planned."""

    async def settle_entries(self, campaign: str, entered_at: datetime) -> None:  # noqa: ARG002 (as Audience)
        raise BrokenError


async def test_a_planner_that_ends_between_writing_and_ticking_off_repeats_nothing(
    database: Database,
) -> None:
    shop = await vips(database)
    await enter(shop)
    planner = shop.planner()
    await planner.looks.take(at("2027-05-10T20:59"))
    planner._entries._people = Frail(database, shop._moment)
    with pytest.raises(BrokenError):
        await planner.plan(at("2027-05-10T20:59"))
    # After midnight it is still the run of the day on which the guest entered.
    await shop.plan("2027-05-10T21:01")
    await shop.plan("2027-05-10T21:02")
    assert await shop.rows() == ["2027-05-10 guest queued 2027-05-11T06:00Z"]
    assert await shop.run_states() == ["2027-05-10 queued"]


async def test_a_planner_that_ends_before_releasing_is_finished_by_the_next(database: Database) -> None:
    shop = await vips(database)
    await enter(shop)

    async def broken(*_: Any, **__: Any) -> None:
        raise BrokenError

    release, shop.runs.release = shop.runs.release, broken  # type: ignore[method-assign]
    with pytest.raises(BrokenError):
        await shop.plan("2027-05-10T20:59")
    assert await shop.run_states() == ["2027-05-10 planning"]
    shop.runs.release = release  # type: ignore[method-assign]
    await shop.plan("2027-05-10T21:01")
    assert await shop.rows() == ["2027-05-10 guest queued 2027-05-11T06:00Z"]
    assert await shop.run_states() == ["2027-05-10 queued"]


async def test_a_first_look_that_breaks_off_is_still_the_first(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(database)
    shop.segments["vip"] = Rule()
    shop.campaign("vip", VIP)
    await shop.seen()
    for number in range(5):
        await shop.customer(f"c{number}")
    monkeypatch.setattr(members, "SLICE", 2)
    still_here, left = members.still_here, [1]

    async def breaks(connection: Any, keys: Any) -> Any:
        if not left:
            raise BrokenError
        left.pop()
        return await still_here(connection, keys)

    monkeypatch.setattr(members, "still_here", breaks)
    with pytest.raises(BrokenError):
        await shop.plan("2027-05-10T08:00")
    monkeypatch.setattr(members, "still_here", still_here)
    await shop.plan("2027-05-10T08:01")
    await shop.plan("2027-05-10T08:02")
    assert await shop.rows() == []
    async with database.read() as connection:
        assert len((await connection.scalars(select(segment_member.c.customer_id))).all()) == 5


async def test_who_entered_while_a_template_was_broken_is_caught_up(database: Database) -> None:
    shop = await vips(database)
    await enter(shop)
    version, broken = shop._version, [True]

    async def of(campaign: Campaign, now: datetime) -> int:
        if broken:
            raise TemplateFault("it does not end", "templates/vip/body.html")
        return await version(campaign, now)

    shop._version = of  # type: ignore[method-assign]
    report = await shop.plan("2027-05-10T08:01")
    assert len(report.faults) == 1
    broken.clear()
    await shop.plan("2027-05-10T09:00")
    assert await shop.rows() == ["2027-05-10 guest queued 2027-05-10T09:00Z"]


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param(["2027-05-10T08:01"] * 3, id="at one instant"),
        pytest.param(["2027-05-10T20:59:59", "2027-05-10T21:00:01"], id="on both sides of midnight"),
    ],
)
async def test_planners_at_once_are_as_one(database: Database, moments: list[str]) -> None:
    shop = await vips(database)
    names = [f"c{number}" for number in range(20)]
    for name in names:
        await shop.customer(name, attributes=GOLD)
    version = await a_version(database, "vip")

    async def of(_campaign: Campaign, _now: datetime) -> int:
        return version

    shop._version = of  # type: ignore[method-assign]
    await asyncio.gather(*(shop.plan(moment) for moment in moments))
    assert sorted(row.split(" ")[1] for row in await shop.rows()) == sorted(names)
    assert len(await shop.run_states()) == 1


# Rewards -------------------------------------------------------------------------------------------------


async def ordered(
    shop: Shop, key: str, who: str, when: str, net: int | None, *, name: str = "order.placed", ref: str = ""
) -> None:
    """An event as an import brings it; one that is known already changes nothing."""
    row = EventRow(
        line=1, id=key, customer=who, name=name, at=at(when), order_ref=ref or key, currency="TRY",
        net_e4=None if net is None else net * 10_000,
    )  # fmt: skip
    await Events(shop.database, ISTANBUL).add([row], at(when) + timedelta(minutes=1))


async def test_case_14_a_reward_once_the_return_window_is_over(database: Database) -> None:
    shop = Shop(database)
    settled = {"net": "1000..", "currency": "TRY", "settled": "14d"}
    shop.segments["spent_1000"] = Rule.model_validate({"spend": settled})
    shop.campaign("reward", VIP | {"trigger": {"segment": "spent_1000"}, "once": "ever"})
    await shop.seen()
    await shop.customer("a")
    await shop.plan("2027-08-31T12:00")
    await ordered(shop, "o1", "a", "2027-09-01T10:00", 600)
    await ordered(shop, "o2", "a", "2027-09-02T10:00", 450)
    await ordered(shop, "r2", "a", "2027-09-10T10:00", None, name="order.refunded", ref="o2")
    for day in (15, 16, 17):
        await shop.plan(f"2027-09-{day}T12:00")
    assert await shop.rows() == []
    for _ in range(3):  # the webhook is replayed
        await ordered(shop, "o3", "a", "2027-09-20T10:00", 500)
    await shop.plan("2027-10-04T09:59")
    assert await shop.rows() == []
    await shop.plan("2027-10-04T10:00")
    await shop.settle("sent", "2027-10-04T10:00")
    await ordered(shop, "o3", "a", "2027-09-20T10:00", 500)
    for day in ("10-04T10:01", "10-05T12:00", "11-05T12:00"):
        await shop.plan(f"2027-{day}")
    assert await shop.rows() == ["2027-10-04 a sent 2027-10-04T10:00Z"]


async def test_whoever_becomes_one_of_the_best_is_met_after_the_night(database: Database) -> None:
    shop = Shop(database)
    shop.segments["best"] = Rule.model_validate({"rfm": {"r": 5, "m": 5}})
    shop.campaign("thanks", VIP | {"trigger": {"segment": "best"}})
    await shop.seen()
    for number in range(10):
        await shop.customer(f"c{number}")
        await ordered(shop, f"o{number}", f"c{number}", f"2027-05-0{number // 2 + 1}T10:00", 10 + number)
    await shop.plan("2027-05-09T12:00")
    await ordered(shop, "new", "c3", "2027-05-09T13:00", 1_000)
    await shop.plan("2027-05-09T23:59")  # one order in ten customers is not enough to score before the night
    assert await shop.rows() == []
    await shop.plan("2027-05-10T00:00")  # 03:00 in Istanbul
    assert await shop.rows() == ["2027-05-10 c3 queued 2027-05-10T06:00Z"]
    await ordered(shop, "more", "c4", "2027-05-10T01:00", 2_000)
    await ordered(shop, "again", "c4", "2027-05-10T01:00", 2_000)
    await shop.plan("2027-05-10T01:01")  # two are
    assert [row.split(" ")[1] for row in await shop.rows()] == ["c3", "c4"]
