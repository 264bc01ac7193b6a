"""The private pages in both languages: each is whole, escapes what it is told, and runs nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from string import Formatter
from urllib.parse import urlencode

import httpx
import pytest

from mailer.core import explain
from mailer.core.delivery import Failure, Skip, State
from mailer.core.incident import IncidentState
from mailer.core.run import RunState
from mailer.core.standing import Kind
from mailer.core.standstill import Standstill
from mailer.web.desk.words import WORDS
from tests.store import rows
from tests.web.conftest import Stand
from tests.web.desk.scene import EVIL, ODD, a_shop, erased

HERE = urlencode({"id": ODD})
PAGES = (
    "/", "/runs", "/runs?campaign=offer", "/runs?incident=1", "/runs/1", "/runs/2", "/runs/3",
    "/campaign?name=offer", "/campaign?name=vip", "/runs/1/deliveries", "/runs/1/deliveries?state=skipped",
    "/runs/1/deliveries?state=failed&reason=refused", "/customers", "/customers?q=nobody",
    "/customers?q=same@shop.example", f"/customer?{HERE}", "/incidents", "/incidents/1", "/mailbox",
)  # fmt: skip


@pytest.fixture
async def shop(stand: Stand, web: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A browser on this machine; a shop with something of everything."""
    await a_shop(stand.app.db)
    for name in ("one", "two"):
        await rows.a_customer_row(stand.app.db, name, email="same@shop.example")
    return web


def also(path: str, **more: str) -> str:
    return path + ("&" if "?" in path else "?") + urlencode(more)


@pytest.mark.parametrize("language", ["tr", "en"])
async def test_each_page_is_whole_and_harmless(stand: Stand, shop: httpx.AsyncClient, language: str) -> None:
    for path in PAGES:
        answer = await shop.get(also(path, language=language))
        page = answer.text
        assert answer.status_code == 200, path
        assert f'<html lang="{language}">' in page
        assert answer.headers["content-language"] == language
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'; ")
        assert "<script" not in page
        assert page.count("<h1>") == 1
        assert "None" not in page, path
    assert stand.told == []


#: What a page says in both languages.
SAID = (
    ("/", "Genel bakış", "Overview"),
    ("/", "Süren kesintiler", "Ongoing incidents"),
    ("/", "etkilenen müşteriler bekliyor", "the affected are waiting"),
    ("/runs/1", "ticari e-posta onayı yok", "has not agreed to commercial mail"),
    ("/runs/1", "posta sunucusu kesin olarak reddetti", "the relay refused it for good"),
    ("/runs/1", "10 Mayıs 2027 10:00", "10 May 2027, 10:00"),
    ("/runs/1", "%66,7", "66.7%"),
    ("/runs/1", "silinmiş müşteri", "erased customer"),
    ("/runs/1/deliveries?state=queued", "en erken 10 Mayıs 2027 12:00", "not before 10 May 2027, 12:00"),
    ("/runs/3", "yeni içerik yoktu, gönderilmedi", "nothing new, so nothing was sent"),
    ("/campaign?name=vip", "Hedefe ulaşan: 30 gün içinde order.placed", "Goal reached: order.placed within 30 days"),
    ("/campaign?name=vip", "1 kişi kontrol grubuna ayrıldı", "1 left out for comparison"),
    ("/campaign?name=offer", "Kampanyanın bir hedefi yok", "The campaign names no goal"),
    (f"/customer?{HERE}", "abonelikten çıktı", "unsubscribed"),
    (f"/customer?{HERE}", "posta sunucusu kabul etti (2. deneme)", "accepted by the relay at attempt 2"),
    (f"/customer?{HERE}", "1 numaralı olaydan etkileniyor", "Is affected by incident 1"),
    ("/customers?q=same@shop.example", "2 müşteri", "2 customers"),
    ("/customers?q=nobody", "olan kimse yok", "Nobody has the id"),
    ("/incidents", "gecikti", "overdue"),
    ("/incidents/1", "için güncelleme sözü verilmişti", "An update was promised by"),
    ("/incidents/1", "İngilizce", "in English"),
    ("/mailbox", "Posta kutusu boş", "It is empty"),
)  # fmt: skip


async def test_it_says_so_in_both_languages(shop: httpx.AsyncClient) -> None:
    for path, *said in SAID:
        for language, sentence in zip(("tr", "en"), said, strict=True):
            assert sentence in (await shop.get(also(path, language=language))).text, path


async def test_what_stands_still_says_why(stand: Stand, shop: httpx.AsyncClient) -> None:
    assert "10 May 2027, 12:00" in (await shop.get("/runs/1?language=en")).text
    await stand.app.switches.halt(stand.app.clock())
    await stand.app.control.pause(1)
    page = (await shop.get("/runs/1?language=tr")).text
    assert "Bütün gönderimler 10 Mayıs 2027 10:00 itibarıyla durduruldu" in page
    assert "<code>mailer runs resume 1</code> ile devam eder" in page


async def test_the_language_is_the_shops_until_somebody_chooses(shop: httpx.AsyncClient) -> None:
    first = await shop.get("/runs?campaign=offer")
    assert '<html lang="tr">' in first.text, "the tenant's"
    assert 'href="?campaign=offer&amp;language=en" lang="en"' in first.text
    assert "set-cookie" not in first.headers
    chosen = await shop.get("/runs?campaign=offer&language=en")
    kept = chosen.headers["set-cookie"]
    assert kept == "mailer_language=en; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly"
    assert '<html lang="en">' in (await shop.get("/incidents")).text, "the cookie"


