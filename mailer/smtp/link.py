"""One open connection to the relay, past EHLO, TLS and AUTH: bytes out, replies in.

A connection can fail before 354, in the body or after the final dot, and nothing in the error tells which, so whoever
asks says the phase.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from mailer.core.delivery import Phase
from mailer.core.message import Message
from mailer.smtp.collector import Collector, Raw
from mailer.smtp.relay import RelayConfig
from mailer.smtp.trouble import Trouble, trouble

#: Above this a message's data leaves in pieces of this size, each after the last one was taken.
BLOCK = 65_536


class Link:
    """A connection in use. One message in DATA at a time."""

    def __init__(
        self, config: RelayConfig, transport: asyncio.Transport, extensions: Mapping[str, str]
    ) -> None:
        self.config = config
        self.extensions = extensions  # keyword in lower case → parameters (RFC 5321 §4.1.1.1)
        self.pipelining = "pipelining" in extensions  # RFC 2920
        self.messages = 0  # begun on it
        self.glued: Message | None = None  # its envelope has left, behind the last message's dot
        self._transport = transport
        self._collector = Collector(asyncio.get_running_loop())
        transport.set_protocol(self._collector)

    @property
    def alive(self) -> bool:
        """Whether relay and we still hear each other and agree on whose turn it is."""
        return self._collector.ended is None and not self._transport.is_closing()

    @property
    def awaited(self) -> bool:
        """Whether a glued message can go on: it will be answered, or was, if only by nonsense.

        Where the connection just ended it has no answer, and may begin anew on another.
        """
        heard = self._collector
        return self.glued is not None and (
            self.alive or bool(heard.replies) or not isinstance(heard.ended, ConnectionError | None)
        )

    @property
    def full(self) -> bool:
        """Whether it has carried its share of messages."""
        return self.messages >= self.config.messages_per_connection

    def expect(self, count: int) -> None:
        """So many replies will come to what is about to be written."""
        self._collector.expect(count)

    def write(self, phase: Phase, data: bytes) -> None:
        """Hand bytes to the kernel.

        Raises:
            Trouble: the connection is gone; not one of these bytes has left.
        """
        if not self.alive:
            raise self.trouble(phase)
        self._transport.write(data)

    async def take(self, count: int, timeout: float) -> list[Raw]:  # noqa: ASYNC109 -- one timer serves all waits
        """The next replies; fewer if the connection ended, and then `trouble` says why."""
        return await self._collector.take(count, timeout)

    async def pour(self, data: bytes) -> bool:
        """Write in pieces, listening; no, if the relay spoke or went before the last of them."""
        # A piece waits until the last one is the kernel's. Not 0: then asyncio's TLS pauses on an empty one.
        self._transport.set_write_buffer_limits(high=1, low=0)
        for start in range(0, len(data), BLOCK):
            if not self.alive:
                return False
            self._transport.write(data[start : start + BLOCK])
            if not await self._collector.drained(self.config.timeouts.block):
                return False
        return True

    def trouble(self, phase: Phase) -> Trouble:
        """Why no reply came."""
        return trouble(phase, self._collector.ended or ConnectionResetError(), self.config)

    async def quit(self) -> None:
        """QUIT and close, whatever the relay answers; in the middle of something, just close."""
        try:
            if self.alive and self.glued is None:
                self.expect(1)
                self._transport.write(b"QUIT\r\n")
                await self.take(1, self.config.timeouts.farewell)
        finally:
            self.drop()

    def drop(self) -> None:
        """Close at once; bytes still waiting to leave are thrown away, and replies nobody took."""
        self.glued = None
        self._collector.replies.clear()
        self._collector.end(ConnectionResetError("we closed the connection"))
        self._transport.abort()
