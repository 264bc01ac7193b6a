"""Reading requests off the wire: llhttp does it in C, and what it leaves unbounded is bounded here.

A click is answered as soon as its head is read, before a task is made for it: that is half of what it would cost.
"""

from __future__ import annotations

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mailer.web.links import CLICK, OPEN, Answer, Links

#: Bytes of a request before its body; links of ours are far below.
MOST_HEAD = 96_000

_OURS = (CLICK.encode(), OPEN.encode())
_BODIES = frozenset({b"content-length", b"transfer-encoding", b"expect", b"upgrade"})
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Wire(HttpToolsProtocol):
    """One connection."""

    parser: HttpRequestParser
    _head = 0  # bytes since the last request was whole; more than a body's share ends the connection
    _in_body = False
    _answered = False  # the request that is being read

    def data_received(self, data: bytes) -> None:
        """Read on, unless somebody sends a head without end."""
        if not self._in_body:
            self._head += len(data)
            if self._head > MOST_HEAD:
                self._unset_keepalive_if_required()
                self.transport.write(_TOO_LARGE)
                self.transport.close()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._answered = False
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
