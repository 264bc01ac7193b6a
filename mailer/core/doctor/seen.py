"""What was seen of the things that are not in the DNS: relays, the public address, this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RelaySeen:
    """A try to use a relay, without sending anything."""

    name: str  # host:port
    host: str
    tls: str  # as set: none, starttls, implicit
    verify: bool = True
    username: bool = False
    trouble: str = ""  # why it could not be used; empty: greeted, encrypted and logged in as set
    phase: str = ""  # in which it stopped: connect, hello, tls, auth
    version: str | None = None  # of TLS
    offers_tls: bool = False
    ends: datetime | None = None  # of the certificate


@dataclass(frozen=True, slots=True)
class WebSeen:
    """An answer of the public address; `status` 0 where there was none."""

    status: int = 0
    body: str = ""
    trouble: str = ""
    ahead: float | None = None  # seconds our clock is before the server's


@dataclass(frozen=True, slots=True)
class FileSeen:
    """A file with a secret in it."""

    name: str
    what: str
    mode: int | None  # None: it cannot be looked at


@dataclass(frozen=True, slots=True)
class MachineSeen:
    """What the program stands on."""

    state_dir: str
    state_trouble: str = ""  # why nothing can be written there
    free: int | None = None  # bytes
    database: str = ""
    database_trouble: str = ""
    schema: str | None = None
    known_schema: str = ""
    secrets: Sequence[FileSeen] = ()
    secret_key: str | None = (
        None  # how many characters, and whether it is a word everybody knows: see `weakness`
    )
    zones: int = 0
    zone_data: str = ""
    places: Sequence[str] = ()  # where passwords stand in the settings file
