"""A hostile mail in a real browser: nothing in it runs, nothing it names is fetched, its pictures are shown."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

import pytest

from mailer.app import App
from tests.web.conftest import Stand
from tests.web.test_server import served

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture
def browser() -> str:
    """The browser of this machine."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        sentence = "No browser is here to try hostile mails in; install the Debian package chromium."
        if os.environ.get("CI") == "true":
            pytest.fail(sentence)
        pytest.skip(sentence)
    return found


class Watched(App):
    """Remembers which pictures were asked for."""

    seen: list[str]

    async def picture(self, template: str, name: str) -> bytes | None:
        self.seen.append(f"{template}/{name}")
        return b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"


def hostile(canary: str) -> str:
    """Every way we know to run something or to call home; each says its name to `canary`."""

    def call(name: str) -> str:
        return f"new Image().src='{canary}/ran-{name}';new Image().src='/images/ran/{name}.gif'"

    return f"""<html><head><base href="{canary}/based/">
<script>{call("script")};document.title='owned'</script>
<link rel="preconnect" href="{canary}"><LINK/rel="stylesheet" href="{canary}/fetched-style">
<style>@import "{canary}/fetched-import";
body {{ background: url({canary}/fetched-background) }} @font-face {{ font-family: x; src: url({canary}/fetched-font) }}
p {{ font-family: x }}</style></head>
<body onload="{call("onload")}"><p>Hello</p>
<img src="/images/seen/shown.gif"><img src="cid:inner@kardelen">
<img src="/nothing" onerror="{call("onerror")}"><img src="{canary}/fetched-picture">
<svg onload="{call("svg")}"><script>{call("svg-script")}</script></svg>
<iframe srcdoc="<script>{call("srcdoc").replace('"', "&quot;")}</script>"></iframe>
<iframe src="{canary}/fetched-frame"></iframe><iframe src="javascript:{call("frame")}"></iframe>
<object data="{canary}/fetched-object"></object><embed src="{canary}/fetched-embed">
<video src="{canary}/fetched-video" autoplay onerror="{call("video")}"></video>
<details open ontoggle="{call("toggle")}"><summary>x</summary></details>
<input autofocus onfocus="{call("focus")}">
<form action="{canary}/fetched-form" id="f"><input type="submit" autofocus></form>
<meta http-equiv="refresh" content="0;url={canary}/fetched-refresh">
<script>document.getElementById('f').submit();top.location='{canary}/fetched-top'</script>
</body></html>"""


@asynccontextmanager
async def a_canary() -> AsyncIterator[tuple[str, list[str]]]:
    """A site that serves the hostile page bare at /naked, and remembers what else it was asked for."""
    asked: list[str] = []
    address = ""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = (await reader.readline()).decode().split()
        path = words[1] if len(words) > 1 else "(a connection)"
        body = hostile(address) if path == "/naked" else ""
        asked.append(path)
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    address = f"http://{host}:{port}"
    async with server:
        yield address, asked


async def visit(browser: str, profile: Path, url: str) -> str:
    """Open a page, let three seconds of its time go by, and give its document."""
    process = await asyncio.create_subprocess_exec(
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-component-update", "--no-first-run", f"--user-data-dir={profile}",
        "--virtual-time-budget=3000", "--dump-dom", url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            document, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return document.decode("utf-8", "replace")


async def test_no_script_of_a_mail_runs(stand: Stand, browser: str, tmp_path: Path) -> None:
    app = Watched(stand.app.settings, stand.app.db, stand.app.clock, stand.told.append)
    app.seen = []
    stand = Stand(app, stand.told)
    async with a_canary() as (canary, asked):
        mail = EmailMessage()
        mail["Subject"] = "<script>document.title='owned'</script>"
        mail.set_content("Hello\n")
        mail.add_alternative(hostile(canary), subtype="html")
        kept = await app.mailbox.add("x@shop.example", ["ayse@example.com"], mail.as_bytes())

        await visit(browser, tmp_path / "naked", f"{canary}/naked")
        assert {"/ran-script", "/fetched-picture"} <= set(asked), (
            "the page is harmful where nothing shuts it in"
        )

        asked.clear()
        async with served(stand) as address:
            framed = await visit(browser, tmp_path / "framed", f"{address}/mailbox/{kept}")
            assert "seen/shown.gif" in app.seen, "its harmless picture is shown in the frame"
            alone = await visit(browser, tmp_path / "alone", f"{address}/mailbox/{kept}/html")
    assert "<title>owned" not in framed
    assert "<title>owned" not in alone
    assert "Hello" in alone
    assert asked == [], "not even a connection was made"
    assert {each for each in app.seen if each.startswith("ran/")} == set()
