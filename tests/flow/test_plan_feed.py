"""A newsletter from a feed: an issue of what is new, and one that waits while its feed cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from mailer.core.post import Post
from mailer.errors import FeedFault
from mailer.store.engine import Database
from mailer.store.tables import run
from tests.flow.planning import NEWSLETTER, Shop, at

NEWS: dict[str, Any] = {**NEWSLETTER, "content": {"feed": "https://k.example/feed.xml"}}
GONE = FeedFault("the server answered 503")


async def shop_of(database: Database) -> Shop:
    shop = Shop(database, news=NEWS)
    await shop.seen()
    await shop.customer("a")
    await shop.customer("far", zone="America/New_York")
    return shop


def post(key: str, when: str | None) -> Post:
    return Post(key, key.upper(), f"https://k.example/{key}", at=at(when) if when else None)


async def issues(shop: Shop) -> list[tuple[str, str, list[str]]]:
    """(occurrence, state, titles) of every run."""
    async with shop.database.read() as conn:
        rows = await conn.execute(select(run.c.occurrence, run.c.state, run.c.content).order_by(run.c.id))
        return [
            (row.occurrence, row.state, [each["title"] for each in (row.content or {}).get("posts", [])])
            for row in rows
        ]


async def test_issues_of_what_is_new(database: Database) -> None:
    shop = await shop_of(database)
    feed = shop.feeds
    feed.now = [post("old", None), post("first", "2027-03-15T12:00"), post("tomorrow", "2027-03-17T12:00")]
    await shop.plan("2027-03-16T07:00")
    await shop.plan("2027-03-16T07:01")
    feed.now = [post("later", "2027-03-16T12:00"), *feed.now]
    await shop.plan("2027-03-16T14:00")  # New York gets the issue that stands
    assert feed.asked == 1
    await shop.settle("sent", "2027-03-16T14:00")
    await shop.plan("2027-03-23T07:00")
    await shop.settle("sent", "2027-03-23T07:00")
    await shop.plan("2027-03-30T07:00")
    assert await issues(shop) == [
        ("2027-03-16", "queued", ["OLD", "FIRST"]),
        ("2027-03-23", "queued", ["TOMORROW", "LATER"]),
        ("2027-03-30", "skipped_empty", []),
    ]
    assert [row for row in await shop.rows() if row.startswith("2027-03-16")] == [
        "2027-03-16 a sent 2027-03-16T07:00Z",
        "2027-03-16 far sent 2027-03-16T14:00Z",
    ]


async def test_a_fault_of_ours_with_one_campaign_stops_no_other(sqlite_database: Database) -> None:
    shop = await shop_of(sqlite_database)
    shop.campaign("events", {**NEWSLETTER, "priority": 10})
    await shop.seen()
    await shop.post("2027-03-15T12:00")
    shop.feeds.now = ValueError("odd")
    report = await shop.plan("2027-03-16T07:00")
    why = "something we did not expect went wrong (ValueError: odd)"
    assert report.faults == [f"The campaign news cannot be planned: {why}"]
    assert await shop.run_states() == ["2027-03-16 queued"]  # of the other
    shop.feeds.now = [post("first", "2027-03-15T12:00")]
    await shop.plan("2027-03-16T07:01")
    assert len(await shop.run_states()) == 2


async def test_an_issue_waits_for_its_feed_and_stops_no_other(database: Database) -> None:
    shop = await shop_of(database)
    shop.campaign("events", {**NEWSLETTER, "priority": 10})
    await shop.seen()
    await shop.post("2027-03-15T12:00")
    shop.feeds.now = GONE
    told = set()
    for minute in range(3):
        report = await shop.plan(f"2027-03-16T07:0{minute}")
        told.update(report.faults)
    said = "The campaign news cannot go out: https://k.example/feed.xml: the server answered 503"
    assert told == {f"{said} (it is tried again within its catch_up)"}
    assert await shop.run_states() == ["2027-03-16 queued"]  # of the other
    shop.feeds.now = [post("first", "2027-03-15T12:00")]
    assert (await shop.plan("2027-03-16T18:59")).faults == []
    assert await shop.rows("news") == [
        "2027-03-16 a queued 2027-03-17T06:00Z",  # held over the night
        "2027-03-16 far queued 2027-03-16T18:59Z",
    ]


async def test_later_than_its_catch_up_it_is_missed_without_asking(database: Database) -> None:
    shop = await shop_of(database)
    await shop.plan("2027-03-15T07:00")
    shop.feeds.now = GONE
    await shop.plan("2027-03-16T07:00")
    asked = shop.feeds.asked
    report = await shop.plan("2027-03-17T07:00")
    assert shop.feeds.asked == asked
    assert await shop.run_states() == ["2027-03-16 missed"]
    assert [row.split(" ")[1:] for row in await shop.rows()] == [["a", "missed"], ["far", "missed"]]
    assert len(report.faults) == 1
    shop.feeds.now = [post("first", "2027-03-15T12:00")]
    await shop.plan("2027-03-23T07:00")
    assert (await issues(shop))[1:] == [("2027-03-23", "queued", ["FIRST"])]  # nobody has had it yet


async def test_by_hand_a_feed_that_cannot_be_read_is_an_error(database: Database) -> None:
    shop = await shop_of(database)
    shop.feeds.now = GONE
    now = datetime(2027, 3, 16, 7, tzinfo=UTC)
    with pytest.raises(FeedFault, match="503"):
        await shop.planner().run_by_hand(shop.campaigns["news"], now)
    assert await issues(shop) == []
    shop.feeds.now = [post("first", "2027-03-15T12:00")]
    assert await shop.planner().run_by_hand(shop.campaigns["news"], now + timedelta(minutes=1)) == (
        "2027-03-16",
        2,
    )
