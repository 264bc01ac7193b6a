"""Where mail comes back to: a small SMTP or LMTP server for the addresses of our return path, and no other.

It stands behind the mail server of the domain, or takes the domain's mail itself. It passes nothing on: what is no
report is read and forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as Peer

from mailer.errors import SettingsError

#: Bytes of one mail that are taken: the largest mail we make, and what a report adds. Little of it is looked at.
SIZE_LIMIT = 12_000_000
_MOST_CONNECTIONS = 20
_LONGEST_LINE = 65_536  # bytes: what comes back may have been too long for its own system
_PATIENCE = 60.0  # seconds a client may say nothing
_AT_ONCE = 4  # mails read at one time: each is held in memory

_log = logging.getLogger(__name__)
# The library repeats what strangers say, letter by letter, to whoever watches: controls of a terminal too.
logging.getLogger("mail.log").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Door:
    """What the listener asks of whoever it listens for."""

    knows: Callable[[str], bool]  # whether an address is one mail comes back to
    take: Callable[[bytes, list[str]], Awaitable[bool]]  # False: it is to be brought again later


class _Handler:
    """One mail is for one address: a report is, and each can be answered for by itself."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd's name for it
        self, _server: SMTP, _peer: Peer, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if envelope.rcpt_tos:
            return "452 4.5.3 one recipient at a time"
        if not self._door.knows(address):
            return "550 5.1.1 no mail comes back to this address"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, _server: SMTP, _peer: Peer, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd's name for it
        data = envelope.original_content or b""
        async with self._room:
            try:
                taken = await self._door.take(data, list(envelope.rcpt_tos))
            except Exception:  # noqa: BLE001 - whatever it was, the mail is not lost by it
                _log.exception("a mail that came back could not be read")
                taken = False
        return "250 2.0.0 taken" if taken else "451 4.3.0 not now; bring it again"


class Listener:
    """A running listener: where it listens, and how to end it."""

    def __init__(self, server: asyncio.Server, connections: set[Any]) -> None:
        self._server = server
        self._connections = connections
        self.host, self.port = server.sockets[0].getsockname()[:2]

    async def close(self) -> None:
        """Stop listening and cut the connections that are open; their mails are brought again."""
        self._server.close()
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.transport.close()
        await asyncio.sleep(0)  # transports close in the loop's next round


async def listen(address: str, door: Door, *, protocol: str = "smtp", place: str = "") -> Listener:
    """Listen at `host:port`, port 0 for a free one, in `smtp` or `lmtp`.

    Raises:
        SettingsError: it is taken, or no address of this machine.
    """
    kind = LMTP if protocol == "lmtp" else SMTP
    connections: set[SMTP] = set()  # those that are open
    handler = _Handler(door)
    loop = asyncio.get_running_loop()

    class Protocol(kind):  # type: ignore[valid-type,misc]  # either of two
        """Counts itself, and is not loud about clients that go away."""

        line_length_limit = _LONGEST_LINE

        def connection_made(self, transport: Any) -> None:
            """Refuse one more than there is room for."""
            if len(connections) >= _MOST_CONNECTIONS:
                transport.write(b"421 4.3.2 too many connections\r\n")
                transport.close()
                return
            connections.add(self)
            super().connection_made(transport)

        def connection_lost(self, error: Exception | None) -> None:
            """Make room; one that was refused had none."""
            if self in connections:
                connections.discard(self)
                super().connection_lost(error)

        async def _handle_client(self) -> None:
            with suppress(ConnectionError):
                await super()._handle_client()

    def protocol_made() -> SMTP:
        return Protocol(
            handler, hostname="bounces.localhost", ident="mailer", enable_SMTPUTF8=True, loop=loop,
            data_size_limit=SIZE_LIMIT, timeout=_PATIENCE,
        )  # fmt: skip

    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        server = await loop.create_server(protocol_made, host, int(port))
    except OSError as error:
        raise SettingsError(
            f"{place + ': ' if place else ''}bounces.listen: mail that comes back cannot be taken at {address} "
            f"({error.strerror}); stop what uses it, or choose another address."
        ) from error
    return Listener(server, connections)
