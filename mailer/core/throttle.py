"""Pacing as the settings give it: limits by the recipient's domain, and the warm-up of a new address or domain."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Annotated, Any

import idna
from pydantic import BaseModel, ConfigDict, Field, field_validator

from mailer.core import pacing
from mailer.core.pacing import Limit

ANY = "*"
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


@lru_cache(10_000)
def ascii_domain(domain: str) -> str:
    """A domain in lower case and A-labels (RFC 5890), so that each has one spelling."""
    domain = domain.lower()
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        return domain


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DomainPace(_Part):
    """What one domain gets at most, over all senders; left empty: no limit."""

    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None  # mails a second
    connections: Annotated[int, Field(ge=1)] | None = None  # mails at the same time


class WarmUp(_Part):
    """Few commercial mails at first, and more each day."""

    start: date
    first_day: Annotated[int, Field(ge=1)]
    growth: Annotated[float, Field(ge=1, le=10)] = 1.5

    def allowance(self, day: date) -> int | None:
        """How many may leave on that day; None: all."""
        return pacing.allowance(self.start, self.first_day, self.growth, day)


class Pacing(_Part):
    """Off until set."""

    domains: dict[str, DomainPace] = {}
    warm_up: WarmUp | None = None

    @field_validator("domains", mode="before")
    @classmethod
    def _one_spelling(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        found: dict[str, Any] = {}
        for name, pace in given.items():
            domain = ascii_domain(str(name).strip())
            if domain != ANY and not _DOMAIN.fullmatch(domain):
                raise ValueError(f"{name!r} is no domain; write one such as gmail.com, or * for all others")
            if domain in found:
                raise ValueError(f"{domain} is there twice")
            found[domain] = {} if pace is None else pace
        return found

    def limit(self, email: str) -> tuple[str, Limit] | None:
        """The domain of an address and what it gets at most; None: no limit."""
        if not self.domains:
            return None
        domain = ascii_domain(email.rpartition("@")[2])
        pace = self.domains.get(domain, self.domains.get(ANY))
        if pace is None or (pace.rate is None and pace.connections is None):
            return None
        return domain, Limit(pace.rate, pace.connections)
