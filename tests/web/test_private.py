"""What only this machine may see, and the mailbox with mails of every kind."""

from __future__ import annotations

from email.message import EmailMessage

import httpx
import pytest

from mailer.web import shown
from tests.store import rows
from tests.web.conftest import BASE, Stand

PNG = b"\x89PNG\r\n\x1a\n"


def a_mail(html: str | None = "<p>Hello</p>", text: str = "Hello\n", subject: str = "A word") -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Kardelen <merhaba@kardelen.example>"
    mail["To"] = "ayse@example.com"
    mail["Subject"] = subject
    mail.set_content(text)
    if html is not None:
        mail.add_alternative(html, subtype="html")
        body = mail.get_payload(1)
        assert isinstance(body, EmailMessage)
        body.add_related(PNG, "image", "png", cid="<qr.1@kardelen>", filename="qr.png")
        body.add_related(b"<svg onload='x()'/>", "image", "svg+xml", cid="<vector@kardelen>")
    return mail


async def keep(stand: Stand, mail: EmailMessage) -> str:
    return await stand.app.mailbox.add("shop@kardelen.example", ["ayse@example.com"], mail.as_bytes())


PATHS = (
    "/",
    "/mailbox",
    "/mailbox/1",
    "/mailbox/1/html",
    "/mailbox/1/source",
    "/mailbox/1/part/qr.1%40kardelen",
    "/runs",
    "/runs/1",
    "/runs/1/deliveries",
    "/campaign?name=offer",
    "/customers?q=c1",
    "/customer?id=c1",
    "/incidents",
    "/incidents/1",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("host", "base", "headers"),
    [
        pytest.param("203.0.113.7", "http://shop.example", {}, id="from elsewhere"),
        pytest.param("203.0.113.7", BASE, {}, id="from elsewhere, saying it is here"),
        pytest.param("::ffff:203.0.113.7", BASE, {}, id="from elsewhere, mapped"),
        pytest.param("127.0.0.1", "http://evil.example", {}, id="a name that turned to loopback"),
        pytest.param("127.0.0.1", BASE, {"x-forwarded-for": "127.0.0.1"}, id="behind a proxy"),
        pytest.param("127.0.0.1", BASE, {"forwarded": "for=203.0.113.7"}, id="behind a newer proxy"),
        pytest.param("127.0.0.1", BASE, {"x-real-ip": "203.0.113.7"}, id="behind nginx"),
        pytest.param("", BASE, {}, id="from nowhere"),
    ],
)
async def test_it_is_for_this_machine_only(
    stand: Stand, path: str, host: str, base: str, headers: dict[str, str]
) -> None:
    await keep(stand, a_mail(text="a secret\n"))
    async with stand.client(host, base, headers=headers | {"accept-language": "en"}) as client:
        answer = await client.get(path)
    assert answer.status_code == 403
    assert "This page is not public" in answer.text
    assert "secret" not in answer.text


async def test_of_two_names_none_is_believed(stand: Stand) -> None:
    async with stand.client() as client:
        fields = httpx.Headers([("host", "localhost"), ("host", "shop.example")])
        assert (await client.get("/", headers=fields)).status_code == 403


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("127.0.0.1", "http://localhost:8080"),
        ("127.0.0.2", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:8080"),
        ("::ffff:127.0.0.1", "http://127.0.0.1"),
    ],
)
async def test_this_machine_is_let_in_by_each_of_its_names(stand: Stand, host: str, base: str) -> None:
    async with stand.client(host, base) as client:
        assert (await client.get("/")).status_code == 200


async def test_the_start_page_says_what_there_is(stand: Stand, web: httpx.AsyncClient) -> None:
    run = await rows.a_run(stand.app.db, campaign="offer", occurrence="manual:<b>1</b>")
    await rows.add_many(stand.app.db, run, 3)
    await rows.a_customer_row(stand.app.db, consent="no")
    page = (await web.get("/?language=en")).text
    assert "<dd>4</dd>" in page
    assert "3 may get commercial mail" in page
    assert "manual:&lt;b&gt;1&lt;/b&gt;" in page
    assert "No campaign yet" in page
    assert "<script" not in page


async def test_an_empty_mailbox_says_how_to_fill_it(web: httpx.AsyncClient) -> None:
    page = (await web.get("/mailbox")).text
    assert "mailer up --demo" in page


async def test_the_mailbox_lists_and_shows_a_mail(stand: Stand, web: httpx.AsyncClient) -> None:
    kept = await keep(stand, a_mail('<a href="https://shop.example/?a=1&amp;b=2">Our <b>shop</b></a>'))
    assert "A word" in (await web.get("/mailbox")).text
    page = (await web.get(f"/mailbox/{kept}")).text
    assert f'<iframe class="sheet" sandbox src="/mailbox/{kept}/html"' in page
    assert (
        'href="https://shop.example/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer nofollow"' in page
    )
    assert "Our shop" in page
    assert "Hello" in (await web.get(f"/mailbox/{kept}?view=text")).text
    assert "merhaba@kardelen.example" in (await web.get(f"/mailbox/{kept}?view=headers")).text
    assert "Content-Type: multipart" in (await web.get(f"/mailbox/{kept}?view=source")).text
    source = await web.get(f"/mailbox/{kept}/source")
    assert source.content.startswith(b"From: Kardelen")
    assert source.headers["content-type"] == "message/rfc822"
    assert source.headers["content-disposition"] == f'attachment; filename="mail-{kept}.eml"'


