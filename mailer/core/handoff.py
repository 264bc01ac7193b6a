"""The moment of hand-off: what a sender needs to make a message, and the last look before it may leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from mailer.core.coupon import CouponState
from mailer.core.customer import Customer
from mailer.core.delivery import Outcome, Skip, State, Withdrawn


@dataclass(frozen=True, slots=True)
class CouponView:
    """A coupon as a template sees it."""

    code: str
    percent: int | None = None
    amount_e4: int | None = None  # ten-thousandths of the currency's unit
    currency: str | None = None
    valid_until: date | None = None


@dataclass(slots=True)  # not frozen: one for every mail, see core.message.Letter
class SendJob:
    """One claimed delivery with all a render needs, so that a sender asks the database once a chunk."""

    delivery_id: int
    run_id: int
    version_id: int
    campaign: str
    purpose: str
    occurrence: str
    kind: str  # incidents: first, update, closure, unaffected; else empty
    email: str
    due_at: datetime
    attempts: int
    message_id: str | None  # set from the first attempt on
    customer: Customer
    customer_key: int  # our own number of the customer, for tokens
    planned_at: datetime  # retries end so long after this
    expires_at: datetime | None = None
    zone: str | None = None  # IANA; none: the tenant's
    priority: int = 0
    context: Mapping[str, Any] = field(default_factory=dict)  # of the delivery
    content: Mapping[str, Any] = field(default_factory=dict)  # of the run
    coupon: CouponView | None = None
    printable: bool = False  # whether every letter of all this is known to be one that can be printed
    uncounted: bool = False  # the address is one whose owner refused to have clicks and openings counted
    unfit: Skip | None = None  # why its customer is to be left out, as far as was seen when it was taken up


@dataclass(frozen=True, slots=True)
class Waiting:
    """A commercial delivery of a customer that has not left."""

    customer_key: int
    priority: int
    due_at: datetime
    campaign: str
    not_before: datetime
    delivery_id: int = 0


@dataclass(frozen=True, slots=True)
class Reminded:
    """The coupon a reminder shows, as it stands."""

    state: str  # core.coupon.CouponState
    valid_until: date | None = None  # the last local day it is good for

    def good(self, today: date) -> bool:
        """Whether its customer can still use it."""
        return self.state == CouponState.ISSUED and (self.valid_until is None or today <= self.valid_until)


@dataclass(slots=True)  # not frozen: one for every mail, see core.message.Letter
class HandoffFacts:
    """What the database says of a delivery in the very transaction that would mark it `sending`.

    Nothing that tells it from others of which the same is true: those are judged once.
    """

    purpose: str
    campaign: str
    zone: str | None  # IANA; none: the tenant's
    consent: str  # yes, no, unknown
    suppressed: frozenset[str]  # scopes: all, commercial
    suppression_reason: str | None
    run_state: str
    campaign_paused: bool
    halted: bool
    expires_at: datetime | None
    own_action_at: datetime | None = None  # when the customer did what set this off
    priority: int = 0
    due_at: datetime | None = None
    used: tuple[date, ...] = ()  # commercial: the local days on which mails left, or may have
    waiting: tuple[Waiting, ...] = ()  # commercial: the customer's other mails that have not left
    reminds: Reminded | None = None  # the coupon it shows, where it was given by an earlier mail
    off_topic: bool = False  # the owner of the address wants no mail of its topic
    not_before: datetime | None = None  # when its turn came
    affected_since: datetime | None = (
        None  # commercial: when the first incident that affects them now was published
    )


@dataclass(frozen=True, slots=True)
class Go:
    """It may leave now; a commercial one on this local day of its customer."""

    day: date | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """It must not leave; the delivery ends as `state` for `reason`."""

    state: State
    reason: str | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: back to the queue, not before `until` (none: as soon as its run moves again)."""

    until: datetime | None
    reason: str | None = None  # core.delivery.Hold


Verdict = Go | Drop | Wait


@dataclass(slots=True)  # not frozen: one for every mail, see core.message.Letter
class Start:
    """A rendered delivery about to be handed to the relay."""

    delivery_id: int
    message_id: str
    unfit: Skip | None = None  # why its customer is left out, unless there is a weightier reason


@dataclass(slots=True)  # not frozen: one for every mail, see core.message.Letter
class Finish:
    """What became of a delivery this sender holds.

    `outcome` when the relay was asked, or was not asked after all; otherwise `failure` when no message could be
    made. `next_attempt` is set for an outcome that may pass, as long as there is time to try again.
    """

    delivery_id: int
    at: datetime
    outcome: Outcome | Withdrawn | None = None
    failure: str | None = None  # core.delivery.Failure
    detail: str = ""
    next_attempt: datetime | None = None
