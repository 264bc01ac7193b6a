"""Who may ask by machine: tokens, what each may do, and how often. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from mailer.errors import UsageError

MOST_NAME = 60  # characters of a token's name
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
#: `mailer_`, twelve hexadecimal digits that name the token, and 256 random bits in base64url.
_TOKEN = re.compile(r"mailer_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class Api(BaseModel):
    """What programs of the shop may ask for, as the settings say it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: Annotated[float, Field(gt=0, le=100_000)] = 50.0  # requests a second, each token, each process


class Scope(StrEnum):
    """What a token may do; one that may write may not therefore read."""

    CUSTOMERS_READ = "customers:read"
    CUSTOMERS_WRITE = "customers:write"
    CUSTOMERS_ERASE = "customers:erase"
    EVENTS_WRITE = "events:write"
    COUPONS_READ = "coupons:read"
    COUPONS_WRITE = "coupons:write"
    CONSENT_READ = "consent:read"
    CONSENT_WRITE = "consent:write"
    SUPPRESSIONS_READ = "suppressions:read"
    SUPPRESSIONS_WRITE = "suppressions:write"
    INCIDENTS_READ = "incidents:read"
    INCIDENTS_WRITE = "incidents:write"
    INCIDENTS_APPROVE = "incidents:approve"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept: its secret cannot be had from it."""

    ident: str  # the part of it that is no secret
    name: str
    digest: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    revoked_at: datetime | None = None


def written(ident: str, secret: str) -> str:
    """A token as its owner keeps it."""
    return f"mailer_{ident}_{secret}"


def taken_apart(text: str) -> tuple[str, str] | None:
    """The name and the secret in a token's text; None: it is none of ours."""
    found = _TOKEN.fullmatch(text)
    return (found[1], found[2]) if found else None


def digest(secret: str) -> str:
    """What is kept of a secret. It is random and of 256 bits, so a hash that takes long would add nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def opens(token: Token | None, secret: str) -> bool:
    """Whether the secret is the token's, in a time that does not depend on where they differ."""
    same = hmac.compare_digest(token.digest if token else digest(""), digest(secret))
    return same and token is not None and token.revoked_at is None


def token_name(text: str) -> str:
    """A name a token may have.

    Raises:
        UsageError: it may not.
    """
    if len(text) > MOST_NAME or not _NAME.fullmatch(text):
        raise UsageError(
            f"A token cannot be called {text!r:.80}; take up to {MOST_NAME} of A–Z, a–z, 0–9, '.', '_' and '-'."
        )
    return text


def scopes_of(texts: Iterable[str]) -> tuple[Scope, ...]:
    """The scopes that are named, each once.

    Raises:
        UsageError: one is unknown, or there is none.
    """
    found: list[Scope] = []
    for text in texts:
        if text not in set(Scope):
            raise UsageError(f"There is no scope {text!r:.80}; a token may have {', '.join(Scope)}.")
        found.append(Scope(text))
    if not found:
        raise UsageError(f"Say with --scope what the token may do: {', '.join(Scope)}.")
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much of its rate a token has left. It fills at `rate` a second, and holds two seconds' worth."""

    left: float
    at: float  # seconds, on any clock that does not go back

    @classmethod
    def full(cls, rate: float, now: float) -> Allowance:
        """As it is at first."""
        return cls(max(1.0, 2 * rate), now)

    def take(self, rate: float, now: float) -> tuple[Allowance, float]:
        """What is left after one more request, and the seconds it has to wait; 0: it may pass."""
        most = max(1.0, 2 * rate)
        left = min(most, self.left + max(0.0, now - self.at) * rate)
        if left >= 1:
            return Allowance(left - 1, now), 0.0
        return Allowance(left, now), (1 - left) / rate
