"""The built-in relay: takes every mail a program of this machine hands it, and delivers none.

It is what mail goes to while no relay is set. It listens on loopback only, as it asks nobody who they are.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as Peer

from mailer.core.loopback import is_loopback
from mailer.errors import SettingsError
from mailer.mailbox.storage import Mailbox

_SIZE_LIMIT = 100_000_000  # bytes of one mail
_log = logging.getLogger(__name__)


class _Protocol(SMTP):
    async def _handle_client(self) -> None:
        # A sender that is killed resets its connections: nothing to be loud about.
        with suppress(ConnectionError):
            await super()._handle_client()


class _Keeper:
    """Puts what arrives into the mailbox."""

    def __init__(self, storage: Mailbox) -> None:
        self._storage = storage

    async def handle_DATA(self, _server: SMTP, _peer: Peer, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd's name for it
        data = envelope.original_content or b""
        try:
            number = await self._storage.add(envelope.mail_from or "", envelope.rcpt_tos, data)
        except OSError as error:
            _log.warning("the mailbox cannot keep a mail: %s", error)
            return "452 4.3.1 the mailbox cannot keep the mail now"
        return f"250 2.0.0 kept as {number}"


class MailboxServer:
    """A running mailbox: where it listens, and how to end it."""

    def __init__(self, server: asyncio.Server, connections: WeakSet[_Protocol]) -> None:
        self._server = server
        self._connections = connections
        self.host, self.port = server.sockets[0].getsockname()[:2]

    async def close(self) -> None:
        """Stop listening and cut the connections that are open."""
        self._server.close()
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.transport.close()
        await asyncio.sleep(0)  # transports close in the loop's next round


async def serve(storage: Mailbox, host: str = "127.0.0.1", port: int = 0) -> MailboxServer:
    """Listen for mail; port 0 takes a free one.

    Raises:
        SettingsError: the host is not this machine's loopback, or the port is taken.
    """
    if not is_loopback(host):
        raise SettingsError(f"The built-in mailbox listens on loopback only, not on {host}.")
    loop = asyncio.get_running_loop()
    connections: WeakSet[_Protocol] = WeakSet()
    keeper = _Keeper(storage)

    def protocol() -> _Protocol:
        made = _Protocol(
            keeper, hostname="mailbox.localhost", enable_SMTPUTF8=True, data_size_limit=_SIZE_LIMIT, loop=loop
        )
        connections.add(made)
        return made

    try:
        server = await loop.create_server(protocol, host, port)
    except OSError as error:
        raise SettingsError(
            f"The built-in mailbox cannot listen on {host}:{port}: {error.strerror}."
        ) from error
    return MailboxServer(server, connections)
