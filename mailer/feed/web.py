"""Fetching a feed over HTTP: one GET without cookies or credentials, bounded in time, size and redirects.

A feed's address is written by the shop, but where it redirects to is said by somebody else. So a redirect keeps to
http and https, never from https back to http, and reaches an address of this machine or this network only where
the file itself names that host.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from io import BytesIO
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from mailer.core.post import is_link
from mailer.errors import FeedFault

SECONDS = 10.0  # for everything together
MOST_BYTES = 5_000_000
MOST_REDIRECTS = 5

_HEAD = 100_000  # bytes of a status line and header fields, at most
_PIECE = 65_536
_OK = 200
_MOVED = frozenset({301, 302, 303, 307, 308})
_KEPT = "/?%:@!$&'()*+,;=~-._[]"  # what a path and a query may hold as they are (RFC 3986 §3.3, §3.4)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    location: str
    encoding: str
    body: bytes


async def fetch(url: str) -> tuple[bytes, str]:
    """The bytes, and the address they came from in the end.

    Raises:
        FeedFault: nobody answers in time, or the answer is no document, too large or leads astray.
    """
    named = urlsplit(url)
    try:
        async with asyncio.timeout(SECONDS):
            for _hop in range(MOST_REDIRECTS + 1):
                answer = await _ask(urlsplit(url), anywhere=urlsplit(url).netloc == named.netloc)
                if answer.status not in _MOVED:
                    return _body(answer), url
                url = _next(url, answer.location)
    except TimeoutError:
        raise FeedFault(f"the server did not send the whole feed within {SECONDS:.0f} seconds") from None
    raise FeedFault(f"the server redirects more than {MOST_REDIRECTS} times")


def _body(answer: _Answer) -> bytes:
    if answer.status != _OK:
        raise FeedFault(f"the server answered {answer.status}")
    if answer.encoding not in ("", "identity"):
        raise FeedFault("the server sent it compressed, though it was not asked to")
    if len(answer.body) > MOST_BYTES:
        raise FeedFault(f"it is larger than {MOST_BYTES // 1_000_000} MB")
    return answer.body


def _next(url: str, location: str) -> str:
    try:
        found = urljoin(url, location)
    except ValueError:
        found = ""
    if not location or not is_link(found):
        raise FeedFault("the server redirects to what is no http or https address")
    if urlsplit(url).scheme == "https" and urlsplit(found).scheme != "https":
        raise FeedFault("the server redirects from https to http")
    return found


async def _ask(url: SplitResult, *, anywhere: bool) -> _Answer:
    """One request. Unless `anywhere`, only a machine on the public internet is spoken to."""
    secure = url.scheme == "https"
    try:
        host, port = url.hostname or "", url.port or (443 if secure else 80)
        name = host if ":" in host else host.encode("idna").decode("ascii")
    except ValueError:  # a port above 65535, a name no server can have
        raise FeedFault("there can be no such server") from None
    writer: asyncio.StreamWriter | None = None
    try:
        reader, writer = await asyncio.open_connection(
            name, port, ssl=ssl.create_default_context() if secure else None
        )
        if not anywhere and not ip_address(writer.get_extra_info("peername")[0].partition("%")[0]).is_global:
            raise FeedFault("the server redirects into a private network")
        writer.write(_request(url, name))
        await writer.drain()
        heard = bytearray()
        while len(heard) <= MOST_BYTES + _HEAD and (piece := await reader.read(_PIECE)):
            heard += piece
    except ssl.SSLCertVerificationError as trouble:
        raise FeedFault(f"the server's certificate is not good: {trouble.verify_message}") from None
    except ssl.SSLError:
        raise FeedFault("the server does not speak TLS as it should") from None
    except OSError as trouble:
        raise FeedFault(f"the server cannot be reached: {trouble.strerror or 'it hung up'}") from None
    finally:
        if writer is not None:
            writer.transport.abort()
    if len(heard) > MOST_BYTES + _HEAD:
        raise FeedFault(f"it is larger than {MOST_BYTES // 1_000_000} MB")
    return _read(bytes(heard))


def _request(url: SplitResult, name: str) -> bytes:
    path = quote(url.path or "/", _KEPT) + (f"?{quote(url.query, _KEPT)}" if url.query else "")
    host = f"[{name}]" if ":" in name else name
    fields = (
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{url.port}" if url.port else f"Host: {host}",
        "User-Agent: mailer",
        "Accept: application/atom+xml, application/rss+xml, application/xml;q=0.9, */*;q=0.5",
        "Accept-Encoding: identity",
        "Connection: close",
    )
    return "".join(f"{field}\r\n" for field in (*fields, "")).encode("ascii")


class _Heard:
    """Bytes that came, where http.client expects a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> Any:
        """They are all here."""
        return BytesIO(self._data)


def _read(data: bytes) -> _Answer:
    response = HTTPResponse(_Heard(data), method="GET")  # type: ignore[arg-type]  # it asks for makefile alone
    with contextlib.closing(response):
        try:
            response.begin()
            body = response.read()
        except (HTTPException, ValueError):
            raise FeedFault("the server's answer is not HTTP, or was cut off") from None
        return _Answer(
            response.status,
            response.getheader("Location", ""),
            response.getheader("Content-Encoding", "").strip().lower(),
            body,
        )
