"""A try to use a relay: greeted, encrypted and logged in as a sender would be, and then nothing is sent."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from datetime import UTC, datetime

from mailer.core.delivery import Phase
from mailer.core.doctor.seen import RelaySeen
from mailer.errors import RelayError
from mailer.smtp.link import Link
from mailer.smtp.opening import opened
from mailer.smtp.relay import RelayConfig, Timeouts, Tls, tls_context
from mailer.smtp.trouble import Trouble

_WAIT = Timeouts(connect=3.0, command=3.0, farewell=1.0)


async def look(config: RelayConfig) -> RelaySeen:
    """How the relay is just now. Trouble is a fact, too."""
    config = replace(config, timeouts=_WAIT)
    seen = RelaySeen(
        str(config), config.host, config.tls.value, config.verify, username=bool(config.username)
    )
    try:
        if config.tls is not Tls.NONE:
            await asyncio.to_thread(tls_context, config)
    except RelayError as error:
        return replace(seen, trouble=str(error), phase=Phase.TLS.value)
    try:
        link = await opened(config)
    except RelayError:
        return replace(seen, trouble="it refused the user name or password", phase=Phase.AUTH.value)
    except Trouble as trouble:
        return replace(seen, trouble=str(trouble).rstrip("."), phase=trouble.phase.value)
    try:
        version, ends = _encryption(link)
        return replace(seen, offers_tls="starttls" in link.extensions, version=version, ends=ends)
    finally:
        await link.quit()


def _encryption(link: Link) -> tuple[str | None, datetime | None]:
    channel = link._transport.get_extra_info("ssl_object")  # noqa: SLF001 -- nobody else asks for it
    if not isinstance(channel, ssl.SSLObject):
        return None, None
    until = (channel.getpeercert() or {}).get("notAfter")  # what was not looked at is not told
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC) if isinstance(until, str) else None
    return channel.version(), ends
