"""A lower mail yields to an issue that will have something in it, and to no other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from mailer.core.campaign import Campaign
from mailer.core.post import Post
from mailer.errors import FeedFault
from mailer.flow.issue import BELIEVED, Prospects
from mailer.store.audience import Audience
from mailer.store.engine import Database
from mailer.store.tables import run
from tests.flow.planning import NEWSLETTER, Shop, at

LOW: dict[str, Any] = {
    "purpose": "commercial",
    "trigger": {"cron": "0 9 * * tue", "timezone": "customer"},
    "priority": 10,
}
FEED: dict[str, Any] = {**NEWSLETTER, "content": {"feed": "https://k.example/feed.xml"}}
EARLY, DUE = "2027-03-16T06:00", "2027-03-16T07:00"  # nine and ten in Istanbul
POST = Post("p", "P", "https://k.example/p", at=at("2027-03-15T12:00"))
CAPPED, GOES = "2027-03-16 a capped", "2027-03-16 a queued 2027-03-16T06:00Z"


async def shop_of(database: Database, news: dict[str, Any]) -> Shop:
    shop = Shop(database, news=news, low=LOW)
    await shop.seen()
    await shop.customer("a")
    return shop


async def test_to_an_issue_of_what_was_published(database: Database) -> None:
    shop = await shop_of(database, NEWSLETTER)
    await shop.post("2027-03-15T12:00")
    await shop.plan(EARLY)
    assert await shop.rows("low") == [CAPPED]
    await shop.plan(DUE)
    assert await shop.run_states("news") == ["2027-03-16 queued"]


async def test_not_to_one_without_anything_new(database: Database) -> None:
    shop = await shop_of(database, NEWSLETTER)
    await shop.plan(EARLY)
    assert await shop.rows("low") == [GOES]
    await shop.plan(DUE)
    assert await shop.run_states("news") == ["2027-03-16 skipped_empty"]


@pytest.mark.parametrize(
    ("feed", "low"),
    [
        pytest.param([POST], CAPPED, id="something"),
        pytest.param([], GOES, id="nothing"),
        pytest.param(FeedFault("the server answered 503"), CAPPED, id="who knows"),
        pytest.param(ValueError("odd"), CAPPED, id="a fault of ours"),
    ],
)
async def test_of_a_feed_as_it_is_now(
    sqlite_database: Database, feed: list[Post] | Exception, low: str
) -> None:
    shop = await shop_of(sqlite_database, FEED)
    shop.feeds.now = feed
    report = await shop.plan(EARLY)
    assert report.faults == []  # that a feed cannot be read is told when its issue is due
    assert await shop.rows("low") == [low]


async def test_to_an_issue_that_stands_whatever_its_feed_says_since(database: Database) -> None:
    shop = await shop_of(database, FEED)
    shop.feeds.now = [POST]
    await shop.plan(DUE)
    shop.feeds.now = []
    await shop.customer("far", zone="America/New_York")
    await shop.plan("2027-03-16T13:00")
    assert (await shop.rows("low"))[-1] == "2027-03-16 far capped"


async def test_not_to_a_run_that_was_called_off(database: Database) -> None:
    shop = await shop_of(database, NEWSLETTER)
    await shop.post("2027-03-15T12:00")
    await shop.plan(DUE)
    async with database.write() as conn:
        await conn.execute(update(run).where(run.c.campaign == "news").values(state="cancelled"))
    await shop.customer("far", zone="America/New_York")
    await shop.plan("2027-03-16T13:00")
    assert (await shop.rows("low"))[-1] == "2027-03-16 far queued 2027-03-16T13:00Z"


async def test_a_feed_is_asked_now_and_then(sqlite_database: Database) -> None:
    shop = await shop_of(sqlite_database, FEED)
    prospects = Prospects(shop.runs, Audience(sqlite_database, shop._moment), shop.feeds)
    news, now = Campaign.model_validate({**FEED, "name": "news"}), at(EARLY)
    asked = []
    for passed in (timedelta(), timedelta(minutes=1), BELIEVED, -BELIEVED):
        prospects.begin(now + passed)
        assert not await prospects.goes_out(news, "2027-03-16", at(DUE))
        assert not await prospects.goes_out(news, "2027-03-23", at(DUE))
        asked.append(shop.feeds.asked)
    assert asked == [1, 1, 2, 3]
