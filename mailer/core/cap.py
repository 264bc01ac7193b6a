"""How many commercial mails one customer gets, and which yields to which. Pure.

One a customer-local day and three in seven such days, by default. A mail yields to every higher one that is due on
the same local day, whichever was planned or claimed first. A capped mail is skipped, never put off.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

WEEK = timedelta(days=6)  # seven days, today among them


@dataclass(frozen=True, slots=True)
class Cap:
    """The most commercial mails in a customer-local day, and in seven."""

    day: int = 1
    week: int = 3


@dataclass(frozen=True, slots=True)
class Claim:
    """A commercial mail that wants a place on a local day. Higher priority first, then due time, then name."""

    day: date
    priority: int
    due: datetime
    campaign: str

    def before(self, other: Claim) -> bool:
        """Whether this one is served before `other`."""
        return (-self.priority, self.due, self.campaign) < (-other.priority, other.due, other.campaign)


def is_capped(cap: Cap, mine: Claim, used: Iterable[date], others: Iterable[Claim]) -> bool:
    """Whether `mine` finds no place.

    `used` are the local days of mails that left, or may have; `others` the ones that still wait.
    """
    taken = list(used)
    higher = [other.day for other in others if other.before(mine)]
    today = sum(day == mine.day for day in (*taken, *higher))
    week = sum(mine.day - WEEK <= day <= mine.day for day in (*taken, *higher))
    return today >= cap.day or week >= cap.week
