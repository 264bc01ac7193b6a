"""How a connection to the relay is opened: aiosmtplib connects, greets, encrypts and logs in."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import cast

from aiosmtplib import SMTP, SMTPException, SMTPHeloError

from mailer.core.delivery import Phase
from mailer.smtp.link import Link
from mailer.smtp.login import log_in
from mailer.smtp.relay import RelayConfig, Tls, tls_context
from mailer.smtp.trouble import Trouble, trouble

_HOSTNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_FOR_GOOD = 5


async def opened(config: RelayConfig) -> Link:
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
    try:
        with _during(Phase.CONNECT, config):
            await client.connect()
        client.timeout = config.timeouts.command
        await _greet(client, config)
        if config.tls is Tls.STARTTLS:
            await _encrypt(client, config)
            await _greet(client, config)
        if config.username:
            with _during(Phase.AUTH, config):
                await log_in(client, config)
        _heard()
        return _taken_over(client, config)
    except BaseException:
        if client.transport is not None:
            cast("asyncio.Transport", client.transport).abort()
        client.close()
        raise


def _heard() -> None:
    """End here if we were cancelled on the way.

    aiosmtplib waits by asyncio.wait_for, and that of Python 3.11 loses a cancellation which comes in the same moment as
    what it waits for: a sender that wakes from a long sleep finds both before it.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _taken_over(client: SMTP, config: RelayConfig) -> Link:
    """The connection as ours, once aiosmtplib has done its part."""
    transport, protocol = client.transport, client.protocol
    if transport is None or protocol is None:
        raise Trouble(Phase.HELLO, detail="the connection was lost", lost=True)
    # A reply nobody asked for would be taken for the next command's, and every verdict after it be wrong.
    if protocol._buffer:  # noqa: SLF001 -- aiosmtplib keeps what is left unread here
        raise Trouble(Phase.HELLO, detail="the relay spoke out of turn")
    # A stream's transport has both halves, though another event loop's may not be of asyncio's class.
    return Link(config, cast("asyncio.Transport", transport), dict(client.esmtp_extensions))


async def _greet(client: SMTP, config: RelayConfig) -> None:
    with _during(Phase.HELLO, config):
        try:
            await client.ehlo()
        except SMTPHeloError as error:
            if not (client.is_connected and error.code // 100 == _FOR_GOOD):  # an old relay
                raise
            await client.helo()


async def _encrypt(client: SMTP, config: RelayConfig) -> None:
    if "starttls" not in client.esmtp_extensions:
        raise Trouble(Phase.TLS, detail="the relay does not offer STARTTLS, which relay.tls asks for")
    with _during(Phase.TLS, config):
        await client.starttls(timeout=config.timeouts.connect)


@contextmanager
def _during(phase: Phase, config: RelayConfig) -> Iterator[None]:
    """Turn whatever aiosmtplib, asyncio and ssl raise into the one `Trouble` that knows the phase."""
    try:
        yield
    except (SMTPException, OSError, ValueError) as error:
        raise trouble(phase, error, config) from error


@lru_cache(maxsize=1)
def _own_name() -> str:
    """This machine's name, or an address literal if it has none fit for EHLO (RFC 5321 §4.1.4)."""
    name = socket.getfqdn()
    return name if _HOSTNAME.fullmatch(name) else "[127.0.0.1]"
