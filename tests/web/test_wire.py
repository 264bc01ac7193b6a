"""What comes off the wire: heads end somewhere, bodies are the site's affair, nothing odd is taken for a request."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from mailer.core.token import Stem
from mailer.web.wire import MOST_HEAD
from tests.web.conftest import Stand
from tests.web.test_server import raw, served


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param(b"GET /" + b"a" * 200_000, id="a path"),
        pytest.param(b"GET / HTTP/1.1\r\nx: " + b"a" * 200_000, id="a field"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 40_000, id="fields"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"x" * 200_000, id="a name"),
    ],
)
async def test_a_head_without_end_is_cut(stand: Stand, endless: bytes) -> None:
    async with served(stand) as address:
        host, port = address.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        with contextlib.suppress(ConnectionError):
            writer.write(endless)
            answer = await asyncio.wait_for(reader.read(), 30)
            assert answer.startswith(b"HTTP/1.1 431 ")
        writer.close()


async def test_requests_on_one_connection_are_each_bounded(stand: Stand) -> None:
    one = b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * (MOST_HEAD // 2) + b"\r\n\r\n"
    last = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    async with served(stand) as address:
        host, port = address.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for _number in range(4):
            writer.write(one)
            assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200 ")
        writer.write(last)
        assert (await asyncio.wait_for(reader.read(), 30)).endswith(b"ok\n")
        writer.close()


async def test_a_body_may_be_longer_than_a_head(stand: Stand) -> None:
    length = MOST_HEAD - 5_000
    request = b"POST /u/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % length
    async with served(stand) as address:
        assert (await raw(address, request + b"a" * length)).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    "odd",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"EHLO x\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
        b"GET / HTTP/1.1\r\nX : y\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n a: b\n\n\x00",
    ],
)
async def test_nothing_odd_is_taken_for_a_request(stand: Stand, odd: bytes) -> None:
    async with served(stand) as address:
        answer = await raw(address, odd)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


async def test_a_click_is_answered_from_its_head(stand: Stand) -> None:
    good = f"/c/{Stem(stand.app.keys, 'click', 'https://kardelen.example/').token(7)}".encode()
    async with served(stand) as address:
        host, port = address.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))

        async def ask(request: bytes) -> bytes:
            writer.write(request)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(0 if request.startswith(b"HEAD") else length)
            return head.partition(b"\r\n")[0].partition(b" ")[2][:3]

        host_field = b" HTTP/1.1\r\nHost: x\r\n"
        for request, status in (
            (b"GET " + good + host_field + b"\r\n", b"302"),
            (b"HEAD " + good + host_field + b"\r\n", b"302"),
            (b"GET " + good + b"?utm=1" + host_field + b"\r\n", b"302"),
            (b"GET " + good.replace(b".", b"%2e") + host_field + b"\r\n", b"302"),
            (b"GET " + good + host_field + b"Content-Length: 3\r\n\r\nabc", b"302"),
            (b"GET " + good[:-1] + host_field + b"\r\n", b"404"),
            (b"GET /o/x" + host_field + b"\r\n", b"200"),
            (b"HEAD /o/x" + host_field + b"\r\n", b"200"),
            (b"POST " + good + host_field + b"Content-Length: 3\r\n\r\nabc", b"405"),
            (b"GET /health" + host_field + b"\r\n", b"200"),
            (b"GET " + good + host_field + b"\r\n", b"302"),
        ):
            assert await ask(request) == status, request
        # Many at once on one connection: each is answered, in order.
        plain, click = b"GET /health" + host_field + b"\r\n", b"GET " + good + host_field + b"\r\n"
        writer.write(plain + click + plain + click + click)
        found = []
        while len(found) < 5:
            line = await asyncio.wait_for(reader.readline(), 30)
            found += [line[9:12]] if line.startswith((b"HTTP", b"ok\nHTTP")) else []
        assert found == [b"200", b"302", b"200", b"302", b"302"]
        writer.close()


@pytest.mark.parametrize("version", [b"HTTP/1.0\r\n", b"HTTP/1.1\r\nConnection: close\r\nHost: x\r\n"])
async def test_who_wants_no_more_is_let_go(stand: Stand, version: bytes) -> None:
    async with served(stand) as address:
        answer = await raw(address, b"GET /o/x " + version + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer.lower()
