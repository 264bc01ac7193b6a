"""Why something of a run has not left yet, in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailer.core.breaker import MARK
from mailer.core.delivery import Tally
from mailer.core.run import ENDED, RunState

_STOPPED = re.compile(
    re.escape(MARK)
    + r" (?P<count>\d+) of (?P<of>\d+) (?P<what>attempts were refused|mails could not be made|"
    r"mails came back as unwanted)"
)
_KINDS = {
    "attempts were refused": "refused",
    "mails could not be made": "unmade",
    "mails came back as unwanted": "unwanted",
}


class Standstill(StrEnum):
    """What a run waits for, or why it stands still. The list is closed."""

    PLANNING = "planning"  # its audience is being written down
    HALTED = "halted"  # everything is
    CAMPAIGN_PAUSED = "campaign_paused"
    PAUSED = "paused"  # by a person
    STOPPED = "stopped"  # by a breaker
    NOT_DUE = "not_due"  # the first of its customers is not due
    LATER = "later"  # who is left is due later, or tried again later
    NO_SENDER = "no_sender"  # no process of ours that sends is there
    AT_WORK = "at_work"  # a sender takes it up, or has
    DOUBT = "doubt"  # only answers that were lost are left
    AFFECTED = "affected"  # of those who wait, some until an incident that affects them is over
    OTHERS_LATER = "others_later"  # others may still fall due, by their own clock


@dataclass(frozen=True, slots=True)
class Scene:
    """A run, and what is around it."""

    state: str
    reason: str | None
    due_at: datetime
    closes_at: datetime
    counts: Tally
    halted_at: datetime | None
    campaign_paused: bool
    senders: int  # processes that send, now
    affected: int  # deliveries that wait until an incident is over
    next_at: datetime | None  # when the first of those who wait may leave; None: nobody waits


@dataclass(frozen=True, slots=True)
class Held:
    """One thing that holds a run."""

    hold: Standstill
    at: datetime | None = None  # since when it is so, or until when
    kind: str = ""  # of a breaker: refused, unmade, unwanted
    count: int = 0
    of: int = 0


def holds(scene: Scene, now: datetime) -> list[Held]:
    """What holds a run, the gravest first; nothing holds one that has ended."""
    if scene.state in ENDED:
        return []
    return list(_holds(scene, now))


def _holds(scene: Scene, now: datetime) -> Iterator[Held]:
    if scene.halted_at is not None:
        yield Held(Standstill.HALTED, scene.halted_at)
    if scene.campaign_paused:
        yield Held(Standstill.CAMPAIGN_PAUSED)
    if scene.state == RunState.PAUSED:
        yield _paused(scene.reason or "")
    elif scene.state == RunState.PLANNING:
        yield Held(Standstill.PLANNING)
    else:
        yield _waits(scene, now)
        if scene.affected:
            yield Held(Standstill.AFFECTED, count=scene.affected)


def _paused(reason: str) -> Held:
    found = _STOPPED.match(reason)
    if found is not None:
        kind = _KINDS[found["what"]]
        return Held(Standstill.STOPPED, kind=kind, count=int(found["count"]), of=int(found["of"]))
    return Held(Standstill.STOPPED if reason.startswith(MARK) else Standstill.PAUSED)


def _waits(scene: Scene, now: datetime) -> Held:
    counts = scene.counts
    if scene.next_at is not None and scene.next_at > now and not counts.sending:
        return Held(Standstill.NOT_DUE if scene.due_at > now else Standstill.LATER, scene.next_at)
    if counts.queued or counts.deferred or counts.sending:
        return Held(Standstill.AT_WORK if scene.senders else Standstill.NO_SENDER)
    if scene.closes_at > now:
        return Held(Standstill.OTHERS_LATER, scene.closes_at)
    return Held(Standstill.DOUBT if counts.in_doubt else Standstill.AT_WORK)
