"""What a report that came back makes of its delivery, of its address and of its run. Pure.

A report is believed as far as it can be checked: it names an attempt by a signed token, or the mail by its Message-ID.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailer.core.bounce import Kind
from mailer.core.coupon import CouponState
from mailer.core.delivery import CLAIMABLE, State

#: Share of what left from which a run is paused when it comes back as unwanted; of few mails one is enough.
POLICY_SHARE = 0.05

#: A campaign whose run is over is paused from so many on, in a day.
CAMPAIGN_LEAST = 5


@dataclass(frozen=True, slots=True)
class SoftRule:
    """An address that failed so many times in so many days is given up."""

    count: int = 5
    days: int = 14


@dataclass(frozen=True, slots=True)
class Step:
    """What a report makes of a delivery. None: it stays as it is."""

    state: State | None = None
    coupon: CouponState | None = None
    evident: bool = False  # nobody knew whether it had left: it had


class Later(Exception):
    """The outcome of this attempt is not written down yet: come again."""


class NeverLeft(Exception):
    """There was no such attempt."""


def step(kind: Kind, state: State, attempts: int, number: int) -> Step:
    """What a report about attempt `number` makes of a delivery that was tried `attempts` times.

    A bounce is the end of the attempt it is about, and of no later one. Any report at all shows that the relay has a
    mail whose outcome was lost. A code that came back is not given to anybody else, since mail that was forwarded
    comes back although its reader has it.

    Raises:
        Later: the attempt is under way.
        NeverLeft: it was not made.
    """
    if not 0 < number <= attempts:
        raise NeverLeft
    if number < attempts:
        return Step()
    bounced = kind is Kind.BOUNCE
    if state is State.SENDING:
        raise Later
    if state is State.IN_DOUBT or state in CLAIMABLE:
        if bounced:
            return Step(State.FAILED, CouponState.QUARANTINED, evident=True)
        return Step(State.SENT, CouponState.ISSUED, evident=True)
    if state is State.SENT and bounced:
        return Step(State.FAILED, CouponState.QUARANTINED)
    return Step()


def pauses_run(purpose: str, policy: int, left: int) -> bool:
    """Whether a run stops when `policy` of the mails that `left` came back as unwanted; service mail never does."""
    return purpose != "service" and policy > 0 and policy >= POLICY_SHARE * left


def pauses_campaign(purpose: str, policy: int, left: int) -> bool:
    """Whether a campaign does, for its runs of the last day that are over: a welcome has a run for each."""
    return policy >= CAMPAIGN_LEAST and pauses_run(purpose, policy, left)
