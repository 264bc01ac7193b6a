"""When a delivery is tried again: the wait doubles, with chance in it, until it is too late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_MIDDLE = 0.5


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait and for how long to go on (RFC 5321 §4.5.4.1 leaves both to the sender)."""

    first: timedelta = timedelta(minutes=1)  # the wait after the first attempt
    longest: timedelta = timedelta(hours=1)
    spread: float = 0.2  # the share by which chance lengthens or shortens a wait
    horizon: timedelta = timedelta(hours=48)


STANDARD = RetryPolicy()


def next_attempt(
    now: datetime,
    attempts: int,
    jitter: float,
    *,
    since: datetime,
    expires_at: datetime | None = None,
    policy: RetryPolicy = STANDARD,
) -> datetime | None:
    """When to try again after the `attempts`-th try failed at `now`; None: its time is over.

    Args:
        now: when the try failed.
        attempts: how many were made, from 1.
        jitter: a random number in [0, 1), from the caller.
        since: when it could first go, the later of due and planned. Never due alone: a birthday mail that is
            sent belatedly after three days would get no second try.
        expires_at: after this it must not go.
        policy: waits and horizon.
    """
    doublings = min(
        max(attempts, 1) - 1, 30
    )  # beyond any `longest`; a larger power would not fit a timedelta
    wait = min(policy.first * 2**doublings, policy.longest)
    again = now + wait * (1 + policy.spread * (jitter - _MIDDLE) / _MIDDLE)
    end = since + policy.horizon
    if expires_at is not None:
        end = min(end, expires_at)
    return again if again < end else None
