"""Reading requests off the wire: llhttp does it in C, and what it leaves unbounded is bounded here.

A head, a request and the time for each have an end, whoever asks: connections are what a web runs out of first.
A click is answered as soon as its head is read, before a task is made for it: that is half of what it would cost.
"""

from __future__ import annotations

import asyncio

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mailer.web.links import CLICK, OPEN, Answer, Links

#: Bytes of a request before its body; links of ours are far below.
MOST_HEAD = 96_000
#: Bytes of a request altogether. What a body may have ends far below, and its sender is told by 413 and read to this.
MOST_REQUEST = 8_000_000
_PIECE = 32_000  # bytes looked at together, so that a body that came with its head does not count as one

_OURS = (CLICK.encode(), OPEN.encode())
_BODIES = frozenset({b"content-length", b"transfer-encoding", b"expect", b"upgrade"})
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Wire(HttpToolsProtocol):
    """One connection."""

    parser: HttpRequestParser
    look = 5.0  # seconds between two looks whether it goes on
    head_seconds = 15.0  # for a head to come, or the first byte of a first one
    request_seconds = 60.0  # for all of a request
    answer_seconds = 120.0  # for an answer to be taken off our hands

    _head = 0  # bytes since the last request was whole; more than a body's share ends the connection
    _size = 0  # bytes of the request that is being read
    _in_body = False
    _answered = False  # the request that is being read
    _since: float | None = None  # since when the rest of a request is waited for
    _held = 0.0  # seconds in which an answer, or a part of one, waited for its reader
    _looking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn
        """Somebody comes, unless far too many are here."""
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) > 2 * self.limit_concurrency:
            transport.abort()
            return
        self._since = self.loop.time()
        self._looking = self.loop.call_later(self.look, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """They are gone."""
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """End what does not go on: heads and bodies that trickle, answers that nobody reads."""
        self._looking = self.loop.call_later(self.look, self._look)
        self._held = self._held + self.look if self.transport.get_write_buffer_size() else 0.0
        if self._held > self.answer_seconds:
            self.transport.abort()
            return
        most = self.request_seconds if self._in_body else self.head_seconds
        if self._since is not None and self.loop.time() - self._since > most:
            self._end(b"" if self._in_body else _TOO_SLOW)

    def _end(self, word: bytes) -> None:
        if not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self.transport.write(word)
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Read on, unless somebody sends a head, or a request, without end."""
        if len(data) <= _PIECE:
            self._read(data)
            return
        for begin in range(0, len(data), _PIECE):
            if self.transport.is_closing():
                return
            self._read(data[begin : begin + _PIECE])

    def _read(self, data: bytes) -> None:
        if self._since is None:
            self._since = self.loop.time()
        self._size += len(data)
        if not self._in_body:
            self._head += len(data)
            if self._head > MOST_HEAD:
                self._end(_TOO_LARGE)
                return
        elif self._size > MOST_REQUEST:
            self._end(b"")
            return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._answered = False
        self._since, self._size = self.loop.time(), 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole; how long a body may be is the site's affair."""
        self._head, self._in_body = 0, True
        answer = self._at_once() if self.url.startswith(_OURS) else None
        if answer is None:
            super().on_headers_complete()
        else:
            self._answered = True
            self._answer(answer)

    def on_message_complete(self) -> None:
        """The next request begins."""
        self._in_body = False
        self._since = None
        if not self._answered:
            super().on_message_complete()

    def _at_once(self) -> Answer | None:
        """The answer to a plain request that no other one on this connection is before; None: it takes its way."""
        # Nor one to somebody who does not read what he is answered.
        busy = self.flow.write_paused or not getattr(self.cycle, "response_complete", True)
        if busy or not isinstance(self.app, Links) or b"%" in self.url or b"?" in self.url:
            return None
        if any(name in _BODIES for name, _value in self.headers):
            return None
        method, client = self.parser.get_method().decode("ascii"), self.client
        return self.app.at_once(method, self.url.decode("latin-1"), self.headers, client[0] if client else "")

    def _answer(self, answer: Answer) -> None:
        stays = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        fields = [*self.server_state.default_headers, *answer.headers]
        if not stays:
            fields.append((b"connection", b"close"))
        said = [
            STATUS_LINE[answer.status],
            *(b"%b: %b\r\n" % field for field in fields),
            b"\r\n",
            answer.body,
        ]
        self.transport.write(b"".join(said))
        if not stays:
            self.transport.close()
        self.on_response_complete()
