"""Clicks and the tracking picture: always answered, noted once, never more than a note."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from mailer.core.links import CLICK
from mailer.core.token import Keyring, Stem, sign
from mailer.flow.track import PREFERENCES, UNSUBSCRIBE
from mailer.store.engine import Database
from mailer.store.tables import delivery_event, metadata, suppression
from mailer.web.links import PICTURE, Readers
from tests.core.test_tracking import CHROME
from tests.store import rows
from tests.store.rows import NOW
from tests.web.conftest import Stand
from tests.web.test_public import everything, threads_to_end

SHOP = "https://kardelen.example/linen?x=1#top"


@pytest.fixture
async def both(make_stand: Callable[[Database], Stand], database: Database) -> Stand:
    return make_stand(database)


def link(stand: Stand, delivery: int, url: str = SHOP) -> str:
    return f"/c/{Stem(stand.app.keys, CLICK, url).token(delivery)}"


def picture(stand: Stand, delivery: int) -> str:
    return f"/o/{sign(stand.app.keys, 'open', [delivery])}"


def person(stand: Stand, agent: str = CHROME, host: str = "203.0.113.7") -> httpx.AsyncClient:
    return stand.client(host, "https://mail.shop.example", headers={"user-agent": agent})


async def booked(stand: Stand) -> list[tuple[str, dict[str, Any]]]:
    """What is in the database once the spool was taken in."""
    stand.app.trail._spool.flush(last=True)
    await stand.app.replay.once(ripe=False)
    async with stand.app.db.read() as connection:
        found = await connection.execute(select(delivery_event).order_by(delivery_event.c.id))
        return [(row.kind, row.detail) for row in found]


async def test_a_click_leads_on_and_is_booked_once(both: Stand) -> None:
    mail = await rows.a_delivery(both.app.db)
    async with person(both) as client:
        answer = await client.get(link(both, mail))
        assert (answer.status_code, answer.headers["location"]) == (302, SHOP)
        assert answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers
        assert await booked(both) == [("clicked", {"by": "human", "url": SHOP, "agent": CHROME})]
        assert await booked(both) == [("clicked", {"by": "human", "url": SHOP, "agent": CHROME})]
        await client.head(link(both, mail))
    head = ("clicked", {"by": "machine", "why": "head", "url": SHOP, "agent": CHROME})
    assert (await booked(both))[1:] == [head]
    async with both.app.db.read() as connection:
        assert set(await connection.scalars(select(delivery_event.c.at))) == {NOW}


async def test_a_stretch_that_is_taken_in_twice_is_booked_once(both: Stand, tmp_path: Path) -> None:
    mail = await rows.a_delivery(both.app.db)
    async with person(both) as client:
        await client.get(link(both, mail))
        await client.get(picture(both, mail))
    both.app.trail._spool.flush(last=True)
    (whole,) = (both.app.settings.state / "spool").glob("*.whole")
    text = whole.read_text()
    for _again in range(2):  # as after a crash between the commit and the end of the file
        await both.app.replay.once(ripe=False)
        assert not whole.exists()
        whole.write_text(text + "[half a li")
    assert sorted(kind for kind, _detail in await booked(both)) == ["clicked", "opened"]


async def test_the_picture_is_always_there(stand: Stand) -> None:
    mail = await rows.a_delivery(stand.app.db)
    async with person(stand) as client:
        for path in (
            picture(stand, mail),
            "/o/nonsense",
            "/o/",
            "/o/%00",
            link(stand, mail).replace("/c/", "/o/"),
        ):
            answer = await client.get(path)
            assert (answer.status_code, answer.content) == (200, PICTURE)
            assert answer.headers["content-type"] == "image/gif"
            assert answer.headers["cache-control"] == "no-store"
        assert (await client.head(picture(stand, mail))).content == b""
    assert [detail["by"] for _kind, detail in await booked(stand)] == ["human", "machine"]


def put_away(folder: Path) -> None:
    """Let a folder stand where the database was; `bring_back` undoes it."""
    (folder / "away").mkdir()
    for each in list(folder.glob("mailer.db*")):
        each.rename(folder / "away" / each.name)
    (folder / "mailer.db").mkdir()


def bring_back(folder: Path) -> None:
    (folder / "mailer.db").rmdir()
    for each in (folder / "away").iterdir():
        each.rename(folder / each.name)


def forgeries(stand: Stand) -> list[str]:
    keys, good = stand.app.keys, link(stand, 7).removeprefix("/c/")
    payload, key, signature = good.split(".")
    other = Stem(keys, CLICK, "https://evil.example/").token(8).split(".")
    return [
        Stem(Keyring.single("a stranger's"), CLICK, SHOP).token(7),
        f"{other[0]}.{key}.{signature}",
        f"{payload}.{other[1]}.{other[2]}",
        good[:-1], f"{good}A", good.swapcase(), "", "%00", "..%2f..", "//evil.example", r"\\evil.example",
        "%0d%0aLocation:%20https://evil.example", "https://evil.example/", "A" * 60_000,
        sign(keys, PREFERENCES, [SHOP, 7]), sign(keys, UNSUBSCRIBE, [7, 7, "x@y.example"]),
        *(
            Stem(keys, CLICK, url).token(7)
            for url in ("//evil.example/", r"\\evil.example", "javascript:alert(1)", "https://a.example/\r\nX: y")
        ),
    ]  # fmt: skip


async def test_a_forged_link_leads_nowhere(stand: Stand) -> None:
    async with person(stand) as client:
        for token in forgeries(stand):
            for ask in (client.get, client.head):
                answer = await ask(f"/c/{token}")
                assert answer.status_code == 404
                assert "location" not in answer.headers
        assert (await client.post(link(stand, 7))).status_code == 405
    assert await booked(stand) == []
    assert stand.told == []


async def test_links_of_an_old_key_lead_on(stand: Stand) -> None:
    old = Keyring.single("only-for-tests-and-nothing-besides-once")
    stand.app.keys = Keyring.of(
        ["only-for-tests-and-nothing-besides", "only-for-tests-and-nothing-besides-once"]
    )
    async with person(stand) as client:
        assert (await client.get(f"/c/{Stem(old, CLICK, SHOP).token(7)}")).status_code == 302


async def test_a_scanner_is_told_by_its_haste(both: Stand) -> None:
    mail, other = [await rows.a_delivery(both.app.db) for _ in range(2)]
    async with person(both) as client:
        await asyncio.gather(*(client.get(link(both, mail, f"{SHOP}{number}")) for number in range(4)))
        await client.get(link(both, other))
        await client.get(f"/u/{both.token(UNSUBSCRIBE, other, 1, 'x@y.example')}")
    assert [detail.get("why") for _kind, detail in await booked(both)] == ["haste"] * 5


async def test_what_may_be_the_begin_of_a_rush_is_not_judged_yet(stand: Stand) -> None:
    mail = await rows.a_delivery(stand.app.db)
    async with person(stand) as client:
        await client.get(link(stand, mail))
    stand.app.trail._spool.flush(last=True)
    assert await stand.app.replay.once() == 0
    assert await stand.app.replay.once(ripe=False) == 1


async def test_clicks_lead_on_and_wait_while_the_database_is_away(stand: Stand, tmp_path: Path) -> None:
    mail = await rows.a_delivery(stand.app.db)
    await stand.app.db.close()
    put_away(tmp_path)
    async with person(stand) as client:
        assert (await client.get(link(stand, mail))).status_code == 302
        assert (await client.get(picture(stand, mail))).content == PICTURE
    stop = asyncio.Event()
    stand.app.trail._spool.flush(last=True)
    keeping = asyncio.create_task(stand.app.replay.keep(stop))
    await asyncio.sleep(0.1)
    stop.set()
    await keeping
    await threads_to_end()
    bring_back(tmp_path)
    assert [kind for kind, _detail in await booked(stand)] == ["clicked", "opened"]


async def test_whoever_has_refused_since_is_not_counted_any_more(both: Stand) -> None:
    who = await rows.a_customer_row(both.app.db, email="ayse@example.com")
    mail = await rows.a_delivery(both.app.db, customer_id=who)
    refusal = {"scope": "tracking", "reason": "unsubscribed", "source": "preferences", "at": NOW}
    await rows.put(both.app.db, suppression, email_key="ayse@example.com", **refusal)
    async with person(both) as client:
        assert (await client.get(link(both, mail))).status_code == 302
        assert (await client.get(link(both, 99_999_999))).status_code == 302  # gone
        assert (await client.get(link(both, 0))).status_code == 302  # a test mail
    assert await booked(both) == []


async def test_looking_at_a_page_is_booked_nowhere(stand: Stand) -> None:
    mail = await rows.a_delivery(stand.app.db)
    before = await everything(stand.app.db)
    async with person(stand) as client:
        await client.get(f"/u/{stand.token(UNSUBSCRIBE, mail, 1, 'x@y.example')}")
        await client.head(f"/p/{stand.token(PREFERENCES, mail, 1, 'x@y.example')}")
    assert await booked(stand) == []
    assert await everything(stand.app.db) == before
    assert len(before) == len(metadata.sorted_tables)


@pytest.mark.parametrize(
    ("host", "passed_on", "proxies", "machine"),
    [
        ("17.58.1.2", "", [], True),
        ("203.0.113.7", "", [], False),
        ("203.0.113.7", "17.58.1.2", [], False),  # anybody can write that
        ("10.0.0.1", "17.58.1.2", ["10.0.0.0/8"], True),
        ("10.0.0.1", "17.58.1.2, 203.0.113.7", ["10.0.0.0/8"], False),
        ("10.0.0.1", "203.0.113.7, 10.0.0.2", ["10.0.0.0/8"], False),
        ("10.0.0.1", "17.58.1.2, nonsense", ["10.0.0.0/8"], False),
        ("10.0.0.1", "", ["10.0.0.0/8"], False),
        ("198.51.100.9", "", [], True),
        ("::ffff:17.58.1.2", "", [], True),
    ],
)
def test_networks_of_machines(host: str, passed_on: str, proxies: list[str], machine: bool) -> None:
    readers = Readers(["17.0.0.0/8", "198.51.100.0/24"], proxies)
    assert readers._look(host, passed_on) is machine


def test_of_what_proxies_say_the_nearest_counts_however_much_stands_before_it() -> None:
    readers = Readers(["17.0.0.0/8"], ["10.0.0.0/8"])
    said = ", ".join(["203.0.113.7"] * 100 + ["17.58.1.2"])
    assert readers.request("GET", [(b"x-forwarded-for", said.encode())], "10.0.0.1").of_a_machine