async def test_a_mail_without_html_shows_its_text(stand: Stand, web: httpx.AsyncClient) -> None:
    kept = await keep(stand, a_mail(html=None, text="only text\n"))
    page = (await web.get(f"/mailbox/{kept}?view=html")).text
    assert "<iframe" not in page
    assert "only text" in page
    assert (await web.get(f"/mailbox/{kept}/html")).status_code == 404


async def test_nothing_a_mail_says_becomes_markup_of_ours(stand: Stand, web: httpx.AsyncClient) -> None:
    evil = "<script>alert(1)</script>"
    html = f'{evil}<a href="javascript:alert(2)">x</a><a href="data:text/html,{evil}">y</a>'
    kept = await keep(stand, a_mail(html, text=f"</pre>{evil}\n", subject=f"</title>{evil}"))
    for view in ("html", "text", "headers", "source"):
        page = (await web.get(f"/mailbox/{kept}?view={view}")).text
        assert "<script" not in page
        assert 'href="javascript' not in page
        assert 'href="data:text' not in page
    assert "<script" not in (await web.get("/mailbox")).text + (await web.get("/")).text


async def test_the_html_of_a_mail_is_shut_in(stand: Stand, web: httpx.AsyncClient) -> None:
    html = (
        "<html><head><title>x</title></head><body><img src='cid:qr.1@kardelen'>"
        f'<img src="{stand.app.settings.public_url}/images/birthday/cake.png"></body></html>'
    )
    kept = await keep(stand, a_mail(html))
    answer = await web.get(f"/mailbox/{kept}/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'; ")
    assert "allow-" not in policy
    assert "script" not in policy, "default-src 'none' says it"
    assert "frame-ancestors 'self'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert f"<img src='/mailbox/{kept}/part/qr.1%40kardelen'>" in answer.text
    assert '<img src="/images/birthday/cake.png">' in answer.text
    part = await web.get(f"/mailbox/{kept}/part/qr.1%40kardelen")
    assert (part.content, part.headers["content-type"]) == (PNG, "image/png")


async def test_a_part_that_could_do_something_is_only_handed_over(
    stand: Stand, web: httpx.AsyncClient
) -> None:
    kept = await keep(stand, a_mail())
    part = await web.get(f"/mailbox/{kept}/part/vector%40kardelen")
    assert part.headers["content-type"] == "application/octet-stream"
    assert part.headers["content-disposition"] == "attachment"
    assert part.headers["content-security-policy"].startswith("sandbox;")


@pytest.mark.parametrize(
    "path",
    [
        "/mailbox/7", "/mailbox/..%2f..%2fetc", "/mailbox/1.eml", "/mailbox/%00", "/mailbox/7/html",
        "/mailbox/1/part/nothing", "/mailbox/1/part/%20", "/nowhere",
    ],
)  # fmt: skip
async def test_what_nobody_has_is_not_found(stand: Stand, web: httpx.AsyncClient, path: str) -> None:
    await keep(stand, a_mail())
    assert (await web.get(path)).status_code == 404
    assert stand.told == []


async def test_a_long_mailbox_comes_in_pages(stand: Stand, web: httpx.AsyncClient) -> None:
    for number in range(103):
        await stand.app.mailbox.add("", ["a@example.com"], f"Subject: number {number}.\r\n\r\n".encode())
    first, second = (await web.get("/mailbox")).text, (await web.get("/mailbox?page=2")).text
    assert "number 102." in first
    assert "number 2." not in first
    assert "number 2." in second
    assert 'rel="next"' not in second
    assert (await web.get("/mailbox?page=9")).status_code == 200
    assert (await web.get("/mailbox?page=-1")).status_code == 400


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        pytest.param("<a href=https://a.example>A</a>", [("A", "https://a.example")], id="unquoted"),
        pytest.param("<a href='https://a.example'>A", [("A", "https://a.example")], id="never closed"),
        pytest.param("<a href=HTTPS://A>1</a><a href=HTTPS://A>2</a>", [("1", "HTTPS://A")], id="once each"),
        pytest.param("<a href='https://a'><img alt='Logo'></a>", [("Logo", "https://a")], id="a picture"),
        pytest.param("<a href=' javascript:x'>A</a><a href='//e'>B</a><a>C</a>", [], id="no web links"),
    ],
)
def test_links_are_read_from_html(html: str, expected: list[tuple[str, str]]) -> None:
    assert [(link.text, link.url) for link in shown.links(html)] == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<img src="CID:a@b">', '<img src="/mailbox/7/part/a%40b">'),
        ("<td style='background:url(cid:a&amp;b)'>", "<td style='background:url(/mailbox/7/part/a%26b)'>"),
        ('<img src="cid:../../u/x?y#z">', '<img src="/mailbox/7/part/..%2F..%2Fu%2Fx%3Fy%23z">'),
        ("<p>acid: 3</p>", "<p>acid: 3</p>"),
        (
            "<LINK/rel=preconnect href=//e><iframe\n></iframe>",
            "<x-LINK/rel=preconnect href=//e><x-iframe\n></x-iframe>",
        ),
    ],
)
def test_pictures_inside_a_mail_get_an_address(html: str, expected: str) -> None:
    assert shown.framed(html, "7", "https://shop.example").removeprefix('<base target="_blank">') == expected


def test_so_many_links_of_a_mail_are_shown() -> None:
    html = "".join(f"<a href=https://a.example/{number}>x</a>" for number in range(300))
    assert len(shown.links(html)) == 200
