"""Preferences, confirmations and surveys: a look changes nothing, a button does, and says so when it is durable."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from mailer.core.campaign import Campaign
from mailer.core.delivery import Skip
from mailer.core.handoff import Drop, Go, HandoffFacts, Start, Verdict
from mailer.core.policy import judge
from mailer.core.token import sign
from mailer.flow.track import PREFERENCES, UNSUBSCRIBE
from mailer.store.engine import Database
from mailer.store.tables import consent_entry, customer, customer_event, run
from mailer.testing import FrozenClock
from tests.store import rows
from tests.store.rows import NOW
from tests.web.conftest import Stand
from tests.web.test_public import everything, take_away, threads_to_end

ALL = {"List-Unsubscribe": "One-Click"}
ENGLISH = {"accept-language": "en"}
NEWS = Campaign.model_validate(
    {"name": "letter", "purpose": "commercial", "trigger": "manual", "topic": "letters"}
)


@pytest.fixture
async def both(make_stand: Callable[[Database], Stand], database: Database) -> Stand:
    """A shop with topics: two of the settings, one of a campaign."""
    return with_topics(make_stand(database))


def with_topics(stand: Stand) -> Stand:
    topics = {"news": {"en": "News", "tr": "Haberler"}, "offers": "Offers"}
    stand.app.settings = stand.app.settings.model_copy(update={"topics": topics})
    stand.app.campaigns["letter"] = NEWS
    return stand


async def a_mail(stand: Stand, **run_values: Any) -> tuple[int, int]:
    who = await rows.a_customer_row(stand.app.db, email="ayse@example.com")
    of = await rows.a_run(stand.app.db, **run_values)
    return await rows.a_delivery(stand.app.db, of, who), who


def reader(stand: Stand) -> httpx.AsyncClient:
    return stand.client("203.0.113.7", "https://mail.shop.example", headers=ENGLISH)


def boxes(page: str) -> dict[str, bool]:
    """The boxes of a page, and whether they are checked."""
    found = re.findall(r'type="checkbox" name="(\w+)" value="(\w+)"( checked)?', page)
    return {value if name == "topic" else name: bool(checked) for name, value, checked in found}


async def ledger(stand: Stand, who: int) -> list[tuple[str, str]]:
    wanted = select(consent_entry.c.purpose, consent_entry.c.action).where(consent_entry.c.customer_id == who)
    async with stand.app.db.read() as connection:
        return sorted((row.purpose, row.action) for row in await connection.execute(wanted))


async def test_what_was_chosen_is_kept_with_its_proof(both: Stand) -> None:
    mail, who = await a_mail(both)
    path = f"/p/{both.token(PREFERENCES, mail, who, 'ayse@example.com')}"
    async with reader(both) as client:
        before = await everything(both.app.db)
        page = await client.get(path)
        await client.head(path)
        assert await everything(both.app.db) == before
        assert boxes(page.text) == {"news": True, "offers": True, "letters": True, "counted": True}
        assert "News" in page.text
        choice = {"save": "1", "chosen": "1", "topic": ["news"]}
        done = await client.post(path, data=choice)
        assert done.status_code == 200
        assert "saved" in done.text
        assert boxes((await client.get(path)).text) == {
            "news": True, "offers": False, "letters": False, "counted": False
        }  # fmt: skip
        refused = {
            "topic:offers": "unsubscribed",
            "topic:letters": "unsubscribed",
            "tracking": "unsubscribed",
        }
        assert await both.app.suppressions.of("ayse@example.com") == refused
        once = [("topic:letters", "revoked"), ("topic:offers", "revoked"), ("tracking", "revoked")]
        assert await ledger(both, who) == once
        after = await everything(both.app.db)
        await client.post(path, data=choice)
        assert await everything(both.app.db) == after, "the same once more adds nothing"
        await client.post(path, data={**choice, "topic": ["offers", "letters", "nonsense"], "counted": "1"})
        assert await both.app.suppressions.of("ayse@example.com") == {"topic:news": "unsubscribed"}
    row = await rows.one(both.app.db, customer, who)
    assert row["consent"] == "yes", "whoever chooses is not unsubscribed"
    assert row["attributes"] == {"tracking": "clicks"}, "the box spoke of clicks alone"
    assert len(await ledger(both, who)) == 7


@pytest.mark.parametrize(
    ("wanted", "before", "checked", "after"),
    [
        ({}, {}, True, {}),  # the box was left as it stood: that is no word of theirs
        ({}, {"tracking": "yes"}, True, {"tracking": "yes"}),
        ({"opt_in": True}, {}, False, {"tracking": "clicks"}),
        ({"opens": True}, {}, False, {"tracking": "yes"}),
        ({"opens": True}, {"tracking": "clicks"}, False, {"tracking": "yes"}),
        ({"opens": True}, {"tracking": "yes"}, True, {"tracking": "yes"}),
        ({}, {"tracking": "no"}, False, {"tracking": "clicks"}),
    ],
)
async def test_nobody_agrees_by_a_box_that_was_checked_before_they_came(
    both: Stand, wanted: dict[str, bool], before: dict[str, str], checked: bool, after: dict[str, str]
) -> None:
    mail, who = await a_mail(both)
    async with both.app.db.write() as connection:
        await connection.execute(customer.update().values(attributes=before))
    tracking = both.app.settings.tracking.model_copy(update=wanted)
    both.app.settings = both.app.settings.model_copy(update={"tracking": tracking})
    path = f"/p/{both.token(PREFERENCES, mail, who, 'ayse@example.com')}"
    async with reader(both) as client:
        page = (await client.get(path)).text
        assert boxes(page)["counted"] is checked
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', page))
        await client.post(
            path, data={"save": "1", "counted": "1", **hidden, "topic": ["news", "offers", "letters"]}
        )
    assert (await rows.one(both.app.db, customer, who))["attributes"] == after
    assert await ledger(both, who) == ([("tracking", "granted")] if before != after else [])


async def test_the_other_button_stops_everything(both: Stand) -> None:
    mail, who = await a_mail(both)
    path = f"/p/{both.token(PREFERENCES, mail, who, 'ayse@example.com')}"
    async with reader(both) as client:
        assert (await client.post(f"{path}?by=page", data=ALL)).status_code == 200
        page = await client.get(path)
        assert boxes(page.text) == {"counted": True}
        assert "This address gets no offers or news from us." in page.text  # also where it lapsed or died
        await client.post(path, data={"save": "1"})
    assert (await rows.one(both.app.db, customer, who))["consent"] == "no"
    assert set(await both.app.suppressions.of("ayse@example.com")) == {"commercial", "tracking"}


async def test_a_form_is_known_by_its_kind_however_that_is_written(both: Stand) -> None:
    mail, who = await a_mail(both)
    path = f"/p/{both.token(PREFERENCES, mail, who, 'ayse@example.com')}"
    fields = {"Content-Type": "Application/X-WWW-Form-URLEncoded; charset=UTF-8"}
    async with reader(both) as client:
        await client.post(path, content=b"save=1&chosen=1&topic=news&counted=1&as_is=1", headers=fields)
    assert set(await both.app.suppressions.of("ayse@example.com")) == {"topic:letters", "topic:offers"}


async def test_who_refused_a_topic_gets_no_mail_of_it(both: Stand) -> None:
    mail, who = await a_mail(both, topic="offers")
    other = await rows.a_delivery(both.app.db, await rows.a_run(both.app.db, topic="news"), who)
    path = f"/p/{both.token(PREFERENCES, mail, who, 'ayse@example.com')}"
    async with reader(both) as client:
        await client.post(path, data={"save": "1", "chosen": "1", "topic": ["news", "letters"]})

    def as_ever(facts: HandoffFacts) -> Verdict:
        return judge(facts, both.app.rules, NOW)

    mine = await rows.a_sender(both.app.db)
    await both.app.ledger.claim(mine, NOW, 9)
    starts = [Start(each, f"<{each}@x>") for each in (mail, other)]
    verdicts = await both.app.ledger.advance(mine, NOW, [], starts, as_ever)
    assert isinstance(verdicts[mail], Drop)
    assert verdicts[mail].reason == Skip.UNSUBSCRIBED
    assert isinstance(verdicts[other], Go)


async def test_planning_leaves_out_who_refused_the_topic(both: Stand) -> None:
    for name in ("news-reader", "no-news"):
        await rows.a_customer_row(both.app.db, ext_id=name, email=f"{name}@example.com")
    async with reader(both) as client:
        token = both.token(PREFERENCES, 1, 99_999, "no-news@example.com")
        await client.post(f"/p/{token}", data={"save": "1", "chosen": "1"})
    letter = NEWS.model_copy(update={"template": "t"})
    folder = both.app.settings.templates_dir / "t"
    write(folder)
    both.app.campaigns["letter"] = letter
    await both.app.planner.look(NOW)
    await both.app.planner.run_by_hand(letter, NOW)
    found = {row["customer"]: row["reason"] async for row in both.app.ledger.list(None, None, None, None)}
    assert found == {"news-reader": None, "no-news": Skip.UNSUBSCRIBED}
    async with both.app.db.read() as connection:
        assert set(await connection.scalars(select(run.c.topic))) == {"letters"}


def write(folder: Path) -> None:
    folder.mkdir()
    (folder / "subject.txt").write_text("Hi")
    (folder / "body.txt").write_text("Hi")


async def test_without_topics_and_counting_there_is_the_one_button(stand: Stand) -> None:
    tracking = stand.app.settings.tracking.model_copy(update={"clicks": False})
    stand.app.settings = stand.app.settings.model_copy(update={"tracking": tracking})
    async with reader(stand) as client:
        page = await client.get(f"/p/{stand.token(PREFERENCES, 1, 1, 'x@example.com')}")
    assert boxes(page.text) == {}
    assert page.text.count("<button") == 1


# Confirmation


def confirmation(stand: Stand, mail: int, who: int, email: str = "ayse@example.com", days: int = 30) -> str:
    last = int((NOW + timedelta(days=days)).timestamp())
    return f"/k/{sign(stand.app.keys, 'confirm', [mail, who, email, last])}"


async def events(stand: Stand) -> list[tuple[str, str, Any]]:
    async with stand.app.db.read() as connection:
        found = await connection.execute(select(customer_event).order_by(customer_event.c.id))
        return [(row.ext_id, row.name, row.properties) for row in found]


async def test_a_confirmation_is_a_button(both: Stand) -> None:
    mail, who = await a_mail(both, purpose="service")
    async with both.app.db.write() as connection:
        await connection.execute(customer.update().values(consent="unknown"))
    path = confirmation(both, mail, who)
    async with reader(both) as client:
        before = await everything(both.app.db)
        page = await client.get(path)
        assert page.text.count("<button") == 1
        await client.head(path)
        assert await everything(both.app.db) == before
        for _again in range(2):
            assert "Thank you" in (await client.post(path)).text
    assert await events(both) == [
        (f"confirm:{mail}", "consent.confirmed", {"source": "confirmation link", "delivery": mail})
    ]
    assert (await rows.one(both.app.db, customer, who))["consent"] == "yes"


async def test_a_confirmation_promises_no_mail_to_who_left_since(both: Stand) -> None:
    mail, who = await a_mail(both, purpose="service")
    path = confirmation(both, mail, who)
    async with reader(both) as client:
        await client.post(path)
        await client.post(f"/u/{both.token(UNSUBSCRIBE, mail, who, 'ayse@example.com')}")
        again = await client.post(path)
    assert again.status_code == 409
    assert "This address gets no e-mails from us" in again.text
    assert (await rows.one(both.app.db, customer, who))["consent"] == "no"


async def test_a_confirmation_does_not_lift_a_complaint_nor_say_so(both: Stand) -> None:
    mail, who = await a_mail(both, purpose="service")
    await both.app.suppressions.add("ayse@example.com", "commercial", "complaint", "arf", NOW)
    async with reader(both) as client:
        done = await client.post(confirmation(both, mail, who))
    assert (done.status_code, "Thank you" in done.text) == (409, False)
    assert await both.app.suppressions.of("ayse@example.com") == {"commercial": "complaint"}


async def test_a_confirmation_ends(both: Stand) -> None:
    mail, who = await a_mail(both)
    both.app.clock = FrozenClock(NOW + timedelta(days=31))
    async with reader(both) as client:
        for ask in (client.get, client.post):
            assert (await ask(confirmation(both, mail, who))).status_code == 410
        gone = await client.post(confirmation(both, mail, who, "other@example.com", days=60))
        assert gone.status_code == 410
        assert (await client.post(confirmation(both, 0, 0, days=60))).status_code == 200
        for token in ("nonsense", both.token(PREFERENCES, mail, who, "ayse@example.com")):
            assert (await client.post(f"/k/{token}")).status_code == 404
    assert await events(both) == []


# Survey


async def test_a_survey_shows_the_score_and_takes_it_by_its_button(both: Stand) -> None:
    mail, who = await a_mail(both)
    path = f"/s/{both.token('survey', mail, who, 'ayse@example.com')}"
    async with reader(both) as client:
        before = await everything(both.app.db)
        for chosen, checked in (("/9", ["9"]), ("", []), ("/11", []), ("/-1", []), ("/x", []), ("/²", [])):
            page = await client.get(path + chosen)
            assert page.status_code == 200
            assert re.findall(r'value="(\d+)" required checked', page.text) == checked
        await client.head(f"{path}/3")
        for nothing in ({}, {"score": ""}, {"score": "11"}, {"score": "1e1"}, {"score": "9" * 5_000}):
            assert (await client.post(path, data=nothing)).status_code == 400
        assert (await client.post(path, content=b'{"score": 3}')).status_code == 400
        assert (await client.post(f"{path}/9")).status_code == 405
        assert await everything(both.app.db) == before
        for score in ("9", "2"):
            assert "Thank you" in (await client.post(path, data={"score": score})).text
    answer = {"score": 9, "delivery": mail}
    assert await events(both) == [(f"survey:{mail}", "survey.answered", answer)]


async def test_nothing_is_promised_while_the_database_is_away(
    make_stand: Callable[[Database], Stand], sqlite_database: Database, tmp_path: Path
) -> None:
    both = with_topics(make_stand(sqlite_database))
    mail, who = await a_mail(both)
    await both.app.db.close()
    take_away(tmp_path / "mailer.db")
    preferences = f"/p/{both.token(PREFERENCES, mail, who, 'ayse@example.com')}"
    survey = f"/s/{both.token('survey', mail, who, 'ayse@example.com')}"
    async with reader(both) as client:
        page = await client.get(preferences)
        assert page.status_code == 200
        assert page.text.count("<button") == 1, "what can be asked without knowing anything"
        for path, data in (
            (preferences, {"save": "1", "chosen": "1"}),
            (survey, {"score": "9"}),
            (confirmation(both, mail, who), {}),
        ):
            assert (await client.get(path)).status_code == 200
            answer = await client.post(path, data=data)
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
    await threads_to_end()
