"""What stands at the public address, tried with servers that do as they like."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mailer.core.doctor.seen import WebSeen
from mailer.probe import machine, names, web
from tests.steady import make_steady

TLS = Path(__file__).parents[1] / "tls"
_NOON = 1_800_014_400.0  # Fri, 15 Jan 2027 12:00:00 GMT


@asynccontextmanager
async def answering(said: bytes | None, *, certificate: str | None = None) -> AsyncIterator[str]:
    """Where a server is that says this to every request; None: nothing."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(65_536)
            if said is None:
                await reader.read()
            else:
                writer.write(said)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    make_steady(asyncio.get_running_loop())  # whoever asks is on the same
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"{'https' if certificate else 'http'}://localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.sleep(0.01)


async def seen(said: bytes | None, certificate: str | None = None) -> WebSeen:
    async with answering(said, certificate=certificate) as url:
        return await web.look(url, "/health", ["127.0.0.1"], lambda: _NOON + 90)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nok\n", WebSeen(200, "ok\n")),
        (
            b"HTTP/1.1 200 OK\r\nDate: Fri, 15 Jan 2027 12:00:00 GMT\r\n\r\nok\n",
            WebSeen(200, "ok\n", ahead=90.0),
        ),
        (b"HTTP/1.1 200 OK\r\nDate: today\r\n\r\n", WebSeen(200)),
        (b"HTTP/1.0 301 Moved\r\nLocation: /\r\n\r\n", WebSeen(301)),
        (b"220 smtp.example ESMTP\r\n\r\n", WebSeen(trouble="it does not speak HTTP")),
        (b"", WebSeen(trouble="it does not speak HTTP")),
        (b"HTTP/1.1 " + b"9" * 9_000 + b" OK\r\n\r\n", WebSeen(trouble="it does not speak HTTP")),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000, WebSeen(trouble="it does not speak HTTP")),
    ],
)
async def test_answers(said: bytes, expected: WebSeen) -> None:
    assert await seen(said) == expected


@pytest.mark.parametrize("certificate", ["relay.pem", "expired.pem", "stranger.pem"])
async def test_a_certificate_nobody_vouches_for(certificate: str) -> None:
    found = await seen(b"HTTP/1.1 200 OK\r\n\r\nok\n", certificate)
    assert "certificate is not valid" in found.trouble


async def test_https_where_there_is_none() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\nok\n") as url:
        found = await web.look(url.replace("http:", "https:"), "/health", ["127.0.0.1"], lambda: 0.0)
    assert "TLS failed" in found.trouble


async def test_nobody_there() -> None:
    async with answering(b"") as url:
        pass
    found = await web.look(url, "/health", ["127.0.0.1"], lambda: 0.0)
    assert found == WebSeen(trouble="nothing listens there")


async def test_a_form_is_posted() -> None:
    came: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.readuntil(b"One-Click"))
        writer.write(b"HTTP/1.1 404 Not Found\r\n\r\nKardelen")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://localhost:{server.sockets[0].getsockname()[1]}/mail"
    found = await web.look(url, "/u/x", ["127.0.0.1"], lambda: 0.0, form="List-Unsubscribe=One-Click")
    server.close()
    assert found == WebSeen(404, "Kardelen")
    assert came[0].startswith(b"POST /mail/u/x HTTP/1.1\r\n")
    assert b"Content-Length: 26\r\n" in came[0]


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    async with answering(None) as url:
        found = await web.look(url, "/health", ["127.0.0.1"], lambda: 0.0, patience=0.1)
    assert found == WebSeen(trouble="it takes the request and says nothing")


async def test_names_of_hosts() -> None:
    assert await names.trouble("localhost") == ""
    assert "is not known" in await names.trouble("a" * 70)


def test_a_folder(tmp_path: Path) -> None:
    assert machine.writable(tmp_path / "new" / "folder") == ""
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    (tmp_path / "file").write_text("")
    assert machine.writable(tmp_path / "file") == "File exists"
    assert (machine.free(tmp_path) or 0) > 0
    assert machine.free(tmp_path / "gone") is None


def test_who_may_read_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("")
    file.chmod(0o640)
    assert machine.mode(file, "The key").mode == 0o640
    assert machine.mode(tmp_path / "gone", "The key").mode is None


def test_time_zones_are_there() -> None:
    count, edition = machine.zones()
    assert count > 400
    assert edition.startswith("tzdata ")
