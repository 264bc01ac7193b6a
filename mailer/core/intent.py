"""What is known of a delivery whose sender died, and what follows from it. Pure.

A sender keeps a journal beside the database's `sending` mark: the mark is made for a wave of deliveries at once
and survives the machine; the journal tells, of one process that died, which of them had really begun.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailer.core.delivery import Accepted, Failure, InDoubt, Outcome, Refused, TryLater, Withdrawn
from mailer.core.handoff import Finish
from mailer.core.retry import next_attempt

#: A delivery at whose rendering so many senders were killed is at fault itself.
MOST_RENDER_KILLS = 2


@dataclass(frozen=True, slots=True)
class Making:
    """Its message was being made."""


@dataclass(frozen=True, slots=True)
class Dotted:
    """Its final dot was about to be written, and no reply was read."""


@dataclass(frozen=True, slots=True)
class Told:
    """How it went is known."""

    outcome: Outcome


Trace = Making | Dotted | Told


@dataclass(frozen=True, slots=True)
class Orphan:
    """A delivery in `sending` whose sender died."""

    delivery_id: int
    attempts: int  # this one counted
    render_kills: int
    planned_at: datetime
    expires_at: datetime | None


def bury(orphan: Orphan, trace: Trace | None, now: datetime, jitter: float, *, known: bool) -> Finish:
    """What became of an orphan.

    `trace` is the journal's last word about it, none if it has none; `known` says that there is a journal to go
    by: without one (the machine restarted, or it was another machine) whatever was marked may have left.
    """
    if not known:
        return _doubt(orphan, now, "its sender died, and its journal is not at hand", now)
    match trace:
        case Told(outcome=Accepted() | Refused() as outcome):
            return Finish(orphan.delivery_id, now, outcome)
        case Told(outcome=TryLater(detail=detail) as outcome):
            again = _again(orphan, now, jitter)
            return Finish(orphan.delivery_id, now, outcome, detail=detail, next_attempt=again)
        case Told(outcome=InDoubt(detail=detail)):
            return _doubt(orphan, now, detail, _again(orphan, now, jitter))
        case Dotted():
            return _doubt(orphan, now, "its sender died before the relay's answer was read", now)
        case Making() if orphan.render_kills + 1 >= MOST_RENDER_KILLS:
            detail = f"{MOST_RENDER_KILLS} senders were killed while they rendered it"
            return Finish(orphan.delivery_id, now, failure=Failure.RENDER, detail=detail)
        case _:
            return Finish(orphan.delivery_id, now, Withdrawn(tried=orphan.attempts > 1))


def _doubt(orphan: Orphan, now: datetime, detail: str, again: datetime | None) -> Finish:
    return Finish(orphan.delivery_id, now, InDoubt(detail), detail=detail, next_attempt=again)


def _again(orphan: Orphan, now: datetime, jitter: float) -> datetime | None:
    return next_attempt(now, orphan.attempts, jitter, since=orphan.planned_at, expires_at=orphan.expires_at)
