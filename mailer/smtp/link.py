"""One open connection to the relay: aiosmtplib opens it and logs in; a transaction is plain commands.

aiosmtplib raises one and the same error before 354, in the body and after the final dot, so the phase a
fault happened in is kept here.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import Any, Self

from aiosmtplib import SMTP, SMTPException, SMTPHeloError, SMTPResponse
from aiosmtplib.protocol import SMTPProtocol

from mailer.core.delivery import Phase, Reply
from mailer.smtp.login import log_in
from mailer.smtp.relay import RelayConfig, Tls, tls_context
from mailer.smtp.replies import clean, read, well_formed
from mailer.smtp.trouble import Trouble, trouble

_BLOCK = 65_536
_HOSTNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")


class Link:
    """A connection that is past EHLO, TLS and AUTH. One transaction at a time; after a `Trouble`, drop it."""

    def __init__(self, config: RelayConfig, client: SMTP) -> None:
        self._config = config
        self._client = client
        self.messages = 0  # transactions begun on it

    @classmethod
    async def open(cls, config: RelayConfig) -> Self:
        """Connect, greet, encrypt and log in as the settings say.

        Raises:
            Trouble: it did not work now; its phase is CONNECT, HELLO, TLS or AUTH.
            RelayError: the relay refused the user name or password, or the CA file cannot be read.
        """
        context = None if config.tls is Tls.NONE else await asyncio.to_thread(tls_context, config)
        client = SMTP(
            hostname=config.host,
            port=config.port,
            local_hostname=config.local_hostname or await asyncio.to_thread(_own_name),
            timeout=config.timeouts.connect,
            use_tls=config.tls is Tls.IMPLICIT,
            start_tls=False,  # ours to do, so that its faults are told apart
            tls_context=context,
        )
        link = cls(config, client)
        try:
            async with link._during(Phase.CONNECT):
                await client.connect()
            client.timeout = config.timeouts.command
            await link._greet()
            if config.tls is Tls.STARTTLS:
                await link._encrypt()
                await link._greet()
            if config.username:
                async with link._during(Phase.AUTH):
                    await log_in(client, config)
        except BaseException:
            link.drop()
            raise
        return link

    @property
    def extensions(self) -> Mapping[str, str]:
        """What the relay offers: keyword in lower case → parameters (RFC 5321 §4.1.1.1)."""
        return self._client.esmtp_extensions

    @property
    def usable(self) -> bool:
        """Whether another transaction may begin on it."""
        return self._client.is_connected and self.messages < self._config.messages_per_connection

    async def command(self, phase: Phase, line: bytes, timeout: float | None = None) -> Reply:  # noqa: ASYNC109 -- the reply's own limit; aiosmtplib applies it
        """Send one command and read its reply. A 421 closes the connection (RFC 5321 §3.8).

        Raises:
            Trouble: no reply, or nothing that is one.
        """
        async with self._during(phase):
            self._stay_in_step(phase)
            response = await self._client.execute_command(
                line, timeout=timeout or self._config.timeouts.command
            )
        return _reply(phase, response)

    async def body(self, payload: bytes, before_dot: Callable[[], None] | None = None) -> tuple[Phase, Reply]:
        """Send the stuffed data after a 354; the reply, with DOT, or with BODY if it came before the dot.

        Raises:
            Trouble: with phase BODY the final dot was never written; with phase DOT it may have arrived.
        """
        protocol, transport = self._client.protocol, self._client.transport
        if protocol is None or not isinstance(transport, asyncio.WriteTransport):
            raise Trouble(Phase.BODY, detail="the connection was lost")
        self._stay_in_step(Phase.BODY)
        # It listens before the first byte leaves: a relay may say 5yz in the middle of the body.
        answer = asyncio.ensure_future(protocol.read_response())
        answer.add_done_callback(_seen)
        # A block waits until the last one is the kernel's. Not 0: then asyncio's TLS pauses on an empty one.
        transport.set_write_buffer_limits(high=1, low=0)
        phase = Phase.BODY
        last = (len(payload) - 1) // _BLOCK * _BLOCK
        try:
            await asyncio.sleep(0)
            for start in range(0, last, _BLOCK):
                async with self._during(phase):
                    await self._block(protocol, transport, payload[start : start + _BLOCK], answer)
                if answer.done():
                    break
            if not answer.done() and not transport.is_closing():
                if before_dot is not None:
                    async with self._during(phase):
                        before_dot()  # what cannot be noted must not happen
                phase = Phase.DOT  # from here on nobody can know what arrived
                transport.write(payload[last:])
            async with self._during(phase), asyncio.timeout(self._config.timeouts.dot):
                response = await answer
        finally:
            answer.cancel()
        return phase, _reply(phase, response)

    async def reset(self) -> bool:
        """RSET, so that the next transaction starts clean; whether the relay agreed."""
        with suppress(Trouble):
            reply = await self.command(Phase.MAIL, b"RSET", self._config.timeouts.farewell)
            return reply.code == 250  # noqa: PLR2004 -- the only good answer (RFC 5321 §4.1.1.5)
        return False

    async def quit(self) -> None:
        """QUIT and close, whatever the relay answers."""
        with suppress(Trouble):
            await self.command(Phase.MAIL, b"QUIT", self._config.timeouts.farewell)
        self.drop()

    def drop(self) -> None:
        """Close at once; bytes still waiting to leave are thrown away."""
        transport = self._client.transport
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()
        self._client.close()

    async def _greet(self) -> None:
        async with self._during(Phase.HELLO):
            try:
                await self._client.ehlo()
            except SMTPHeloError as error:
                if not (self._client.is_connected and error.code // 100 == 5):  # noqa: PLR2004 -- 5yz: an old relay
                    raise
                await self._client.helo()

    async def _encrypt(self) -> None:
        if "starttls" not in self.extensions:
            raise Trouble(Phase.TLS, detail="the relay does not offer STARTTLS, which relay.tls asks for")
        async with self._during(Phase.TLS):
            await self._client.starttls(timeout=self._config.timeouts.connect)

    async def _block(
        self,
        protocol: SMTPProtocol,
        transport: asyncio.WriteTransport,
        block: bytes,
        answer: asyncio.Future[SMTPResponse],
    ) -> None:
        transport.write(block)
        # The name asyncio's own StreamWriter relies on; aiosmtplib offers no other way to wait for the peer.
        drained = asyncio.ensure_future(protocol._drain_helper())  # noqa: SLF001
        drained.add_done_callback(_seen)
        either: set[asyncio.Future[Any]] = {drained, answer}
        try:
            await asyncio.wait(
                either, timeout=self._config.timeouts.block, return_when=asyncio.FIRST_COMPLETED
            )
            if not answer.done():
                if not drained.done():
                    raise TimeoutError
                drained.result()
        finally:
            drained.cancel()

    def _stay_in_step(self, phase: Phase) -> None:
        # A reply nobody asked for would be taken for the next command's, and every verdict after it be wrong.
        protocol = self._client.protocol
        if protocol is not None and protocol._buffer:  # noqa: SLF001 -- aiosmtplib keeps what is left unread here
            raise Trouble(phase, detail="the relay spoke out of turn")

    @asynccontextmanager
    async def _during(self, phase: Phase) -> AsyncIterator[None]:
        """Turn whatever aiosmtplib, asyncio and ssl raise into the one `Trouble` that knows the phase."""
        try:
            yield
        except (SMTPException, OSError, ValueError) as error:
            raise trouble(phase, error, self._config) from error


def _reply(phase: Phase, response: SMTPResponse) -> Reply:
    if not well_formed(response.code):
        raise Trouble(phase, detail=f"the relay does not speak SMTP: {clean(str(response))}")
    return read(response.code, response.message)


def _seen(future: asyncio.Future[Any]) -> None:
    """Take note of a failure that another way of leaving has already told."""
    if not future.cancelled():
        future.exception()


@lru_cache(maxsize=1)
def _own_name() -> str:
    """This machine's name, or an address literal if it has none fit for EHLO (RFC 5321 §4.1.4)."""
    name = socket.getfqdn()
    return name if _HOSTNAME.fullmatch(name) else "[127.0.0.1]"
