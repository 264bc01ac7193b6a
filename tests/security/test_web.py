"""The web as an attacker asks it: over a real socket, slowly, endlessly, in disguise, with forms of his own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from mailer.core.links import CLICK
from mailer.core.token import Stem, sign
from mailer.flow.compose import CONFIRM, SURVEY
from mailer.flow.track import PREFERENCES, UNSUBSCRIBE
from mailer.web import server
from mailer.web.links import PICTURE, Readers
from mailer.web.wire import MOST_REQUEST, Wire
from tests.steady import make_steady
from tests.store import rows
from tests.web.conftest import Stand, folder, make_stand, stand
from tests.web.test_public import everything
from tests.web.test_server import raw, served

__all__ = ["folder", "make_stand", "stand"]

HEAD = b" HTTP/1.1\r\nHost: x\r\n"
CLOSE = HEAD + b"Connection: close\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
PATIENCE = 60.0


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other side ends it, which it has to."""
    with contextlib.suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(), PATIENCE)
    return b""


async def poured(address: str, begin: bytes, more: bytes, most: int) -> int:
    """Bytes that could be sent until the other side had enough."""
    sent = 0
    async with connected(address) as (_reader, writer):
        with contextlib.suppress(ConnectionError):
            writer.write(begin)
            while sent < most:
                writer.write(more)
                sent += len(more)
                async with asyncio.timeout(PATIENCE):
                    await writer.drain()
    return sent


def tokens(stand: Stand, mail: int, who: int) -> dict[str, str]:
    said = [mail, who, "ayse@example.com"]
    return {
        "/u/": sign(stand.app.keys, UNSUBSCRIBE, said),
        "/p/": sign(stand.app.keys, PREFERENCES, said),
        "/s/": sign(stand.app.keys, SURVEY, said),
        "/k/": sign(stand.app.keys, CONFIRM, [*said, 4_000_000_000]),
    }


async def a_mail(stand: Stand) -> dict[str, str]:
    who = await rows.a_customer_row(stand.app.db, email="ayse@example.com")
    return tokens(stand, await rows.a_delivery(stand.app.db, customer_id=who), who)


# What never ends


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        pytest.param(b"", b"408", id="nothing"),
        pytest.param(b"\r\n" * 100, b"408", id="blank lines"),
        pytest.param(b"GET /health HTTP/1.1\r\nHost: x\r\nX: ", b"408", id="half a head"),
        pytest.param(b"POST /hooks/ses" + HEAD + b"Content-Length: 1000\r\n\r\n{", b"", id="half a body"),
        pytest.param(
            b"POST /u/x" + HEAD + CHUNKED + b"5\r\nabc", b"404", id="half a chunk, answered already"
        ),
    ],
)
async def test_who_trickles_is_let_go(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, said: bytes, answer: bytes
) -> None:
    for name, seconds in (("look", 0.05), ("head_seconds", 0.2), ("request_seconds", 0.3)):
        monkeypatch.setattr(Wire, name, seconds)
    make_steady(asyncio.get_running_loop())
    async with served(stand) as address, connected(address) as (reader, writer):
        writer.write(said)
        assert (await rest(reader))[9:12] == answer
    assert stand.told == []


async def test_who_asks_again_and_again_is_not_taken_for_slow(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("look", 0.02), ("head_seconds", 0.2), ("request_seconds", 0.2)):
        monkeypatch.setattr(Wire, name, seconds)
    make_steady(asyncio.get_running_loop())
    async with served(stand) as address, connected(address) as (reader, writer):
        for _number in range(10):
            writer.write(b"GET /o/x" + HEAD + b"\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            await reader.readexactly(len(PICTURE))
            await asyncio.sleep(0.05)


async def test_an_answer_that_nobody_reads_is_taken_back(
    stand: Stand, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Wire, "look", 0.05)
    monkeypatch.setattr(Wire, "answer_seconds", 0.2)
    make_steady(asyncio.get_running_loop())
    images = folder / "templates" / "t" / "images"
    images.mkdir(parents=True)
    (images / "large.png").write_bytes(b"x" * 30_000_000)
    async with served(stand) as address, connected(address) as (reader, writer):
        writer.write(b"GET /images/t/large.png" + CLOSE + b"\r\n")
        await asyncio.sleep(1)
        assert len(await rest(reader)) < 30_000_000


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        pytest.param(
            b"POST /u/x" + HEAD + CHUNKED + b"0\r\n", b"x: " + b"y" * 60_000 + b"\r\n", id="trailers"
        ),
        pytest.param(b"POST /hooks/ses" + HEAD + CHUNKED, b"8000\r\n" + b"a" * 0x8000 + b"\r\n", id="chunks"),
        pytest.param(b"POST /u/x" + HEAD + CHUNKED + b"1", b";a=" + b"b" * 60_000, id="a chunk's extension"),
        pytest.param(
            b"GET /health" + HEAD + b"Content-Length: 1000000000\r\n\r\n", b"a" * 60_000, id="a body of a GET"
        ),
        pytest.param(
            b"POST /hooks/ses" + HEAD + b"Content-Length: 1000000000\r\n\r\n", b"[" * 60_000, id="a gigabyte"
        ),
    ],
)
async def test_no_request_goes_on_for_ever(stand: Stand, begin: bytes, more: bytes) -> None:
    most = 200_000_000
    async with served(stand) as address:
        assert (
            await poured(address, begin, more, most) < MOST_REQUEST + 20_000_000
        )  # what the system keeps for both
        assert b"200 OK" in await raw(address, b"GET /health" + CLOSE + b"\r\n")
    assert stand.told == []


