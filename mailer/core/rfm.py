"""How each customer stands among all: recency, frequency and money, as scores from 1 to 5. Pure.

Whoever ordered within `WINDOW` is scored, compared with all others who did: a score is the fifth of them one stands
in, counted from below. Ties share a score, the lower one, so that where nearly everybody ordered once, one order
makes nobody a frequent buyer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from mailer.core.calendar import latest_at
from mailer.core.duration import Duration

#: How far back orders count.
WINDOW = Duration(days=365)

LOWEST, HIGHEST = 1, 5

#: The tenant's wall time at which all are scored anew.
NIGHTLY = time(3)

#: Scores from later than now are of no use, but clocks of machines differ a little.
CLOCKS_DIFFER = timedelta(hours=1)

#: Orders that came since, as a share of the customers scored, at which the night is not waited for.
OUTGROWN = 10

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Purchases:
    """What one customer ordered in the window; an order refunded in full is none."""

    last: datetime  # when the latest order was first placed
    count: int
    net_e4: int  # after refunds, in ten-thousandths of the tenant's currency; orders in others add nothing


@dataclass(frozen=True, slots=True)
class Scores:
    """Where a customer stands, 1 to 5: the more recent, the more often, the more money, the higher."""

    r: int
    f: int
    m: int


@dataclass(frozen=True, slots=True)
class Round:
    """One time that all were scored."""

    scored_at: datetime
    customers: int  # how many have scores
    orders_since: int  # orders and refunds stored after it; counting stops once it is outgrown


def score(customers: Mapping[Key, Purchases]) -> dict[Key, Scores]:
    """The scores of all these customers among one another."""
    r = _fifths(one.last for one in customers.values())
    f = _fifths(one.count for one in customers.values())
    m = _fifths(one.net_e4 for one in customers.values())
    return {key: Scores(r[one.last], f[one.count], m[one.net_e4]) for key, one in customers.items()}


def _fifths(values: Iterable[Any]) -> dict[Any, int]:
    """Each value's score: one more than the whole fifths of all values that lie below it."""
    ordered = sorted(values)
    return {value: LOWEST + HIGHEST * bisect_left(ordered, value) // len(ordered) for value in set(ordered)}


def is_stale(found: Round | None, now: datetime, zone: ZoneInfo) -> bool:
    """Whether all should be scored anew: not since the last 03:00 of the tenant, or much was ordered since."""
    if found is None or found.scored_at - now > CLOCKS_DIFFER:
        return True
    return found.scored_at < latest_at(NIGHTLY, zone, now) or is_outgrown(found)


def nights(start: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    """The instants in [start, end) at which all are scored anew."""
    found, moment = list[datetime](), latest_at(NIGHTLY, zone, end, strictly=True)
    while moment >= start:
        found.insert(0, moment)
        moment = latest_at(NIGHTLY, zone, moment, strictly=True)
    return found


def is_outgrown(found: Round) -> bool:
    """Whether orders came from so many that the scores tell little: after a large import, or on the first day."""
    return found.orders_since * OUTGROWN > found.customers