@pytest.mark.parametrize("said", ["de", "EN", "", "en\r\nx: y", EVIL])
async def test_no_other_language_is_believed(web: httpx.AsyncClient, said: str) -> None:
    web.cookies.set("mailer_language", said.replace("\r\n", ""))
    answer = await web.get("/runs", params={"language": said})
    assert '<html lang="tr">' in answer.text
    assert "set-cookie" not in answer.headers


#: What nobody has.
NOBODYS = (
    "/runs/99", "/runs/x", "/runs/0", "/runs/-1", "/runs/9999999999999999999999", "/runs/1%00",
    "/runs/99/deliveries", "/customer", "/customer?id=",
    "/customer?id=nobody", "/customer?id=%00", "/customer?id=%ff", "/incidents/99",
    "/incidents/x", "/campaign", "/campaign?name=nobody", "/incidents/%D9%A1", "/mailbox/99", "/mailbox/..%2fx",
)  # fmt: skip


@pytest.mark.parametrize(("language", "said"), [("tr", "yok</h1>"), ("en", "<h1>There is no such")])
async def test_what_nobody_has_is_said_in_their_language(
    stand: Stand, web: httpx.AsyncClient, language: str, said: str
) -> None:
    for path in NOBODYS:
        answer = await web.get(also(path, language=language))
        assert answer.status_code == 404, path
        assert said in answer.text or "%2f" in path, path
    assert stand.told == []


async def test_one_who_is_found_alone_is_shown_at_once(shop: httpx.AsyncClient) -> None:
    for text in (ODD, " ODD@Shop.example "):
        answer = await shop.get("/customers", params={"q": text})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/customer?{HERE}")
    shown = await shop.get(f"/customer?{HERE}")
    assert "odd@shop.example" in shown.text
    assert "&lt;script&gt;" in shown.text


async def test_it_is_only_looked_at(shop: httpx.AsyncClient) -> None:
    for path in PAGES:
        head = await shop.head(path)
        assert (head.status_code, head.text) == (200, "")
        for method in ("POST", "PUT", "DELETE"):
            assert (await shop.request(method, path)).status_code == 405


async def test_everybody_in_a_run_is_on_one_page_or_another(stand: Stand, web: httpx.AsyncClient) -> None:
    run = await rows.a_run(stand.app.db)
    await rows.add_many(stand.app.db, run, 205)
    gone = [await rows.a_delivery(stand.app.db, run) for _ in range(3)]
    for each in gone:
        await erased(stand.app.db, each)
    await rows.a_delivery(stand.app.db)  # of another run
    path, seen, pages = f"/runs/{run}/deliveries?language=en", [], 0
    while path:
        page = (await web.get(path)).text
        pages += 1
        seen += [part.partition("<")[0] for part in page.split('<span class="quiet">delivery ')[1:]]
        _before, more, rest = page.partition('" rel="next">')
        path = _before.rpartition('href="')[2].replace("&amp;", "&") if more else ""
        assert rest or not more
    assert pages == 3
    assert len(seen) == len(set(seen)) == 208
    assert (await web.get(f"/runs/{run}/deliveries?after=x")).status_code == 200


async def test_runs_come_in_pages(stand: Stand, web: httpx.AsyncClient) -> None:
    for _ in range(52):
        await rows.a_run(stand.app.db, version_id=None)
    first = (await web.get("/runs")).text
    assert 'href="/runs?before=3" rel="next"' in first
    second = (await web.get("/runs?before=3")).text
    assert 'href="/runs/2"' in second
    assert 'rel="next"' not in second


async def test_a_mail_that_was_caught_is_linked(stand: Stand, shop: httpx.AsyncClient) -> None:
    kept = await stand.app.mailbox.add("", ["odd@shop.example"], b"Message-ID: <m1@shop>\r\n\r\nHello")
    for path in ("/runs/1", "/runs/1/deliveries", f"/customer?{HERE}"):
        assert f'href="/mailbox/{kept}"' in (await shop.get(path)).text


def test_both_languages_say_the_same_things() -> None:
    english, turkish = WORDS["en"], WORDS["tr"]
    assert english.keys() == turkish.keys()
    for key in english:
        asked = {name for _, name, _, _ in Formatter().parse(english[key].replace("|", "")) if name}
        given = {name for _, name, _, _ in Formatter().parse(turkish[key]) if name}
        assert given == asked, key
        assert english[key].count("`") % 2 == turkish[key].count("`") % 2 == 0


@pytest.mark.parametrize("language", ["en", "tr"])
def test_every_word_of_ours_has_a_sentence(language: str) -> None:
    said = WORDS[language]
    kinds = {"state": State, "run": RunState, "hold": Standstill, "incident": IncidentState, "notice": Kind}
    for kind, words in kinds.items():
        for word in words:
            assert f"{kind}_{word}" in said
    for reason in (*Skip, *Failure):
        assert explain.why(State.SKIPPED, reason, language) != explain.why(State.SKIPPED, None, language)
    for state in State:
        assert explain.why(state, None, language)
