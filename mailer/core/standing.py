"""What one customer has been told of an incident, read from the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

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
_PARTED = (State.SENT, State.CANCELLED, *_UNSENT)
#: Failures after which an address gets no mail at all.
HOPELESS = (Failure.REFUSED, Failure.NOT_REPRESENTABLE, Failure.HEADER, Failure.BOUNCED)


class Told(NamedTuple):
    """One delivery of an incident to one customer, as the ledger has it."""

    delivery_id: int
    update: int
    kind: str
    state: str
    reason: str | None = None
    address: str = ""  # normalised, as it stood then
    message_id: str | None = None
    at: datetime | None = None  # when it left, or began to


class Standing(NamedTuple):
    """What one customer has been told, folded from the ledger in the order of the updates."""

    first: First = First.NONE
    newest: int = 0  # the newest update that left for them
    last_at: datetime | None = None  # when that was
    thread: str | None = None  # the Message-ID their thread began with
    unsent: tuple[int, ...] = ()  # deliveries of older updates that did not leave yet
    farewell: int | None = None  # a delivery that says "no longer affected" and did not leave yet
    written: bool = False  # the current update holds a notice for them
    skipped: str | None = (
        None  # why the current update left them out, or could not reach the address they had
    )
    known: bool = False  # the ledger names them at all
    parted: bool = (
        False  # all the current update told them is "no longer affected", and no relay has it this moment
    )


#: To somebody who was never told anything.
NEW = Standing()


def standing(rows: Sequence[Told], incident: Incident, address: str) -> Standing:
    """Fold what the ledger has of one customer, whose address is now `address`; rows in the order of updates.

    Rows before the incident's thread began only count as unsent: to a new thread everybody is new. An address
    that was refused counts no more once the customer has another.
    """
    if not rows:
        return NEW
    current, thread_start = incident.current.number, incident.thread_start
    fold = _Fold()
    for row in rows:
        if row.state in _UNSENT and row.kind == Kind.UNAFFECTED:
            fold.farewell = row.delivery_id
        elif row.state in _UNSENT and row.update < current:
            fold.unsent += (row.delivery_id,)
        if row.update >= thread_start:
            fold.take(row, address, current=row.update == current)
    return fold.standing()


def _elsewhere(row: Told, address: str) -> bool:
    """Whether a notice failed at an address that is not the customer's any more: they have another."""
    failed = row.state == State.FAILED and row.reason in HOPELESS
    return failed and bool(address) and row.address != address


@dataclass(slots=True)
class _Fold:
    """A standing in the making: there may be a hundred thousand of them to be made before a notice can leave."""

    first: First = First.NONE
    newest: int = 0
    last_at: datetime | None = None
    thread: str | None = None
    unsent: tuple[int, ...] = ()
    farewell: int | None = None
    written: bool = False
    skipped: str | None = None
    known: bool = False
    parted: bool = False

    def take(self, row: Told, address: str, *, current: bool) -> None:
        """What a delivery of the thread adds."""
        self.known = True
        if current and (row.state == State.SKIPPED or _elsewhere(row, address)):
            self.skipped = row.reason
            return
        self.written = self.written or current
        self.parted = current and row.kind == Kind.UNAFFECTED and row.state in _PARTED
        if row.state == State.SENT or row.state in _IN_FLIGHT:
            self.newest, self.last_at = row.update, row.at
        if row.kind == Kind.FIRST:
            self._first(row, address)
        elif row.kind == Kind.UNAFFECTED and row.state not in (*_UNSENT, State.CANCELLED):
            self.first = First.NONE

    def _first(self, row: Told, address: str) -> None:
        if row.state == State.SENT:
            self.first, self.thread = First.ACCEPTED, self.thread or row.message_id
        elif row.state in _IN_FLIGHT:
            self.first = First.IN_FLIGHT
        elif row.state == State.FAILED and row.reason in HOPELESS and row.address == address:
            self.first = First.REFUSED

    def standing(self) -> Standing:
        """The standing, made."""
        return Standing(
            self.first, self.newest, self.last_at, self.thread, self.unsent, self.farewell, self.written, self.skipped,
            self.known, self.parted,
        )  # fmt: skip
