"""The relay we hand messages to, as the settings describe it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from mailer.errors import RelayError


class Tls(StrEnum):
    """How the link to the relay is encrypted. What is asked for is required: never less."""

    NONE = "none"
    STARTTLS = "starttls"  # RFC 3207
    IMPLICIT = "implicit"  # RFC 8314 §3.3


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds we wait for the relay (RFC 5321 §4.5.3.2)."""

    connect: float = 30.0  # the connection, its greeting, and a TLS handshake, each
    command: float = 300.0  # a reply to MAIL, RCPT, DATA and the rest
    block: float = 180.0  # until the relay takes a block of the body
    dot: float = 600.0  # the reply to the final dot: giving up early makes doubt
    farewell: float = 5.0  # RSET and QUIT, on which nothing depends


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """Where the relay is and how to speak to it. The password never shows in a repr."""

    host: str
    port: int = 25
    username: str = ""  # empty: no AUTH
    password: str = field(default="", repr=False)
    tls: Tls = Tls.STARTTLS
    local_hostname: str = ""  # said in EHLO; empty: this machine's name
    verify: bool = True
    ca_file: str | None = None  # PEM; none: the system's
    timeouts: Timeouts = Timeouts()
    messages_per_connection: int = 500  # then a new connection: relays dislike endless ones

    def __post_init__(self) -> None:
        # A mode given as its word must not compare unequal to all of ours and end in no TLS.
        object.__setattr__(self, "tls", Tls(self.tls))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@lru_cache(maxsize=4)  # reading the system's authorities takes longer than a connection
def tls_context(config: RelayConfig) -> ssl.SSLContext:
    """The client's TLS settings: TLS 1.2 or later, the certificate and its name checked unless told not to.

    Raises:
        RelayError: the CA file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except OSError as error:
        raise RelayError(f"relay.ca_file {config.ca_file} cannot be read: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
