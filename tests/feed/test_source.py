"""Fetching from a server on this machine that does what servers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mailer.errors import FeedFault
from mailer.feed import web
from mailer.feed.source import Feeds, KeptFeeds

FEED = b"<rss><channel><item><title>A</title><link>/a</link></item></channel></rss>"


def answer(body: bytes = FEED, status: str = "200 OK", *fields: str) -> bytes:
    head = "".join(f"{field}\r\n" for field in (f"HTTP/1.1 {status}", *fields, "Connection: close", ""))
    return head.encode("latin-1") + body


@asynccontextmanager
async def server(*answers: bytes, hold: bool = False) -> AsyncIterator[tuple[int, list[str]]]:
    """Gives these answers in turn; its port, and the requests it got. `hold`: it never ends its answer."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
            writer.write(answers[min(len(asked), len(answers)) - 1])
            await writer.drain()
            if hold:
                await asyncio.sleep(60)
        except OSError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1], asked
    finally:
        listening.close()


async def fault(feed: str, folder: Path = Path()) -> str:
    with pytest.raises(FeedFault) as found:
        await Feeds(folder).posts(feed)
    assert found.value.file == feed
    return found.value.message


async def test_a_feed_is_asked_for_plainly_and_links_start_where_it_was_found() -> None:
    async with server(answer(b"", "301 Moved", "Location: /new/feed.xml?a=ö"), answer()) as (port, asked):
        [post] = await Feeds(Path()).posts(f"http://127.0.0.1:{port}/yazı")
    assert post.url == f"http://127.0.0.1:{port}/a"
    assert asked[0].splitlines()[:2] == ["GET /yaz%C4%B1 HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    assert asked[1].startswith("GET /new/feed.xml?a=")
    assert "cookie" not in asked[0].lower()
    assert "authorization" not in asked[0].lower()


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(answer(FEED, "200 OK", f"Content-Length: {len(FEED)}"), id="length"),
        pytest.param(
            answer(b"%x\r\n%s\r\n0\r\n\r\n" % (len(FEED), FEED), "200 OK", "Transfer-Encoding: chunked"),
            id="chunks",
        ),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n" + FEED, id="HTTP/1.0"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(), id="100 first"),
    ],
)
async def test_ways_of_answering(reply: bytes) -> None:
    async with server(reply) as (port, _asked):
        assert len(await Feeds(Path()).posts(f"http://127.0.0.1:{port}/")) == 1


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        pytest.param(answer(b"", "404 \x1b[31mNo"), "the server answered 404", id="404"),
        pytest.param(answer(b"", "503 Busy"), "the server answered 503", id="503"),
        pytest.param(answer(b"x" * 5_000_001), "larger than 5 MB", id="huge"),
        pytest.param(answer(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip"), "sent it compressed", id="a zip bomb"),
        pytest.param(answer(FEED, "200 OK", "Content-Length: 9999"), "was cut off", id="cut off"),
        pytest.param(answer(b"zz\r\n", "200 OK", "Transfer-Encoding: chunked"), "is not HTTP", id="no chunks"),
        pytest.param(b"220 mail.example ESMTP\r\n", "is not HTTP", id="another protocol"),
        pytest.param(b"", "is not HTTP", id="nothing"),
        pytest.param(answer(b"", "200 OK", *["X: y"] * 1_000), "is not HTTP", id="a thousand fields"),
        pytest.param(answer(b"", "302 Found"), "redirects to what is no", id="nowhere"),
        pytest.param(answer(b"", "302 Found", "Location: file:///etc/passwd"), "redirects to what is no", id="a file"),
        pytest.param(answer(b"", "302 Found", "Location: gopher://x/"), "redirects to what is no", id="gopher"),
        pytest.param(answer(b"", "302 Found", "Location: http://a:b@x/"), "redirects to what is no", id="a password"),
        pytest.param(answer(b"", "302 Found", "Location: http://[x"), "redirects to what is no", id="half a bracket"),
        pytest.param(answer(b"", "302 Found", "Location: /"), "more than 5 times", id="in a circle"),
    ],
)  # fmt: skip
async def test_what_a_server_may_do_is_one_sentence(reply: bytes, said: str) -> None:
    async with server(reply) as (port, _asked):
        told = await fault(f"http://127.0.0.1:{port}/feed")
    assert said in told
    assert told.isprintable()


async def test_a_redirect_reaches_no_other_machine_in_here() -> None:
    async with server(answer()) as (inside, asked):
        away = answer(b"", "302 Found", f"Location: http://localhost:{inside}/secret")
        async with server(away) as (port, _asked):
            assert "into a private network" in await fault(f"http://127.0.0.1:{port}/feed")
    assert asked == []  # not a byte was said to it


def test_never_from_https_to_http() -> None:
    with pytest.raises(FeedFault, match="from https to http"):
        web._next("https://k.example/feed", "http://k.example/feed")
    assert web._next("http://k.example/feed", "https://k.example/feed") == "https://k.example/feed"


async def test_a_server_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "SECONDS", 0.3)
    for reply in (answer(), b"HTTP/1.1 200 OK\r\nX: "):
        async with server(reply, hold=True) as (port, _asked):
            assert "did not send the whole feed" in await fault(f"http://127.0.0.1:{port}/")


async def test_nobody_there_and_no_such_name() -> None:
    async with server(answer()) as (port, _asked):
        pass
    assert "cannot be reached" in await fault(f"http://127.0.0.1:{port}/")
    assert "cannot be reached" in await fault("http://feed.invalid/")
    assert "no such server" in await fault("http://k.example:99999/")
    assert "no such server" in await fault(f"http://{'x' * 64}.example/")


async def test_plain_talk_where_tls_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def complain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer(b"", "400 Bad Request"))
        writer.close()

    listening = await asyncio.start_server(complain, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        assert "does not speak TLS" in await fault(f"https://127.0.0.1:{port}/")
    monkeypatch.setattr(web, "SECONDS", 0.3)
    async with server(answer()) as (port, _asked):  # it waits for a request that it can read
        assert "did not send the whole feed" in await fault(f"https://127.0.0.1:{port}/")


async def test_files_below_jobs_dir_and_no_others(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    (jobs / "sub").mkdir(parents=True)
    (jobs / "sub/news.xml").write_bytes(FEED.replace(b"/a", b"https://k.example/a"))
    (tmp_path / "secret.xml").write_bytes(FEED)
    (jobs / "link.xml").symlink_to(tmp_path / "secret.xml")
    (jobs / "huge.xml").write_bytes(b" " * 5_000_001)
    assert [post.title for post in await Feeds(jobs).posts("sub/news.xml")] == ["A"]
    assert "leads out of jobs_dir" in await fault("link.xml", jobs)
    assert "leads out of jobs_dir" in await fault("../secret.xml", jobs)
    assert "larger than 5 MB" in await fault("huge.xml", jobs)
    for nothing in ("none.xml", "sub"):
        assert "there is no such file" in await fault(nothing, jobs)


async def test_a_rehearsal_asks_once_also_for_what_fails(tmp_path: Path) -> None:
    feeds: Callable[[str], object] = KeptFeeds(tmp_path).posts
    for _time in range(2):
        with pytest.raises(FeedFault, match="there is no such file"):
            await feeds("news.xml")  # type: ignore[misc]
        (tmp_path / "news.xml").write_bytes(FEED)
