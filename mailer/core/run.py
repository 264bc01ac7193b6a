"""One occurrence of a campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any


class RunState(StrEnum):
    """Where a run stands."""

    PLANNING = "planning"  # its audience is being written down; no sender sees it yet
    QUEUED = "queued"  # whole; waiting for a sender
    RUNNING = "running"  # a sender has begun
    PAUSED = "paused"  # by a person or a breaker
    FINISHED = "finished"  # every delivery is terminal and nobody else can fall due
    SKIPPED_EMPTY = "skipped_empty"  # an issue without anything new
    MISSED = "missed"  # found later than catch_up allows
    CANCELLED = "cancelled"  # by a person


#: States in which deliveries may be claimed.
SENDABLE = (RunState.QUEUED, RunState.RUNNING)

#: States nothing leaves.
ENDED = (RunState.FINISHED, RunState.SKIPPED_EMPTY, RunState.MISSED, RunState.CANCELLED)


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run about to be written down. (campaign, occurrence) decides whether it is new."""

    campaign: str
    occurrence: str
    version_id: int | None
    purpose: str
    priority: int
    due_at: datetime  # the first instant any member is due
    closes_at: datetime  # the last
    state: RunState = RunState.PLANNING
    reason: str | None = None
    content: Mapping[str, Any] | None = None
    incident_id: int | None = None
    incident_update: int | None = None
    topic: str | None = None
    by_hand: bool = False  # a person started it: nothing but the run itself says that it was due


@dataclass(frozen=True, slots=True)
class HalfPlanned:
    """A run by hand whose planning was cut short."""

    id: int
    campaign: str
    occurrence: str
    due_at: datetime
    written: int  # deliveries it has


@dataclass(frozen=True, slots=True)
class Reserve:
    """A coupon to be written with its delivery, in the same transaction."""

    kind: str  # generated, static, pool, reminder
    code: str | None = None  # a static code; generated ones are made when written, pool ones taken
    prefix: str = ""
    pool: str | None = None
    percent: int | None = None
    amount_e4: int | None = None  # ten-thousandths of the currency's unit
    currency: str | None = None
    valid_until: date | None = None  # the last local day
    budget: int | None = None  # so many codes of the campaign may be with customers, or on their way
    of: str | None = None  # reminders: the campaign whose coupon is shown
    day: date | None = None  # reminders: the local day of hand-off, on which it must still be good


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery about to be written down, queued or already skipped."""

    customer_key: int  # customer.id
    once_key: str | None  # none: nothing but its run keeps the customer from getting it twice
    email: str
    email_key: str
    due_at: datetime
    not_before: datetime
    state: str = "queued"
    reason: str | None = None
    expires_at: datetime | None = None
    kind: str = ""
    context: Mapping[str, Any] | None = None
    message_id: str | None = None
    coupon: Reserve | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Deliveries that differ in nothing but their customer."""

    like: NewDelivery  # without customer, once-key and address, which each has of its own
    around: tuple[str, str] | None  # core.once.once_around; none: they have no once-key
    customers: Sequence[int]