async def test_a_body_that_comes_with_its_head_is_not_one(stand: Stand) -> None:
    async with served(stand) as address:
        for size in (100_000, 300_000, 900_000):
            request = b"POST /hooks/ses" + CLOSE + b"Content-Length: %d\r\n\r\n" % size
            assert (await raw(address, request + b"[" * size)).startswith(b"HTTP/1.1 404 ")


async def test_so_many_connections_and_no_more(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_MOST", 5)
    click = f"/c/{Stem(stand.app.keys, CLICK, 'https://kardelen.example/').token(7)}".encode()
    async with served(stand) as address, contextlib.AsyncExitStack() as held:
        crowd = [await held.enter_async_context(connected(address)) for _number in range(9)]
        await asyncio.sleep(0.1)
        reader, writer = crowd[0]
        writer.write(b"GET /health" + HEAD + b"\r\n")
        assert b" 503 " in await reader.readline()
        reader, writer = crowd[1]
        writer.write(b"GET " + click + HEAD + b"\r\n")
        assert b" 302 " in await reader.readline()  # a click leads on all the same
        late = [await held.enter_async_context(connected(address)) for _number in range(3)]
        assert await rest(late[-1][0]) == b""


# What only looks like something else


DISGUISES = {
    "override": {"X-HTTP-Method-Override": "POST"},
    "another override": {"X-Method-Override": "POST", "X-HTTP-Method": "POST"},
    "an upgrade": {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"},
    "another address": {"X-Original-URL": "/mailbox", "X-Rewrite-URL": "/mailbox"},
    "another place": {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example",
    },
    "a range": {"Range": "bytes=0-" + ",0-" * 1_000},
    "a cookie": {"Cookie": "session=1; admin=true"},
    "another site": {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
}


@pytest.mark.parametrize("fields", DISGUISES.values(), ids=DISGUISES)
async def test_whatever_it_calls_itself_a_look_is_a_look(stand: Stand, fields: dict[str, str]) -> None:
    links = [begin + token for begin, token in (await a_mail(stand)).items()]
    before = await everything(stand.app.db)
    async with stand.client("203.0.113.7") as client:
        for link in links:
            for method in ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "PROPFIND"):
                answer = await client.request(
                    method,
                    f"{link}?_method=POST&save=1&by=page",
                    headers=fields,
                    content=b"List-Unsubscribe=One-Click",
                )
                wanted = {"GET": 200, "HEAD": 200, "OPTIONS": 204}.get(method, 405)
                assert answer.status_code == wanted, (method, link)
                assert "evil.example" not in answer.text + str(answer.headers)
    assert await everything(stand.app.db) == before
    assert stand.told == []


ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
}
NEVER = (
    "set-cookie",
    "server",
    "x-powered-by",
    "access-control-allow-origin",
    "location",
    "www-authenticate",
)


async def test_every_answer_keeps_to_itself(stand: Stand) -> None:
    links = [begin + token for begin, token in (await a_mail(stand)).items()]
    asked = [("GET", link) for link in links] + [("POST", link) for link in reversed(links)]
    asked += [("GET", f"{link[:3]}x") for link in links] + [("DELETE", link) for link in links]
    asked += [
        ("GET", path)
        for path in (
            "/o/x",
            "/c/x",
            "/health",
            "/nothing",
            "/images/a/b.png",
            "/hooks/ses",
            "//evil.example/",
        )
    ]
    asked += [("POST", path) for path in ("/c/x", "/o/x", "/hooks/ses", "/hooks/..%2f", "/health")]
    async with stand.client("203.0.113.7", headers={"Origin": "https://evil.example"}) as client:
        for method, path in asked:
            answer = await client.request(method, path)
            told = f"{method} {path}: {answer.status_code}"
            assert answer.status_code < 500, told
            assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS, told
            assert not [name for name in NEVER if name in answer.headers], told
            if answer.headers["content-type"].startswith("text/html"):
                policy = answer.headers["content-security-policy"]
                assert "default-src 'none'" in policy, told
                assert "frame-ancestors 'none'" in policy, told
                assert "script" not in policy, told
                assert answer.headers["cache-control"] == "no-store", told


async def test_a_token_is_read_once(stand: Stand) -> None:
    """What is encoded twice is not decoded twice; what has a query or a fragment is the same token."""
    token = Stem(stand.app.keys, CLICK, "https://kardelen.example/").token(7)
    async with served(stand) as address:
        for path, status in (
            (f"/c/{token}?x=/c/y", b"302"),
            (f"/c/{token.replace('.', '%2E')}", b"302"),
            (f"/c/{token.replace('.', '%252E')}", b"404"),
            (f"/c/{token}/", b"404"),
            (f"/c/{token}%00", b"404"),
            (f"/c/{token}%0d%0aX: y", b"400"),
            (f"/c//{token}", b"404"),
            (f"/C/{token}", b"404"),
            (f"/c/../c/{token}", b"404"),
            (f"/c/{token};x", b"404"),
        ):
            answer = await raw(address, b"GET " + path.encode() + CLOSE + b"\r\n")
            assert answer[9:12] == status, (path, answer)


async def test_no_door_opens_to_the_key_of_another(stand: Stand) -> None:
    """A token is good for what it was made for, and for whom: no part of another one changes that."""
    mine = await a_mail(stand)
    who = await rows.a_customer_row(stand.app.db, email="veli@example.com")
    theirs = tokens(stand, await rows.a_delivery(stand.app.db, customer_id=who), who)
    click = Stem(stand.app.keys, CLICK, "https://kardelen.example/").token(7)
    before = await everything(stand.app.db)
    async with stand.client("203.0.113.7") as client:
        for door, token in mine.items():
            payload, key, signature = token.split(".")
            others = [each for begin, each in mine.items() if begin != door] + [click]
            others += [
                f"{theirs[door].split('.')[0]}.{key}.{signature}",
                f"{payload}.{key}.{theirs[door].split('.')[2]}",
            ]
            others += [f"{payload}.{key}.", f"{payload}..{signature}", f"{payload}.{key}.{signature[:-1]}"]
            for other in others:
                for ask in (client.get, client.post):
                    assert (await ask(f"{door}{other}")).status_code == 404, (door, other)
    assert await everything(stand.app.db) == before


# What a form of ours never says


@pytest.mark.parametrize(
    "score",
    ["0109", "0099", "11", "-1", "+1", "1.0", "1e1", " 9", "٩", "010" + "0" * 5_000, "9" * 5_000, "", "on"],
)
async def test_a_score_is_one_of_eleven(stand: Stand, score: str) -> None:
    link = f"/s/{(await a_mail(stand))['/s/']}"
    before = await everything(stand.app.db)
    async with stand.client("203.0.113.7") as client:
        assert (await client.post(link, data={"score": score})).status_code == 400
        assert (await client.get(f"{link}/{score or 'x'}")).status_code == 200
    assert await everything(stand.app.db) == before
    assert stand.told == []


@pytest.mark.parametrize(
    "body",
    [b"a=1&" * 300, b"%" * 1_000, b"=&" * 99, b"save=1&topic=\xff\xfe&topic=x", b"\0" * 100],
    ids=range(5),
)
async def test_an_odd_form_is_no_trouble_of_ours(stand: Stand, body: bytes) -> None:
    links = await a_mail(stand)
    fields = {"Content-Type": "application/x-www-form-urlencoded"}
    async with stand.client("203.0.113.7") as client:
        for path in ("/p/x", "/s/x", f"/s/{links['/s/']}", f"/p/{links['/p/']}"):
            answer = await client.post(path, content=body, headers=fields)
            assert answer.status_code in (200, 400, 404)
    assert stand.told == []


def test_what_is_said_of_proxies_is_not_kept() -> None:
    for proxies, kept in (([], 1), (["127.0.0.0/8"], 3)):
        readers = Readers(["17.0.0.0/8"], proxies)
        for number in range(3):
            fields = [(b"x-forwarded-for", b"1" * 90_000 + b", 203.0.113.%d" % number)]
            assert not readers.request("GET", fields, "127.0.0.1").of_a_machine
        assert readers._of_a_machine.cache_info().currsize == kept
    near = [(b"x-forwarded-for", b"203.0.113.7, " * 9_000 + b"17.58.1.2")]
    assert readers.request("GET", near, "127.0.0.1").of_a_machine


async def test_a_wrong_token_costs_a_look_and_no_question(stand: Stand) -> None:
    """Whoever tries tokens does not so much as reach the database."""
    await stand.app.db.close()
    async with stand.client("203.0.113.7") as client:
        for begin in ("/u/", "/p/", "/s/", "/k/", "/c/"):
            for ask in (client.get, client.post):
                answer: httpx.Response = await ask(f"{begin}WzUsNSwibWVAZXhhbXBsZS5jb20iXQ.aaaa.AAAA")
                assert answer.status_code in (404, 405)
    assert stand.told == []
