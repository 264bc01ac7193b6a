"""What one customer has been told of an incident, read from the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from mailer.core.delivery import Failure, State
from mailer.core.incident import Incident


class Kind(StrEnum):
    """What a notice is to the one who reads it."""

    FIRST = "first"
    UPDATE = "update"
    CLOSURE = "closure"
    UNAFFECTED = "unaffected"


class First(StrEnum):
    """What became of a customer's first notice."""

    NONE = "none"
    IN_FLIGHT = "in_flight"  # with the relay this moment, or nobody knows
    ACCEPTED = "accepted"
    REFUSED = "refused"  # the relay will not take mail for them


_IN_FLIGHT = (State.SENDING, State.IN_DOUBT)
_UNSENT = (State.QUEUED, State.DEFERRED)
_HOPELESS = (Failure.REFUSED, Failure.NOT_REPRESENTABLE, Failure.HEADER, Failure.BOUNCED)


@dataclass(frozen=True, slots=True)
class Told:
    """One delivery of an incident to one customer, as the ledger has it."""

    delivery_id: int
    update: int
    kind: str
    state: str
    reason: str | None = None
    address: str = ""  # normalised, as it stood then
    message_id: str | None = None
    at: datetime | None = None  # when it left, or began to


@dataclass(frozen=True, slots=True)
class Standing:
    """What one customer has been told, folded from the ledger in the order of the updates."""

    first: First = First.NONE
    newest: int = 0  # the newest update that left for them
    last_at: datetime | None = None  # when that was
    thread: str | None = None  # the Message-ID their thread began with
    unsent: tuple[int, ...] = ()  # deliveries of older updates that did not leave yet
    farewell: int | None = None  # a delivery that says "no longer affected" and did not leave yet
    written: bool = False  # the current update holds a notice for them
    skipped: str | None = None  # why the current update left them out
    known: bool = False  # the ledger names them at all


def standing(rows: Iterable[Told], incident: Incident, address: str) -> Standing:
    """Fold what the ledger has of one customer, whose address is now `address`; rows in the order of updates.

    Rows before the incident's thread began only count as unsent: to a new thread everybody is new. An address
    that was refused counts no more once the customer has another.
    """
    now = Standing()
    for row in rows:
        unsent = row.state in _UNSENT and row.update < incident.current.number
        if unsent and row.kind == Kind.UNAFFECTED:
            now = replace(now, farewell=row.delivery_id)
        elif unsent:
            now = replace(now, unsent=(*now.unsent, row.delivery_id))
        if row.update >= incident.thread_start:
            now = _after(now, row, address, current=row.update == incident.current.number)
    return now


def _after(now: Standing, row: Told, address: str, *, current: bool) -> Standing:
    now = replace(now, known=True)
    if current and row.state == State.SKIPPED:
        return replace(now, skipped=row.reason)
    if current:
        now = replace(now, written=True)
    if row.state == State.SENT or row.state in _IN_FLIGHT:
        now = replace(now, newest=row.update, last_at=row.at)
    if row.kind == Kind.FIRST:
        return _after_first(now, row, address)
    gone = row.kind == Kind.UNAFFECTED and row.state not in (*_UNSENT, State.CANCELLED)
    return replace(now, first=First.NONE) if gone else now


def _after_first(now: Standing, row: Told, address: str) -> Standing:
    if row.state == State.SENT:
        return replace(now, first=First.ACCEPTED, thread=now.thread or row.message_id)
    if row.state in _IN_FLIGHT:
        return replace(now, first=First.IN_FLIGHT)
    if row.state == State.FAILED and row.reason in _HOPELESS and row.address == address:
        return replace(now, first=First.REFUSED)
    return now
