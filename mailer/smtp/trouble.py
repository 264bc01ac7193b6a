"""Why a conversation with the relay stopped, and at which phase."""

from __future__ import annotations

import errno
import socket
import ssl

from aiosmtplib import (
    SMTPConnectTimeoutError,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from mailer.core.delivery import InDoubt, Outcome, Phase, Reply, TryLater
from mailer.smtp.relay import RelayConfig, Tls
from mailer.smtp.replies import clean, read, verdict, well_formed

#: What OpenSSL says of a greeting in plain text that it takes for a handshake.
_PLAIN = ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")


class Trouble(Exception):
    """The link cannot be used any further. It always becomes an outcome or a sentence."""

    def __init__(
        self, phase: Phase, reply: Reply | None = None, detail: str = "", *, lost: bool = False
    ) -> None:
        super().__init__(phase, reply, detail)
        self.phase = phase
        self.reply = reply
        self.detail = detail
        self.lost = lost  # the peer went away without a word

    def outcome(self) -> Outcome:
        """What it means for the message: in doubt once the dot may have left, else a no that may pass."""
        if self.reply is not None:
            return verdict(self.phase, self.reply)
        if self.phase is Phase.DOT:
            return InDoubt(self.detail)
        return TryLater(self.phase, detail=self.detail)

    def __str__(self) -> str:
        said = f"it answered {self.reply}" if self.reply is not None else ""
        return "; ".join(part for part in (self.detail, said) if part)


def trouble(phase: Phase, error: Exception, config: RelayConfig) -> Trouble:
    """The trouble behind what aiosmtplib, asyncio or ssl raised during `phase`."""
    if isinstance(error, SMTPResponseException):
        if well_formed(error.code):
            return Trouble(phase, read(error.code, error.message))
        return Trouble(phase, detail=f"the relay does not speak SMTP: {clean(error.message)}")
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    if isinstance(cause, ssl.SSLError) and phase is Phase.CONNECT:
        phase = Phase.TLS  # TLS from the first byte: the handshake is a part of connecting
    return Trouble(phase, detail=_sentence(error, cause, config), lost=_lost(error))


def _lost(error: Exception) -> bool:
    return isinstance(error, (SMTPServerDisconnected, ConnectionError)) and not isinstance(
        error, TimeoutError
    )


def _sentence(error: Exception, cause: Exception, config: RelayConfig) -> str:
    match cause:
        case ssl.SSLCertVerificationError():
            said = f"the certificate of {config.host} is not valid: {clean(cause.verify_message)}"
        case ssl.SSLError() if cause.reason in _PLAIN and config.tls is Tls.IMPLICIT:
            said = "TLS failed: the relay begins without it; set tls: starttls"
        case ssl.SSLError():
            said = f"TLS failed: {clean(cause.reason or str(cause))}"
        case socket.gaierror():
            said = f"the name {config.host} is not known (DNS: {clean(cause.strerror or '')})"
        case _ if isinstance(error, SMTPConnectTimeoutError):
            said = f"no greeting within {config.timeouts.connect:g} s"
            if config.tls is not Tls.IMPLICIT:
                said += "; where TLS comes first, as on port 465, set tls: implicit"
        case _ if isinstance(error, (SMTPTimeoutError, TimeoutError)):
            said = "the relay did not answer in time"
        # asyncio puts the refusals of a name's several addresses into the text of one error.
        case OSError() if f"[Errno {errno.ECONNREFUSED}]" in str(cause):
            said = "the connection was refused: nothing listens there"
        case _ if _lost(error):
            said = "the connection was lost"
        case _:
            said = clean(str(error))
    return said
