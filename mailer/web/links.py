"""Clicks and the tracking picture: answered before any other part of the site is asked, and without the database.

A mail to many comes back as thousands of requests within minutes, and each is one look at a signature. So they are
answered here, at a tenth of what a page costs; whatever is wrong with a link is said by the page for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple, cast

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from mailer.app import App
from mailer.core.token import BadToken
from mailer.flow.trail import Request
from mailer.web import paper

CLICK, OPEN = "/c/", "/o/"

#: One transparent point.
PICTURE = bytes.fromhex(
    "47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b"
)

_MOST_PASSED_ON = 400  # letters looked at of X-Forwarded-For

Headers = Iterable[tuple[bytes, bytes]]

_READ = frozenset({"GET", "HEAD"})
_SHUT = [
    *((name.lower().encode(), value.encode()) for name, value in paper.ALWAYS.items()),
    (b"cache-control", b"no-store"),
]
_EMPTY = [*_SHUT, (b"content-length", b"0")]
_PICTURE = [
    *_SHUT,
    (b"content-type", b"image/gif"),
    (b"content-length", str(len(PICTURE)).encode()),
    (b"cross-origin-resource-policy", b"cross-origin"),  # web mail shows it on its own site
]
_PURPOSES = (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz")


class Answer(NamedTuple):
    """What a request is answered, whole."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Links:
    """Stands before the site."""

    def __init__(self, app: App, site: ASGIApp) -> None:
        self._app = app
        self._site = site
        self._readers = Readers(app.machines, app.settings.tracking.proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a click or a picture; give everything else on."""
        asked = cast(
            "HTTPScope", scope
        )  # nothing else comes: there are no web sockets and there is no lifespan
        client = asked["client"]
        answer = self.at_once(asked["method"], asked["path"], asked["headers"], client[0] if client else "")
        if answer is None:
            await self._site(scope, receive, send)
            return
        status, headers, body = answer
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def at_once(self, method: str, path: str, headers: Headers, client: str) -> Answer | None:
        """The answer to a click or a request for the picture; None: it is the site's affair."""
        if method not in _READ:
            return None
        if path.startswith(CLICK):
            try:
                by = self._readers.request(method, headers, client)
                url = self._app.trail.click(path[len(CLICK) :], by)
            except BadToken:
                return None
            return Answer(302, [(b"location", url.encode("ascii")), *_EMPTY], b"")
        if path.startswith(OPEN):
            with contextlib.suppress(
                BadToken
            ):  # a picture is shown all the same: a broken one would tell more
                self._app.trail.open(path[len(OPEN) :], self._readers.request(method, headers, client))
            return Answer(200, _PICTURE, b"" if method == "HEAD" else PICTURE)
        return None


class Readers:
    """Who asks: what a request says of its program, and whether it comes from a network of machines."""

    def __init__(self, machines: Iterable[str], proxies: Iterable[str]) -> None:
        self._machines = [ip_network(each) for each in machines]
        self._proxies = [ip_network(each) for each in proxies]
        self._of_a_machine = lru_cache(4_096)(self._look)

    def request(self, method: str, headers: Headers, client: str) -> Request:
        """What is known of who asks; the address itself is not kept."""
        agent = purpose = passed_on = ""
        for name, value in headers:
            if name == b"user-agent":
                agent = value.decode("latin-1")
            elif name == b"x-forwarded-for":
                passed_on = f"{passed_on},{value.decode('latin-1')}"
            elif name in _PURPOSES:
                purpose = f"{purpose} {value.decode('latin-1')}"
        # The nearest proxies come last, and whoever is none is not believed: what else is said is not worth keeping.
        passed_on = passed_on[-_MOST_PASSED_ON:] if self._proxies else ""
        return Request(method, agent, purpose, self._of_a_machine(client, passed_on))

    def _look(self, host: str, passed_on: str) -> bool:
        """Whether the nearest address that is not one of our proxies belongs to machines."""
        for each in (host, *(part.strip() for part in reversed(passed_on.split(",")))):
            try:
                address = ip_address(each)
            except ValueError:
                if each:
                    return False
                continue
            address = (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
            if not any(address in network for network in self._proxies):
                return any(address in network for network in self._machines)
        return False
