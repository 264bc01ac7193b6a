"""A customer: a person we may write to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Customer:
    """What the shop told us of one person. Instants are aware, in UTC."""

    id: str  # the shop's id
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    locale: str = ""  # BCP 47, as given; empty: the tenant's
    timezone: str = ""  # IANA; empty: from the country, else the tenant's
    country: str = ""  # ISO 3166-1 alpha-2
    postal_code: str = ""
    created_at: datetime | None = None  # when the shop says they joined
    services: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


#: Dates that systems write when they know none; a greeting on one of these days is a mistake.
PLACEHOLDERS = frozenset(
    {
        (1, 1, 1),
        (1753, 1, 1),
        (1899, 12, 30),
        (1899, 12, 31),
        (1900, 1, 1),
        (1901, 1, 1),
        (1904, 1, 1),
        (1969, 12, 31),
        (1970, 1, 1),
    }
)

_DATE = re.compile(r"(?:(\d{4})|-)-(\d{2})-(\d{2})")
_DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LEAP_MONTH, _LEAP_DAY = 2, 29


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A day of a calendar year, the year known or not (`1990-05-10`, `--05-10`)."""

    month: int
    day: int
    year: int | None = None

    @classmethod
    def parse(cls, text: str) -> PartialDate | None:
        """Read ISO 8601 `YYYY-MM-DD` or `--MM-DD`; None for anything else, such as 31 April."""
        found = _DATE.fullmatch(text)
        if found is None:
            return None
        year = int(found[1]) if found[1] else None
        month, day = int(found[2]), int(found[3])
        if not 1 <= month <= len(_DAYS_IN_MONTH) or not 1 <= day <= _DAYS_IN_MONTH[month - 1] or year == 0:
            return None
        leap = year is None or (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))
        if (month, day) == (_LEAP_MONTH, _LEAP_DAY) and not leap:
            return None
        return cls(month, day, year)

    @property
    def placeholder(self) -> bool:
        """Whether this is a date some system writes for "unknown"."""
        return self.year is not None and (self.year, self.month, self.day) in PLACEHOLDERS

    @property
    def celebrated(self) -> tuple[int, int] | None:
        """When it comes round, as (month, day); None: never."""
        return None if self.placeholder else (self.month, self.day)

    def __str__(self) -> str:
        year = f"{self.year:04d}" if self.year is not None else "-"
        return f"{year}-{self.month:02d}-{self.day:02d}"


def normalise_address(address: str) -> str:
    """The form under which an address is counted once and suppressed: trimmed, lower case.

    The local part is case-sensitive by RFC 5321 §2.4; no mailbox provider treats it so, and a person who
    unsubscribed as `Ayse@` must not hear from us as `ayse@`. Tags (`+offer`) are kept: they are theirs.
    """
    local, _, domain = address.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii") if not domain.isascii() else domain
    except UnicodeError:
        domain = domain.casefold()
    return f"{local.lower()}@{domain.lower()}"
