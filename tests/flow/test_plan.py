"""Planning on real databases: who is written down for which occasion, when, and why not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from mailer.core.campaign import Campaign
from mailer.core.segment import Rule
from mailer.errors import TemplateFault, UsageError
from mailer.store.engine import Database
from mailer.store.tables import coupon, customer_date, delivery, run
from tests.flow.planning import BIRTHDAY, NEWSLETTER, OFFER, WELCOME, Shop, at


async def shop_of(database: Database, **campaigns: dict[str, Any]) -> Shop:
    """A shop whose campaigns have been here since long ago."""
    shop = Shop(database, **campaigns)
    await shop.seen()
    return shop


async def test_case_2_birthdays_on_both_edges_of_the_day(database: Database) -> None:
    shop = await shop_of(database, birthday=BIRTHDAY)
    await shop.customer("kiritimati", birthday="1990-05-10", zone="Pacific/Kiritimati")
    await shop.customer("pago", birthday="--05-10", zone="Pacific/Pago_Pago")
    await shop.customer("istanbul", birthday="1990-05-10")
    for now in ("2027-05-09T19:59", "2027-05-09T20:00", "2027-05-10T07:00", "2027-05-10T21:00"):
        await shop.plan(now)
    assert sorted(await shop.rows()) == [
        "2027-05-10 istanbul queued 2027-05-10T07:00Z",
        "2027-05-10 kiritimati queued 2027-05-09T20:00Z",
        "2027-05-10 pago queued 2027-05-10T21:00Z",
    ]
    assert await shop.run_states() == ["2027-05-10 queued"]


@pytest.mark.parametrize(
    ("leap_day", "rows"),
    [
        ("feb28", ["2027-02-28 a queued 2027-02-28T07:00Z", "2028-02-29 a queued 2028-02-29T07:00Z"]),
        ("mar1", ["2027-03-01 a queued 2027-03-01T07:00Z", "2028-02-29 a queued 2028-02-29T07:00Z"]),
    ],
)
async def test_case_1_born_on_a_leap_day(database: Database, leap_day: Any, rows: list[str]) -> None:
    shop = Shop(database, leap_day, birthday=BIRTHDAY)
    await shop.seen()
    await shop.customer("a", birthday="1992-02-29")
    for now in (
        "2027-02-28T07:00",
        "2027-03-01T07:00",
        "2028-02-28T07:00",
        "2028-02-29T07:00",
        "2028-03-01T07:00",
    ):
        await shop.plan(now)
        await shop.settle("sent", now)
    assert [row.replace("sent", "queued") for row in await shop.rows()] == rows


async def test_cases_3_and_4_a_date_entered_late_and_a_placeholder(database: Database) -> None:
    shop = await shop_of(database, birthday=BIRTHDAY)
    await shop.customer("late", birthday="1985-08-11", set_at="2027-08-01T00:00")
    await shop.customer("epoch", birthday="1970-01-01")
    for now in ("2027-01-01T07:00", "2027-08-11T07:00", "2028-01-01T07:00", "2028-08-11T07:00"):
        await shop.plan(now)
    assert await shop.rows() == [
        "2027-01-01 epoch unconfirmed_date",
        "2027-08-11 late too_soon",
        "2028-01-01 epoch unconfirmed_date",
        "2028-08-11 late queued 2028-08-11T07:00Z",
    ]


async def test_case_5_what_was_due_while_we_were_down(database: Database) -> None:
    shop = await shop_of(database, birthday=BIRTHDAY)
    for day in ("05-06", "05-08", "05-10", "05-11"):
        await shop.customer(day, birthday=f"1990-{day}")
    await shop.plan("2027-05-04T23:59")
    report = await shop.plan("2027-05-11T06:00")
    assert await shop.rows() == [
        "2027-05-06 05-06 missed",
        "2027-05-08 05-08 queued 2027-05-11T06:00Z",
        "2027-05-10 05-10 queued 2027-05-11T06:00Z",
    ]
    assert (await shop.run_states())[0] == "2027-05-06 missed"
    assert len(report.faults) == 1
    assert "birthday was due to 1 customer longer ago" in report.faults[0]
    assert (await shop.plan("2027-05-11T06:01")).faults == []


async def test_case_6_mornings_of_a_cron_where_the_clocks_change(database: Database) -> None:
    shop = await shop_of(database, newsletter=NEWSLETTER)
    await shop.customer("london", zone="Europe/London")
    await shop.customer("istanbul")
    for day in (23, 30):
        await shop.post(f"2027-03-{day - 3}T12:00")
        for hour in ("07:00", "09:00", "10:00"):
            await shop.plan(f"2027-03-{day}T{hour}")
            await shop.settle("sent", f"2027-03-{day}T{hour}")
    assert sorted(await shop.rows()) == [
        "2027-03-23 istanbul sent 2027-03-23T07:00Z",
        "2027-03-23 london sent 2027-03-23T10:00Z",
        "2027-03-30 istanbul sent 2027-03-30T07:00Z",
        "2027-03-30 london sent 2027-03-30T09:00Z",
    ]


async def test_case_7_the_night_holds_a_reward_and_not_a_welcome(database: Database) -> None:
    reward = {"purpose": "commercial", "trigger": {"event": "reward.due"}}
    shop = await shop_of(database, reward=reward, welcome=WELCOME)
    await shop.customer("r")
    await shop.customer("w")
    await shop.event("reward.due", "r", "2027-04-02T20:40")
    await shop.change("w", "2027-04-02T20:40", consent_at=at("2027-04-02T20:40"))
    await shop.event("consent.confirmed", "w", "2027-04-02T20:40")
    await shop.plan("2027-04-02T20:40", events_only=True)
    assert sorted(row.split(" ", 1)[1] for row in await shop.rows()) == [
        "r queued 2027-04-03T06:00Z",
        "w queued 2027-04-02T20:40Z",
    ]


async def test_a_welcome_that_comes_late_waits_for_the_morning(database: Database) -> None:
    shop = await shop_of(database, welcome=WELCOME)
    await shop.customer("w")
    await shop.event("consent.confirmed", "w", "2027-04-02T20:40", stored="2027-04-02T21:00")
    await shop.plan("2027-04-02T21:00")
    assert await shop.rows() == ["e1 w queued 2027-04-03T06:00Z"]


async def test_case_8_an_offer_that_would_be_dead_on_arrival(database: Database) -> None:
    shop = await shop_of(database, flash={**OFFER, "ends_at": "2027-04-03T08:00"})
    await shop.customer("a")
    await shop.customer("new-york", zone="America/New_York")
    planner = shop.planner()
    await planner.run_by_hand(shop.campaigns["flash"], at("2027-04-02T19:00"))  # 22:00 in Istanbul
    assert await shop.rows() == [
        "2027-04-02 a expired 2027-04-03T06:00Z",
        "2027-04-02 new-york queued 2027-04-02T19:00Z",
    ]


async def test_case_11_two_records_of_one_address_get_one_offer(database: Database) -> None:
    shop = await shop_of(database, offer=OFFER)
    await shop.customer("older", email="Ayse@shop.example")
    await shop.customer("younger", email="ayse@Shop.example")
    await shop.customer("other")
    await shop.planner().run_by_hand(shop.campaigns["offer"], at("2027-04-02T07:00"))
    assert await shop.rows() == [
        "2027-04-02 older queued 2027-04-02T07:00Z",
        "2027-04-02 younger duplicate",
        "2027-04-02 other queued 2027-04-02T07:00Z",
    ]


async def test_the_older_record_that_may_not_be_written_to_leaves_the_younger_its_mail(
    database: Database,
) -> None:
    shop = await shop_of(database, offer=OFFER)
    await shop.customer("older", email="a@shop.example", consent="no")
    await shop.customer("younger", email="a@shop.example")
    await shop.planner().run_by_hand(shop.campaigns["offer"], at("2027-04-02T07:00"))
    assert await shop.rows() == ["2027-04-02 older no_consent", "2027-04-02 younger queued 2027-04-02T07:00Z"]


async def test_case_15_an_empty_issue_and_who_subscribes_after_the_cut(database: Database) -> None:
    shop = await shop_of(database, newsletter=NEWSLETTER)
    await shop.customer("a")
    await shop.customer("undecided", consent="unknown", consent_at=None)
    await shop.plan("2027-03-16T07:00")
    assert await shop.run_states() == ["2027-03-16 skipped_empty"]
    assert await shop.rows() == []
    await shop.post("2027-03-20T12:00", "First")
    await shop.customer("new", set_at="2027-03-23T07:05")
    await shop.change("undecided", "2027-03-23T07:05", consent="yes", consent_at=at("2027-03-23T07:05"))
    await shop.plan("2027-03-23T07:06")  # the pass at seven was late
    await shop.plan("2027-03-23T07:07")
    assert await shop.rows() == [
        "2027-03-23 a queued 2027-03-23T07:06Z",
        "2027-03-23 undecided no_consent",
    ]
    await shop.settle("sent", "2027-03-23T07:06")
    await shop.plan("2027-03-30T07:00")  # nothing since
    await shop.post("2027-04-01T12:00", "Second")
    await shop.plan("2027-04-06T07:00")
    assert (await shop.run_states())[1:] == [
        "2027-03-23 queued",
        "2027-03-30 skipped_empty",
        "2027-04-06 queued",
    ]
    assert (await shop.rows())[2:] == [
        "2027-04-06 a queued 2027-04-06T07:00Z",
        "2027-04-06 undecided queued 2027-04-06T07:00Z",
        "2027-04-06 new queued 2027-04-06T07:00Z",
    ]


async def test_an_issue_carries_what_came_since_the_last_one_newest_first(database: Database) -> None:
    shop = await shop_of(database, newsletter=NEWSLETTER)
    await shop.customer("a")
    await shop.post("2027-03-15T12:00", "one")
    await shop.plan("2027-03-16T07:00")
    await shop.post("2027-03-22T12:00", "two")
    await shop.post("2027-03-22T13:00", "three")
    await shop.post("2027-03-23T07:01", "after the cut")
    await shop.plan("2027-03-23T07:02")
    async with database.read() as conn:
        issues = (await conn.execute(select(run.c.occurrence, run.c.content).order_by(run.c.id))).all()
    assert [(issue.occurrence, [post["title"] for post in issue.content["posts"]]) for issue in issues] == [
        ("2027-03-16", ["one"]),
        ("2027-03-23", ["three", "two"]),
    ]


async def titles(database: Database) -> list[tuple[str, list[str]]]:
    async with database.read() as conn:
        issues = (await conn.execute(select(run.c.occurrence, run.c.content).order_by(run.c.id))).all()
    return [
        (issue.occurrence, [post["title"] for post in (issue.content or {}).get("posts", ())])
        for issue in issues
    ]


async def test_a_post_that_was_stored_late_is_carried_by_the_next_issue_once(database: Database) -> None:
    shop = await shop_of(database, newsletter=NEWSLETTER)
    await shop.customer("a")
    await shop.post("2027-03-15T12:00", "one")
    await shop.post("2027-03-15T13:00", "stored as the issue was cut", stored="2027-03-16T07:01")
    await shop.plan("2027-03-16T07:02")
    await shop.settle("sent", "2027-03-16T07:03")
    await shop.post("2027-03-15T14:00", "late", stored="2027-03-17T09:00")
    await shop.post("2025-03-15T14:00", "from the archive", stored="2027-03-17T09:00")
    for day in ("23", "30"):
        await shop.plan(f"2027-03-{day}T07:00")
        await shop.settle("sent", f"2027-03-{day}T07:01")
    assert await titles(database) == [
        ("2027-03-16", ["stored as the issue was cut", "one"]),
        ("2027-03-23", ["late"]),
        ("2027-03-30", []),
    ]


async def test_what_nobody_was_sent_is_still_new(database: Database) -> None:
    shop = await shop_of(database, newsletter=NEWSLETTER)
    await shop.customer("a")
    await shop.post("2027-03-15T12:00", "one")
    await shop.plan("2027-03-16T07:02")
    await shop.settle("expired", "2027-03-16T08:00")
    await shop.post("2027-03-22T12:00", "two")
    await shop.plan("2027-03-23T07:00")
    assert await titles(database) == [("2027-03-16", ["one"]), ("2027-03-23", ["two", "one"])]


# Again, at once, interrupted ------------------------------------------------------------------------------


async def test_planning_again_and_two_planners_at_once_change_nothing(database: Database) -> None:
    shop = await shop_of(database, birthday=BIRTHDAY, newsletter=NEWSLETTER, welcome=WELCOME)
    await shop.post("2027-05-10T12:00")
    for number in range(7):
        await shop.customer(f"c{number}", birthday="1990-05-11")
        await shop.event("consent.confirmed", f"c{number}", "2027-05-11T06:59")
    now = at("2027-05-11T07:00")  # a Tuesday
    await asyncio.gather(*(shop.planner().plan(now) for _ in range(3)))
    once = await shop.rows()
    await shop.plan("2027-05-11T07:00")
    await shop.plan("2027-05-11T07:02")
    assert await shop.rows() == once
    assert len(once) == 21
    assert {state.split(" ")[1] for state in await shop.run_states()} == {"queued"}


async def test_time_going_backwards_sends_nothing_again(database: Database) -> None:
    shop = await shop_of(database, birthday=BIRTHDAY)
    await shop.customer("a", birthday="1990-05-11")
    await shop.plan("2027-05-11T07:00")
    await shop.settle("sent", "2027-05-11T07:00")
    for now in ("2027-05-11T06:00", "2027-05-10T07:00", "2027-05-11T07:30"):
        await shop.plan(now)
    assert await shop.count() == 1


async def test_a_planner_that_died_half_way_is_carried_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.flow.plan_fill.PAGE", 3)
    monkeypatch.setattr("mailer.flow.plan_fill.FIRST", 3)
    shop = await shop_of(database, birthday=BIRTHDAY)
    for number in range(8):
        await shop.customer(f"c{number}", birthday="1990-05-11")
    planner = shop.planner()
    batches, calls = planner._rows.batches, iter(range(9))

    def dies(*given: Any) -> Any:
        if next(calls) == 1:
            raise asyncio.CancelledError
        return batches(*given)

    planner._rows.batches = dies  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await planner.plan(at("2027-05-11T07:00"))
    assert await shop.run_states() == ["2027-05-11 planning"]  # no sender sees half a run
    await shop.plan("2027-05-11T07:05")
    assert await shop.run_states() == ["2027-05-11 queued"]
    assert await shop.count() == 8


async def test_a_campaign_whose_template_is_broken_stops_no_other_and_is_caught_up(
    database: Database,
) -> None:
    shop = await shop_of(
        database, birthday=BIRTHDAY, other={**BIRTHDAY, "trigger": {"anniversary": "birthday"}}
    )
    await shop.customer("a", birthday="1990-05-11")
    version, broken = shop._version, [True]

    async def version_of(campaign: Campaign, now: datetime) -> int:
        if campaign.name == "birthday" and broken[0]:
            raise TemplateFault("no such name", "templates/birthday/body.html", 3)
        return await version(campaign, now)

    shop._version = version_of  # type: ignore[method-assign]
    report = await shop.plan("2027-05-11T07:00")
    assert report.faults == [
        "The campaign birthday cannot go out: templates/birthday/body.html:3: no such name"
    ]
    assert await shop.run_states() == ["2027-05-11 queued"]
    broken[0] = False
    await shop.plan("2027-05-11T09:00")
    assert [row.split(" ")[1:3] for row in await shop.rows("birthday")] == [["a", "queued"]]


async def test_nothing_due_before_the_campaign_or_the_customer_was_here_is_caught_up(
    database: Database,
) -> None:
    shop = Shop(database, birthday={**BIRTHDAY, "trigger": {"anniversary": "birthday"}})
    await shop.customer("a", birthday="1990-05-11")
    await shop.seen("2027-05-11T07:01")
    await shop.plan("2027-05-11T07:02")
    assert await shop.rows() == []
    await shop.customer("b", birthday="1990-05-12", set_at="2027-05-12T07:01")
    await shop.plan("2027-05-12T07:02")
    assert await shop.rows() == []


# Zones, pauses, runs that grow ----------------------------------------------------------------------------


async def test_whoever_moves_into_a_zone_that_had_its_turn_is_not_lost(database: Database) -> None:
    shop = await shop_of(database, newsletter=NEWSLETTER)
    await shop.post("2027-03-20T12:00")
    await shop.customer("mover", zone="America/Los_Angeles")
    await shop.customer("stayer")
    await shop.plan("2027-03-23T07:00")
    assert await shop.rows() == ["2027-03-23 stayer queued 2027-03-23T07:00Z"]
    await shop.change("mover", "2027-03-23T11:00", zone="Europe/Istanbul")
    await shop.plan("2027-03-23T11:01")
    await shop.plan("2027-03-23T18:00")  # her old zone's turn
    assert await shop.rows() == [
        "2027-03-23 mover queued 2027-03-23T11:01Z",
        "2027-03-23 stayer queued 2027-03-23T07:00Z",
    ]


async def test_a_run_at_one_instant_keeps_its_members(database: Database) -> None:
    gold = {
        "purpose": "commercial", "trigger": {"at": "2027-03-23T10:00"},
        "audience": {"attr": {"tier": "gold"}},
    }  # fmt: skip
    shop = await shop_of(database, gold=gold)
    await shop.customer("a", attributes={"tier": "gold"})
    await shop.customer("b", attributes={"tier": "tin"})
    await shop.plan("2027-03-23T07:00")
    await shop.change("b", "2027-03-23T08:00", attributes={"tier": "gold"})
    await shop.plan("2027-03-23T08:01")
    assert await shop.rows() == ["2027-03-23 a queued 2027-03-23T07:00Z"]


async def test_zones_that_fall_due_after_the_first_ones_were_missed_still_get_theirs(
    database: Database,
) -> None:
    shop = await shop_of(database, newsletter=NEWSLETTER)
    await shop.post("2027-03-20T12:00")
    await shop.customer("kiritimati", zone="Pacific/Kiritimati")
    await shop.customer("london", zone="Europe/London")
    await shop.plan("2027-03-22T19:00")
    await shop.plan("2027-03-23T09:00")  # thirteen hours late for Kiritimati
    assert await shop.run_states() == ["2027-03-23 missed"]
    await shop.plan("2027-03-23T10:00")
    assert await shop.run_states() == ["2027-03-23 queued"]
    assert await shop.rows() == [
        "2027-03-23 kiritimati missed",
        "2027-03-23 london queued 2027-03-23T10:00Z",
    ]


async def test_what_falls_due_during_a_pause_is_left_out_and_says_so(database: Database) -> None:
    shop = await shop_of(database, newsletter=NEWSLETTER)
    await shop.post("2027-03-20T12:00")
    for zone in ("Pacific/Kiritimati", "Asia/Tokyo", "Europe/London"):
        await shop.customer(zone, zone=zone)
    await shop.plan("2027-03-22T20:00")
    await shop.runs.pause("newsletter", paused=True)
    for now in ("2027-03-23T01:00", "2027-03-23T10:00", "2027-03-23T13:30"):
        await shop.plan(now)
    await shop.runs.pause("newsletter", paused=False)
    await shop.plan("2027-03-23T13:40")
    assert await shop.rows() == [
        "2027-03-23 Pacific/Kiritimati queued 2027-03-22T20:00Z",
        "2027-03-23 Asia/Tokyo paused",
        "2027-03-23 Europe/London paused",
    ]


async def test_a_campaign_that_is_switched_off_owes_nothing_for_that_time(database: Database) -> None:
    shop = await shop_of(database, newsletter=NEWSLETTER)
    await shop.customer("a")
    await shop.plan("2027-03-10T07:00")
    shop.campaign("newsletter", {**NEWSLETTER, "enabled": False})
    await shop.post("2027-03-15T12:00")
    for now in ("2027-03-16T07:00", "2027-03-23T07:00"):
        await shop.plan(now)
    shop.campaign("newsletter", NEWSLETTER)
    report = await shop.plan("2027-03-25T07:00")
    assert await shop.rows() == []
    assert report.faults == []
    await shop.plan("2027-03-30T07:00")
    assert await shop.rows() == ["2027-03-30 a queued 2027-03-30T07:00Z"]


# Once, gaps, coupons --------------------------------------------------------------------------------------


async def test_a_date_that_is_edited_earns_no_second_birthday(database: Database) -> None:
    shop = await shop_of(database, birthday={**BIRTHDAY, "trigger": {"anniversary": "birthday"}})
    key = await shop.customer("a", birthday="1990-12-30")
    await shop.plan("2027-12-30T07:00")
    async with database.write() as conn:
        await conn.execute(
            update(customer_date).where(customer_date.c.customer_id == key).values(month=1, day=2)
        )
    await shop.plan("2028-01-02T07:00")  # the first still waits for its relay
    assert await shop.rows() == ["2027-12-30 a queued 2027-12-30T07:00Z", "2028-01-02 a too_soon"]


@pytest.mark.parametrize("once", ["ever", {"per": "run", "gap": "30d"}], ids=str)
async def test_two_events_of_a_customer_found_at_once_make_one_mail_and_one_skip(
    database: Database, once: Any
) -> None:
    shop = await shop_of(database, welcome={**WELCOME, "once": once})
    await shop.customer("a", consent_at=at("2027-05-11T07:01"))  # what they confirmed last is what stands
    for minute in ("07:00", "07:01"):
        await shop.event("consent.confirmed", "a", f"2027-05-11T{minute}")
    await shop.plan("2027-05-11T07:02")
    assert await shop.rows() == ["e1 a queued 2027-05-11T07:02Z", "e2 a too_soon"]


COUPON = {"kind": "generated", "prefix": "DG", "percent": 20, "valid": "30d"}


@pytest.mark.parametrize(
    ("more", "keys"),
    [
        pytest.param({}, {None}, id="its run says as much"),
        pytest.param({"once": "ever"}, {"offer:a", "offer:b", "offer:c"}, id="for longer"),
    ],
)
async def test_a_once_key_is_written_only_where_it_says_more_than_the_run(
    database: Database, more: dict[str, Any], keys: set[str | None]
) -> None:
    shop = await shop_of(database, offer=OFFER | more)
    await shop.customer("a")
    for twin in ("b", "c"):  # looked at one by one
        await shop.customer(twin, email="twin@shop.example", email_key="twin@shop.example")
    await shop.planner().run_by_hand(shop.campaigns["offer"], at("2027-04-02T07:00"))
    async with database.read() as conn:
        assert set((await conn.scalars(select(delivery.c.once_key))).all()) == keys


async def test_a_coupon_goes_with_its_delivery_and_skips_get_none(database: Database) -> None:
    shop = await shop_of(database, offer={**OFFER, "coupon": COUPON})
    await shop.customer("a")
    await shop.customer("b", consent="no")
    await shop.planner().run_by_hand(shop.campaigns["offer"], at("2027-04-02T19:00"))  # leaves on the third
    assert await shop.codes() == [("DG-0000000001", "reserved", "2027-05-03")]


async def test_an_occasion_planned_again_gets_its_code_again_with_new_days(database: Database) -> None:
    shop = await shop_of(
        database, birthday={**BIRTHDAY, "trigger": {"anniversary": "birthday"}, "coupon": COUPON}
    )
    key = await shop.customer("a", birthday="1990-05-11")
    await shop.plan("2027-05-11T07:00")
    await shop.settle("failed", "2027-05-11T07:00", reason="refused")
    async with database.write() as conn:
        await conn.execute(update(coupon).values(state="released"))
        await conn.execute(update(customer_date).where(customer_date.c.customer_id == key).values(month=7))
    await shop.plan("2027-07-11T07:00")
    assert await shop.rows() == ["2027-05-11 a refused", "2027-07-11 a queued 2027-07-11T07:00Z"]
    assert await shop.codes() == [("DG-0000000001", "reserved", "2027-08-10")]


async def test_one_static_code_serves_everybody(database: Database) -> None:
    shop = await shop_of(
        database, offer={**OFFER, "coupon": {"kind": "static", "code": "SALE", "percent": 10}}
    )
    for name in "abc":
        await shop.customer(name)
    await shop.planner().run_by_hand(shop.campaigns["offer"], at("2027-04-02T07:00"))
    assert [code for code, _state, _day in await shop.codes()] == ["SALE"] * 3


# What customers did ---------------------------------------------------------------------------------------

REFERRAL = {
    "purpose": "commercial",
    "trigger": {"event": "order.delivered", "after": "7d"},
    "catch_up": "24h",
}


async def test_days_after_an_event_are_the_customers_own(database: Database) -> None:
    shop = await shop_of(database, referral=REFERRAL)
    await shop.customer("berlin", zone="Europe/Berlin")
    await shop.customer("istanbul")
    for name in ("berlin", "istanbul"):  # Berlin's clocks go forward on 28 March 2027
        await shop.event("order.delivered", name, "2027-03-25T09:00")
    for now in ("2027-04-01T07:59", "2027-04-01T08:00", "2027-04-01T09:00"):
        await shop.plan(now)
    assert [row.split(" ", 1)[1] for row in await shop.rows()] == [
        "berlin queued 2027-04-01T08:00Z",
        "istanbul queued 2027-04-01T09:00Z",
    ]


@pytest.mark.parametrize(
    ("happened", "stored", "passes", "row"),
    [
        pytest.param("05-01T09:00", "05-01T09:00", ["05-08T08:59", "05-08T09:00"], "queued 2027-05-08T09:00Z",
                     id="in time"),
        pytest.param("05-01T09:00", "05-08T20:00", ["05-08T19:00", "05-08T20:00"], "queued 2027-05-09T06:00Z",
                     id="told late, young enough"),
        pytest.param("05-01T09:00", "05-09T10:00", ["05-09T09:00", "05-09T10:00"], None,
                     id="older than catch_up when told"),
        pytest.param("05-01T09:00", "05-01T09:00", ["05-08T08:00", "05-09T08:00"], "queued 2027-05-09T08:00Z",
                     id="down for a day"),
        pytest.param("05-01T09:00", "05-01T09:00", ["05-08T08:00", "05-10T08:00"], "missed",
                     id="down for two days"),
    ],
)  # fmt: skip
async def test_an_event_is_news_missed_or_too_old(
    database: Database, happened: str, stored: str, passes: list[str], row: str | None
) -> None:
    shop = await shop_of(database, referral=REFERRAL)
    await shop.customer("a")
    await shop.event("order.delivered", "a", f"2027-{happened}", stored=f"2027-{stored}")
    for now in passes:
        await shop.plan(f"2027-{now}")
    assert await shop.rows() == ([] if row is None else [f"e1 a {row}"])


async def test_an_event_from_before_the_campaign_starts_nothing(database: Database) -> None:
    shop = Shop(database, welcome=WELCOME)
    await shop.customer("a")
    await shop.event("consent.confirmed", "a", "2027-05-11T06:00")
    await shop.seen("2027-05-11T06:01")
    await shop.plan("2027-05-11T06:02")
    assert await shop.rows() == []


async def test_who_is_not_in_the_audience_gets_no_run(database: Database) -> None:
    shop = await shop_of(database, welcome={**WELCOME, "audience": {"attr": {"tier": "gold"}}})
    await shop.customer("a", attributes={})
    await shop.event("consent.confirmed", "a", "2027-05-11T06:00")
    await shop.plan("2027-05-11T06:02")
    assert await shop.run_states() == []


# Entering a segment ---------------------------------------------------------------------------------------

VIP = {"purpose": "commercial", "trigger": {"segment": "vip"}}


async def vips(database: Database) -> Shop:
    shop = Shop(database)
    shop.segments["vip"] = Rule.model_validate({"attr": {"tier": "gold"}})
    shop.campaign("vip", VIP)
    await shop.seen()
    await shop.customer("member", attributes={"tier": "gold"})
    await shop.customer("guest", attributes={})
    await shop.plan("2027-05-10T07:00")
    return shop


async def test_those_in_a_segment_at_first_are_not_written_to_and_those_who_enter_are(
    database: Database,
) -> None:
    shop = await vips(database)
    assert await shop.rows() == []
    await shop.change("guest", "2027-05-10T08:00", attributes={"tier": "gold"})
    await shop.plan("2027-05-10T08:01")
    await shop.plan("2027-05-10T08:02")
    assert await shop.rows() == ["2027-05-10 guest queued 2027-05-10T08:01Z"]


async def test_entering_again_on_the_same_day_is_one_mail_and_on_another_day_two(database: Database) -> None:
    shop = await vips(database)
    # The second time the guest is still in it the next day: that is no entry.
    for entry, leaving in (("10T08", "10T09"), ("10T10", "11T08"), ("12T08", "12T09")):
        await shop.change("guest", f"2027-05-{entry}:00", attributes={"tier": "gold"})
        await shop.plan(f"2027-05-{entry}:01")
        await shop.plan(f"2027-05-{entry}:02")
        await shop.settle("sent", f"2027-05-{entry}:02")
        await shop.plan(f"2027-05-{leaving}:00")
        await shop.change("guest", f"2027-05-{leaving}:30", attributes={})
        await shop.plan(f"2027-05-{leaving}:31")
    assert [row.split(" ")[0] for row in await shop.rows()] == ["2027-05-10", "2027-05-12"]


# By hand --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("definition", "who"),
    [
        pytest.param(OFFER, ["gold", "born", "plain"], id="manual: everyone"),
        pytest.param({**OFFER, "audience": {"attr": {"tier": "gold"}}}, ["gold"], id="manual: its audience"),
        pytest.param(VIP, ["gold"], id="segment: its members"),
        pytest.param(BIRTHDAY, ["born"], id="anniversary: whose day it is"),
        pytest.param({"purpose": "commercial", "trigger": {"cron": "0 10 * * tue"}}, ["gold", "born", "plain"],
                     id="cron: everyone"),
    ],
)  # fmt: skip
async def test_a_campaign_started_by_hand_reaches_whom_it_means(
    database: Database, definition: dict[str, Any], who: list[str]
) -> None:
    shop = Shop(database)
    shop.segments["vip"] = Rule.model_validate({"attr": {"tier": "gold"}})
    shop.campaign("it", definition)
    await shop.seen()
    await shop.customer("gold", attributes={"tier": "gold"})
    await shop.customer("born", birthday="1990-05-12", attributes={})
    await shop.customer("plain", attributes={})
    occurrence, count = await shop.planner().run_by_hand(shop.campaigns["it"], at("2027-05-12T08:00"))
    assert (occurrence, count) == ("2027-05-12", len(who))
    assert [row.split(" ")[1] for row in await shop.rows()] == who


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        pytest.param(WELCOME, "answers the event consent.confirmed", id="event"),
        pytest.param({"purpose": "service", "trigger": {"incident": "any"}}, "incidents open", id="incident"),
    ],
)
async def test_what_answers_something_cannot_be_started_by_hand(
    database: Database, definition: dict[str, Any], said: str
) -> None:
    shop = await shop_of(database, it=definition)
    await shop.customer("a")
    with pytest.raises(UsageError, match=said):
        await shop.planner().run_by_hand(shop.campaigns["it"], at("2027-05-12T08:00"))
    assert await shop.run_states() == []


async def test_started_by_hand_twice_it_goes_out_twice_and_empty_it_is_written_down(
    database: Database,
) -> None:
    shop = await shop_of(database, offer=OFFER)
    for _ in range(2):
        await shop.planner().run_by_hand(shop.campaigns["offer"], at("2027-04-02T07:00"))
    assert await shop.run_states() == ["2027-04-02 queued", "2027-04-02.2 queued"]
    await shop.customer("a")
    occurrence, _count = await shop.planner().run_by_hand(
        shop.campaigns["offer"], datetime(2027, 4, 2, 8, tzinfo=UTC)
    )
    assert occurrence == "2027-04-02.3"
