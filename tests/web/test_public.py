"""The links of mails, as people, mail programs, scanners and forgers use them."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from mailer.core.consent import Action, Via
from mailer.core.token import BadToken, Keyring, sign, verify
from mailer.flow.track import PREFERENCES, UNSUBSCRIBE
from mailer.store.consent import Said, record
from mailer.store.engine import Database
from mailer.store.tables import consent_entry, customer, metadata, suppression
from mailer.web import public
from tests.store import rows
from tests.store.rows import NOW
from tests.web.conftest import Stand

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
async def both(make_stand: Callable[[Database], Stand], database: Database) -> Stand:
    """The site over each database in turn."""
    return make_stand(database)


@pytest.fixture
async def anywhere(both: Stand) -> AsyncIterator[httpx.AsyncClient]:
    """A reader somewhere on the internet."""
    async with both.client("203.0.113.7", "https://mail.shop.example") as client:
        yield client


async def everything(database: Database) -> dict[str, list[Any]]:
    """Every row of every table."""
    async with database.read() as connection:
        return {
            table.name: [tuple(row) for row in await connection.execute(select(table))]
            for table in metadata.sorted_tables
        }


def take_away(file: Path) -> None:
    """Put a folder where a database was."""
    for each in file.parent.glob(f"{file.name}*"):
        each.unlink()
    file.mkdir()


async def threads_to_end() -> None:
    """The driver lets the thread of a connection that could not be opened end by itself; it needs our loop."""
    for thread in threading.enumerate():
        if "_connection_worker" in thread.name:
            await asyncio.to_thread(thread.join, 10)


async def a_mail_to(stand: Stand, email: str = "ayse@example.com") -> tuple[int, int, str]:
    """A delivery, its customer, and the token of its unsubscribe link."""
    who = await rows.a_customer_row(stand.app.db, email=email)
    delivery = await rows.a_delivery(stand.app.db, customer_id=who)
    return delivery, who, stand.token(UNSUBSCRIBE, delivery, who, email)


async def of(stand: Stand, who: int) -> str:
    return str((await rows.one(stand.app.db, customer, who))["consent"])


async def test_reading_the_page_changes_nothing(both: Stand, anywhere: httpx.AsyncClient) -> None:
    _delivery, _who, token = await a_mail_to(both)
    before = await everything(both.app.db)
    page = await anywhere.get(f"/u/{token}")
    head = await anywhere.head(f"/u/{token}")
    both_pages = await anywhere.get(f"/p/{both.token(PREFERENCES, 1, 1, 'ayse@example.com')}?by=page")
    assert [page.status_code, head.status_code, both_pages.status_code] == [200, 200, 200]
    assert "ayse@example.com" in page.text
    assert page.text.count("<button") == 1
    assert "set-cookie" not in page.headers
    assert "<script" not in page.text
    assert await everything(both.app.db) == before


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"data": ONE_CLICK}, id="one-click as a form"),
        pytest.param({"files": {"List-Unsubscribe": (None, "One-Click")}}, id="one-click as multipart"),
        pytest.param({}, id="nothing"),
        pytest.param({"content": b"\xff\x00%%%", "headers": {"content-type": "application/json"}}, id="junk"),
    ],
)
async def test_one_click_stops_commercial_mail(
    both: Stand, anywhere: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    delivery, who, token = await a_mail_to(both)
    answer = await anywhere.post(f"/u/{token}", **body)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert await of(both, who) == "no"
    assert await both.app.suppressions.of("ayse@example.com") == {"commercial": "unsubscribed"}
    found = await everything(both.app.db)
    (stored,) = [row for row in found["consent_entry"] if row[1] == who]
    entry = dict(zip(consent_entry.c.keys(), stored, strict=True))
    assert (entry["action"], entry["via"], entry["source"]) == ("revoked", "link", "unsubscribe link")
    assert entry["proof"] == {"how": "one-click", "delivery": delivery}
    assert await rows.events(both.app.db, delivery) == ["unsubscribed"]


async def test_a_second_post_says_the_same_and_adds_nothing(both: Stand, anywhere: httpx.AsyncClient) -> None:
    _delivery, _who, token = await a_mail_to(both)
    first = await anywhere.post(f"/u/{token}", data=ONE_CLICK)
    before = await everything(both.app.db)
    second = await anywhere.post(f"/u/{token}?by=page", data=ONE_CLICK)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.text == second.text
    assert await everything(both.app.db) == before


async def test_the_button_of_each_page_unsubscribes(both: Stand, anywhere: httpx.AsyncClient) -> None:
    for purpose, path in ((UNSUBSCRIBE, "u"), (PREFERENCES, "p")):
        delivery, who, _token = await a_mail_to(both, f"{path}@example.com")
        token = both.token(purpose, delivery, who, f"{path}@example.com")
        page = await anywhere.get(f"/{path}/{token}")
        action = page.text.partition('action="')[2].partition('"')[0]
        done = await anywhere.post(action, data=ONE_CLICK)
        assert done.status_code == 200
        assert await of(both, who) == "no"


async def test_an_unsubscribe_outlives_a_change_of_address(both: Stand, anywhere: httpx.AsyncClient) -> None:
    _delivery, who, token = await a_mail_to(both, "Old@Example.com")
    async with both.app.db.write() as connection:
        await connection.execute(
            customer.update()
            .where(customer.c.id == who)
            .values(email="new@example.com", email_key="new@example.com")
        )
    assert (await anywhere.post(f"/u/{token}")).status_code == 200
    assert await both.app.suppressions.of("old@example.com") == {"commercial": "unsubscribed"}
    assert await of(both, who) == "no"


async def test_a_number_that_passed_on_to_somebody_else_bars_the_address_only(
    both: Stand, anywhere: httpx.AsyncClient
) -> None:
    who = await rows.a_customer_row(both.app.db, email="somebody.else@example.com")
    token = both.token(UNSUBSCRIBE, 77_777, who, "gone@example.com")
    for _ in range(2):
        assert (await anywhere.post(f"/u/{token}")).status_code == 200
    assert await both.app.suppressions.of("gone@example.com") == {"commercial": "unsubscribed"}
    assert await of(both, who) == "yes"
    nobody = both.token(UNSUBSCRIBE, 77_778, 99_999, "never@example.com")
    assert (await anywhere.post(f"/u/{nobody}")).status_code == 200
    assert await both.app.suppressions.of("never@example.com") == {"commercial": "unsubscribed"}


async def test_a_confirmation_after_it_can_be_taken_back_again(
    both: Stand, anywhere: httpx.AsyncClient
) -> None:
    _delivery, who, token = await a_mail_to(both)
    await anywhere.post(f"/u/{token}")
    # Stored by a clock ahead of ours: an unsubscribe by a real person still comes after it.
    later = NOW + timedelta(hours=1)
    async with both.app.db.write() as connection:
        said = Said(who, "ayse@example.com", Action.GRANTED, later, Via.EVENT, "form")
        await record(connection, [said], later)
    assert await of(both, who) == "yes"
    assert (await anywhere.post(f"/u/{token}")).status_code == 200
    assert await of(both, who) == "no"
    assert await both.app.suppressions.of("ayse@example.com") == {"commercial": "unsubscribed"}


async def test_the_link_of_a_test_mail_changes_nothing(both: Stand, anywhere: httpx.AsyncClient) -> None:
    before = await everything(both.app.db)
    answer = await anywhere.post(f"/u/{both.token(UNSUBSCRIBE, 0, 0, 'staff@shop.example')}")
    assert answer.status_code == 200
    assert (
        "Nothing was changed"
        in (
            await anywhere.post(
                f"/u/{both.token(UNSUBSCRIBE, 0, 0, 'staff@shop.example')}", headers={"accept-language": "en"}
            )
        ).text
    )
    assert await everything(both.app.db) == before


def forgeries() -> list[Any]:
    keys, other = Keyring.single("only-for-tests-and-nothing-besides"), Keyring.single("another key")
    mine, theirs = [5, 5, "me@example.com"], [6, 6, "you@example.com"]
    good, victim = sign(keys, UNSUBSCRIBE, mine), sign(keys, UNSUBSCRIBE, theirs)
    payload, key_id, signature = good.split(".")
    wide = base64.urlsafe_b64encode(b'[6,6,"you@example.com"]').rstrip(b"=").decode()
    return [
        pytest.param(sign(keys, PREFERENCES, mine), id="another purpose"),
        pytest.param(sign(other, UNSUBSCRIBE, mine), id="another key"),
        pytest.param(
            f"{victim.split('.')[0]}.{key_id}.{signature}", id="somebody else's claims, my signature"
        ),
        pytest.param(f"{wide}.{key_id}.{signature}", id="claims written by hand"),
        pytest.param(f"{payload}.{key_id}", id="cut"),
        pytest.param(f"{payload}.{key_id}.", id="no signature"),
        pytest.param(good[:-1], id="a letter short"),
        pytest.param(good + "A", id="a letter long"),
        pytest.param(good + "=", id="padded"),
        pytest.param(good.swapcase(), id="another case"),
        pytest.param(f"{good}.{good}", id="twice"),
        pytest.param("...", id="dots"),
        pytest.param("%00", id="NUL"),
        pytest.param("%ff%fe", id="no UTF-8"),
        pytest.param("..%2f..%2fetc%2fpasswd", id="a path"),
        pytest.param("A" * 60_000, id="very long"),
        pytest.param(sign(keys, UNSUBSCRIBE, [1, "2", 3]), id="signed nonsense"),
        pytest.param(sign(keys, UNSUBSCRIBE, []), id="signed nothing"),
    ]


@pytest.mark.parametrize("token", forgeries())
async def test_a_forged_link_is_refused_with_a_sentence(
    stand: Stand, web: httpx.AsyncClient, token: str
) -> None:
    before = await everything(stand.app.db)
    for answer in (await web.get(f"/u/{token}"), await web.post(f"/u/{token}", data=ONE_CLICK)):
        assert answer.status_code == 404
        assert "<h1>" in answer.text
    assert await everything(stand.app.db) == before
    assert stand.told == []


@given(place=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_no_bit_of_a_token_can_be_turned(place: int, bit: int) -> None:
    keys = Keyring.single("only-for-tests-and-nothing-besides")
    token = sign(keys, UNSUBSCRIBE, [5, 5, "ayşe@example.com"]).encode()
    place %= len(token)
    turned = bytes([*token[:place], token[place] ^ 1 << bit, *token[place + 1 :]])
    with pytest.raises(BadToken):
        verify(keys, UNSUBSCRIBE, turned.decode("latin-1"))


@pytest.mark.parametrize("last", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=!")
def test_a_signature_has_one_spelling(last: str) -> None:
    keys = Keyring.single("only-for-tests-and-nothing-besides")
    token = sign(keys, UNSUBSCRIBE, [5, 5, "me@example.com"])
    if token[-1] != last:
        with pytest.raises(BadToken):
            verify(keys, UNSUBSCRIBE, token[:-1] + last)


async def test_nothing_is_promised_while_the_database_is_away(stand: Stand, tmp_path: Path) -> None:
    _delivery, _who, token = await a_mail_to(stand)
    await stand.app.db.close()
    take_away(tmp_path / "mailer.db")
    async with stand.client("203.0.113.7") as client:
        asked = await client.get(f"/u/{token}")
        posted = await client.post(f"/u/{token}", data=ONE_CLICK)
        health = await client.get("/health")
    await threads_to_end()
    assert asked.status_code == 200, "the question needs no database"
    assert posted.status_code == 503
    assert posted.headers["retry-after"]
    assert health.status_code == 503
    assert len(stand.told) == 1
    assert "unsubscribe could not be written down" in stand.told[0]


async def test_a_postgresql_that_went_away_is_told_alike(
    make_stand: Callable[[Database], Stand],
    postgresql_database: Database,
    postgresql_url: str,
    postgres_template: Any,
) -> None:
    stand = make_stand(postgresql_database)
    _delivery, _who, token = await a_mail_to(stand)
    postgres_template.drop(postgresql_url)
    async with stand.client("203.0.113.7") as client:
        assert (await client.post(f"/u/{token}", data=ONE_CLICK)).status_code == 503
        assert (await client.get("/health")).status_code == 503


async def test_a_database_that_neither_answers_nor_goes_away_is_waited_for_so_long(
    make_stand: Callable[[Database], Stand], postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public, "LONGEST", 0.5)
    stand = make_stand(postgresql_database)
    _delivery, who, token = await a_mail_to(stand)
    async with stand.app.db.write() as connection:  # the one connection there is
        frozen = int(await connection.scalar(text("select pg_backend_pid()")) or 0)
    os.kill(frozen, signal.SIGSTOP)
    try:
        async with stand.client("203.0.113.7") as client, asyncio.timeout(30):
            assert (await client.post(f"/u/{token}", data=ONE_CLICK)).status_code == 503
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert "did not answer" in stand.told[0]
    monkeypatch.undo()  # when it answers it may take its time
    async with stand.client("203.0.113.7") as client:
        assert (await client.post(f"/u/{token}", data=ONE_CLICK)).status_code == 200
    assert await of(stand, who) == "no"


async def test_health_answers_anybody(both: Stand, anywhere: httpx.AsyncClient) -> None:
    answer = await anywhere.get("/health")
    assert (answer.status_code, answer.text.strip()) == (200, "ok")


@pytest.mark.parametrize(
    ("accepts", "language"),
    [
        pytest.param(None, "tr", id="says nothing: the tenant's"),
        pytest.param("*", "tr", id="anything: the tenant's"),
        pytest.param("en-GB,en;q=0.9", "en", id="English"),
        pytest.param("tr-TR,tr;q=0.9,en;q=0.8", "tr", id="Turkish before English"),
        pytest.param("en;q=0.2, tr;q=0.1", "en", id="by weight"),
        pytest.param("tr;q=0, en;q=0.5", "en", id="zero is no"),
        pytest.param("de-DE,de;q=0.9", "en", id="a language we lack"),
        pytest.param("de, tr;q=0.3", "tr", id="the one we have"),
        pytest.param(";;;q=,,tr;q=x", "en", id="junk"),
    ],
)
async def test_the_page_speaks_the_readers_language(
    stand: Stand, web: httpx.AsyncClient, accepts: str | None, language: str
) -> None:
    token = stand.token(UNSUBSCRIBE, 5, 5, "ayse@example.com")
    web.headers.pop("accept-language", None)
    answer = await web.get(f"/u/{token}", headers={"accept-language": accepts} if accepts else {})
    assert answer.headers["content-language"] == language
    assert f'<html lang="{language}">' in answer.text
    assert ("Abonelikten çık" in answer.text) == (language == "tr")


async def test_an_address_cannot_write_markup(stand: Stand, web: httpx.AsyncClient) -> None:
    token = stand.token(UNSUBSCRIBE, 5, 5, '"<script>alert(1)</script>"@example.com')
    assert "<script" not in (await web.get(f"/u/{token}")).text
    assert "<script" not in (await web.post(f"/u/{token}")).text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused(stand: Stand, web: httpx.AsyncClient, method: str) -> None:
    answer = await web.request(method, f"/u/{stand.token(UNSUBSCRIBE, 5, 5, 'a@example.com')}")
    assert answer.status_code == 405
    assert await stand.app.suppressions.of("a@example.com") == {}


async def test_pictures_of_templates_are_served(stand: Stand, folder: Path) -> None:
    images = folder / "templates" / "birthday" / "images"
    images.mkdir(parents=True)
    (images / "cake.png").write_bytes(b"\x89PNG cake")
    (images / "notes.txt").write_text("mine")
    (images.parent / "body.html").write_text("{{ secret }}")
    (folder / "templates" / "birthday.png").write_bytes(b"beside")
    async with stand.client("203.0.113.7", "https://mail.shop.example") as client:
        found = await client.get("/images/birthday/cake.png")
        assert (found.status_code, found.content) == (200, b"\x89PNG cake")
        assert found.headers["content-type"] == "image/png"
        assert "max-age=86400" in found.headers["cache-control"]
        again = await client.get(
            "/images/birthday/cake.png", headers={"if-none-match": found.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
        for path in (
            "birthday/notes.txt", "birthday/missing.png", "nothing/cake.png", "birthday/..%2fbody.html",
            "birthday/%2e%2e%2fbody.html", "..%2f..%2fsettings.yaml/x.png", "birthday/..%5cbody.png",
            "%2e%2e/birthday.png", "birthday/cake.png%00.png", "birthday/",
        ):  # fmt: skip
            assert (await client.get(f"/images/{path}")).status_code == 404, path


async def test_the_style_is_served_for_ever(web: httpx.AsyncClient) -> None:
    page = (await web.get("/nothing-here")).text
    path = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = await web.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]


async def test_suppressing_twice_at_once_is_one_word(both: Stand, anywhere: httpx.AsyncClient) -> None:
    _delivery, who, token = await a_mail_to(both)
    answers = await asyncio.gather(*(anywhere.post(f"/u/{token}", data=ONE_CLICK) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    async with both.app.db.read() as connection:
        entries = (await connection.scalars(select(consent_entry.c.customer_id))).all()
        barred = (await connection.scalars(select(suppression.c.email_key))).all()
    assert (list(entries), list(barred)) == ([who], ["ayse@example.com"])


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/u/x", "GET, HEAD, OPTIONS, POST"),
        ("/p/x", "GET, HEAD, OPTIONS, POST"),
        ("/s/x", "GET, HEAD, OPTIONS, POST"),
        ("/s/x/5", "GET, HEAD, OPTIONS"),
        ("/health", "GET, HEAD, OPTIONS"),
        ("/hooks/ses", "OPTIONS, POST"),
    ],
)
async def test_every_method_an_address_takes_is_said(web: httpx.AsyncClient, path: str, methods: str) -> None:
    asked, refused = await web.options(path), await web.patch(path)
    assert (asked.status_code, refused.status_code) == (204, 405)
    assert asked.headers["allow"] == refused.headers["allow"] == methods
