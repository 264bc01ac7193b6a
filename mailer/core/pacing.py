"""How fast mails may leave: tokens by the second, a limit that gives way when it is told to, and a new address's days.

A bucket is one instant: when it was empty, or will be. Tokens come one by one from there on, and each may be given out
a moment before its time, to be used at its time. Times are seconds of one clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from mailer.core.delivery import Outcome, Phase, TryLater

#: Seconds' worth of tokens a bucket keeps that nobody asked for, and for which a sender may keep one it got.
SLACK = 0.25

#: So many seconds before its time a token is given out.
AHEAD = 0.5

#: What is left of a limit that gave way again and again.
FLOOR = 1 / 64

#: A limit gives way once in so many seconds: what was under way when it did says the same again.
HOLD = 10.0

#: The part of the whole a limit gets back each second: a half in five minutes.
RECOVERY = 0.5 / 300

#: A day's allowance from which on nothing is held back.
WARM = 10_000_000

CLOSING = 421


@dataclass(frozen=True, slots=True)
class Limit:
    """What a recipient's domain, or a relay, is to get at most, over all senders."""

    rate: float | None = None  # mails a second
    connections: int | None = None  # mails at the same time


@dataclass(frozen=True, slots=True)
class Want:
    """What a sender asks for one limit: tokens, and mails at the same time."""

    key: str
    limit: Limit
    tokens: int = 0
    under_way: int = 0
    slots: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """What it gets: tokens, good so many seconds from now on, and how many mails may be under way."""

    tokens: Sequence[float] = ()
    rate: float | None = None  # what holds now
    slots: int = 0


@dataclass(frozen=True, slots=True)
class Bucket:
    """The state of one limit."""

    empty_at: float
    share: float = 1.0  # of the limit, when it last gave way
    slowed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Tokens:
    """Some tokens: the first is good from `first` on, the others follow."""

    first: float
    spacing: float
    count: int

    @property
    def times(self) -> list[float]:
        """When each is good."""
        return [self.first + number * self.spacing for number in range(self.count)]


def kept_for(rate: float) -> float:
    """Seconds for which a token that is not used stays good: at a low rate, until the next one comes."""
    return max(SLACK, 1 / rate)


def fresh(rate: float, now: float) -> Bucket:
    """A bucket nobody has taken from: one token is in it."""
    return Bucket(now - 1 / rate)


def take(bucket: Bucket, rate: float, now: float, wanted: int) -> tuple[Bucket, Tokens]:
    """Up to `wanted` tokens that are good now or within a moment. `rate` is what holds now, see `slowed`.

    Of all that is ever given out no more than rate x t + 1 is good in any t seconds, less what it gave way.
    """
    # None is ever given out further ahead than that: the clock was set back since, and what it was then says nothing.
    empty_at = bucket.empty_at if bucket.empty_at <= now + 2 * AHEAD else now
    start = max(empty_at, now - kept_for(rate))
    count = max(0, min(wanted, math.floor((now + AHEAD - start) * rate + 1e-9)))
    tokens = Tokens(start + 1 / rate, 1 / rate, count)
    return (replace(bucket, empty_at=start + count / rate) if count else bucket), tokens


def share(bucket: Bucket, now: float) -> float:
    """The part of the limit that holds now; after it gave way it comes back by and by."""
    return min(1.0, bucket.share + max(0.0, now - bucket.slowed_at) * RECOVERY)


def slow_down(bucket: Bucket, now: float) -> Bucket:
    """The limit gives way by half, unless it just did."""
    if bucket.slowed_at and abs(now - bucket.slowed_at) < HOLD:
        return bucket
    return replace(bucket, share=max(FLOOR, share(bucket, now) / 2), slowed_at=now)


def slots(limit: int, others: Mapping[int, int], mine: int, needed: int, wanted: int, now: float) -> int:
    """How many of `limit` mails at a time sender `mine` may have now.

    `others` are senders that want some too, and what they have: what they have is theirs until they ask again. `needed`
    are under way and cannot be taken back. Each gets the same; who gets one more, or any at all, changes with time.
    """
    everybody = sorted([*others, mine])
    turn = int(now // HOLD)
    place = (everybody.index(mine) + turn) % len(everybody)
    fair = limit // len(everybody) + (place < limit % len(everybody))
    free = max(0, limit - sum(others.values()))
    return max(needed, min(wanted, fair, free))


def throttles(outcome: Outcome | object) -> bool:
    """Whether a reply means that the recipient's domain gets too much: 421, or 4.7.x (RFC 3463 §3.8)."""
    if not isinstance(outcome, TryLater) or outcome.reply is None:
        return False
    about_it = outcome.phase in (Phase.RCPT, Phase.DATA, Phase.BODY, Phase.DOT)
    return about_it and (outcome.reply.code == CLOSING or outcome.reply.enhanced.startswith("4.7."))


def allowance(start: date, first_day: int, growth: float, day: date) -> int | None:
    """How many mails may leave on a day of the warm-up; None: as many as there are.

    Before the start it is as on the first day.
    """
    days = max(0, (day - start).days)
    if growth > 1 and days * math.log(growth) + math.log(first_day) >= math.log(WARM):
        return None
    return int(first_day * growth**days)
