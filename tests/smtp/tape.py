"""A relay without a line: a transport that answers what is written to it, in pieces of the sizes it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from mailer.smtp.link import Link
from mailer.smtp.relay import RelayConfig, Timeouts, Tls
from mailer.smtp.session import Session

QUICK = Timeouts(connect=2, command=2, block=2, dot=2, farewell=2)
DEFAULTS = {
    "MAIL": b"250 ok\r\n", "RCPT": b"250 ok\r\n", "DATA": b"354 go\r\n", "dot": b"250 kept\r\n", "RSET": b"250 ok\r\n",
    "QUIT": b"221 bye\r\n",
}  # fmt: skip


class Tape(asyncio.Transport):
    """Answers each command with the next of its answers, then as DEFAULTS; `sizes` are those of the pieces."""

    def __init__(self, answers: Mapping[str, Iterable[bytes]], sizes: Iterable[int] = ()) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.lines: list[bytes] = []
        self._answers = {step: iter(said) for step, said in answers.items()}
        self._sizes = iter(sizes)
        self._heard = b""
        self._said = b""
        self._in_data = False
        self._closed = False
        self._protocol: asyncio.BaseProtocol | None = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._closed

    def abort(self) -> None:
        self._closed = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, data: Any) -> None:
        assert not self._closed
        self.writes.append(bytes(data))
        *lines, self._heard = (self._heard + data).split(b"\r\n")
        for line in lines:
            self._hear(line)
        asyncio.get_running_loop().call_soon(self._say)

    def _hear(self, line: bytes) -> None:
        self.lines.append(line)
        if self._in_data:
            if line != b".":
                return
            self._in_data, step = False, "dot"
        else:
            step = line.split(b" ")[0].decode()
        answer = next(self._answers.get(step, iter(())), DEFAULTS[step])
        self._in_data = step == "DATA" and answer.startswith(b"354")
        self._said += answer

    def _say(self) -> None:
        assert isinstance(self._protocol, asyncio.Protocol)
        if self._said and not self._closed:
            size = next(self._sizes, len(self._said))
            piece, self._said = self._said[:size], self._said[size:]
            self._protocol.data_received(piece)
            asyncio.get_running_loop().call_soon(self._say)


def session_over(tape: Tape, *extensions: str, timeouts: Timeouts = QUICK) -> Session:
    """A session whose connection is the tape; were another needed, nothing would listen there."""
    config = RelayConfig("127.0.0.1", 1, tls=Tls.NONE, local_hostname="sender.test", timeouts=timeouts)
    session = Session(config)
    session._link = Link(config, tape, dict.fromkeys(extensions, ""))
    return session
