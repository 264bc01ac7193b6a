"""The web over a real socket, and `mailer up` as a process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from mailer.errors import SettingsError
from mailer.flow.track import UNSUBSCRIBE
from mailer.web.server import address_of, listen, serve
from tests import ports
from tests.store import rows
from tests.store.rows import NOW
from tests.web.conftest import Stand


def listening(stand: Stand, address: str) -> Stand:
    stand.app.settings = stand.app.settings.model_copy(update={"listen": address})
    return stand


@asynccontextmanager
async def served(stand: Stand) -> AsyncIterator[str]:
    """The site on a free port; its address."""
    stop = asyncio.Event()
    with listen(listening(stand, "127.0.0.1:0").app) as door:
        serving = asyncio.create_task(serve(stand.app, stop, door))
        try:
            yield address_of(door)
        finally:
            stop.set()
            async with asyncio.timeout(30):
                await serving


async def raw(address: str, request: bytes) -> bytes:
    """What is answered until the connection ends."""
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return answer


async def test_a_conversation_over_one_connection(stand: Stand, capfd: pytest.CaptureFixture[str]) -> None:
    who = await rows.a_customer_row(stand.app.db, email="ayse@example.com")
    delivery = await rows.a_delivery(stand.app.db, customer_id=who)
    link = f"/u/{stand.token(UNSUBSCRIBE, delivery, who, 'ayse@example.com')}"
    async with served(stand) as address, httpx.AsyncClient(base_url=address) as client:
        page = await client.get(link)
        head = await client.head(link)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == page.headers["content-length"]
        assert await stand.app.suppressions.of("ayse@example.com") == {}
        for body in ({"List-Unsubscribe": "One-Click"}, {"x": "y" * 50_000}):
            assert (await client.post(link, data=body)).status_code == 200
        assert await stand.app.suppressions.of("ayse@example.com") == {"commercial": "unsubscribed"}
        health = await client.get("/health")
        assert health.text == "ok\n"
        assert "server" not in health.headers
        assert (await client.get("/")).status_code == 200
    assert capfd.readouterr() == ("", ""), "serving is silent"


async def test_what_no_browser_says(stand: Stand, capfd: pytest.CaptureFixture[str]) -> None:
    async with served(stand) as address:
        host = address.removeprefix("http://").encode()
        old = await raw(address, b"GET / HTTP/1.0\r\nHost: " + host + b"\r\n\r\n")
        assert b" 403 " in old.splitlines()[0]
        junk = await raw(address, b"\x16\x03\x01\x02\x00 nonsense\r\n\r\n")
        assert b" 400 " in junk.splitlines()[0]
        close = b" HTTP/1.1\r\nConnection: close\r\nHost: " + host + b"\r\n\r\n"
        assert b" 404 " in (await raw(address, b"GET /u/%ff%00%0d%0aX:1" + close)).splitlines()[0]
        assert b" 404 " in (await raw(address, b"GET //evil.example/u/x" + close)).splitlines()[0]
        assert b" 404 " in (await raw(address, b"GET /images/../../etc/passwd" + close)).splitlines()[0]
    assert capfd.readouterr() == ("", "")


async def test_it_stops_though_a_reader_holds_on(stand: Stand) -> None:
    async with served(stand) as address:
        host, port = address.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await reader.readline()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_taken_port_is_one_sentence(stand: Stand) -> None:
    with listen(listening(stand, "127.0.0.1:0").app) as door:
        taken = address_of(door).removeprefix("http://")
        with pytest.raises(SettingsError, match=rf"listen: .*{taken} \(Address already in use\); stop"):
            listen(listening(stand, taken).app)


@pytest.mark.parametrize("address", ["nowhere.invalid:8080", "203.0.113.7:8080"])
async def test_an_address_that_is_not_ours_is_one_sentence(stand: Stand, address: str) -> None:
    with pytest.raises(SettingsError, match="listen:"):
        listen(listening(stand, address).app)


async def test_up_serves_and_leaves_when_told(folder: Path) -> None:
    with ports.held() as port:
        await up_and_told_to_leave(folder, port)


async def up_and_told_to_leave(folder: Path, port: int) -> None:
    (folder / "settings.yaml").write_text(
        f"listen: 127.0.0.1:{port}\nsender: {{processes: 1}}\n", encoding="utf-8"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAILER_")}
    up = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mailer", "up", cwd=folder, env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert up.stderr is not None
    async with asyncio.timeout(180):
        said = (await up.stderr.readline() + await up.stderr.readline()).decode()
        assert "shown at http" in said
        address = said.split()[3]
        async with httpx.AsyncClient() as client:
            answer = await client.get(address)
            while answer.status_code != 200:  # it answers once the loop is free
                answer = await client.get(address)
            assert "Genel bakış" in answer.text
        up.send_signal(signal.SIGTERM)
        assert await up.wait() == 0
        assert await up.stderr.read() == b""


def test_the_clock_of_these_tests_stands_still(stand: Stand) -> None:
    assert stand.app.clock() == NOW
