"""Which mail won the place that another was refused, as far as the ledger tells. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from mailer.core.calendar import local_date
from mailer.core.cap import WEEK, Cap, Claim
from mailer.core.story_words import Voice


@dataclass(frozen=True, slots=True)
class Mail:
    """A commercial delivery of one customer."""

    id: int
    campaign: str
    occurrence: str
    priority: int
    due_at: datetime
    not_before: datetime
    updated_at: datetime
    place: date | None = None  # the local day it left on, or may have
    zone: str | None = None  # the customer's; none: the tenant's


def winners(mine: Mail, others: Iterable[Mail], cap: Cap, zone: ZoneInfo) -> tuple[Mail, ...]:
    """The mails that left `mine` no place that day, or else that week; empty: they are not known any more.

    A higher one that was foreseen and came to nothing leaves no trace.
    """
    day = local_date(max(mine.not_before, mine.updated_at), zone)
    wanted = Claim(day, mine.priority, mine.due_at, mine.campaign)
    taken: list[tuple[date, Mail]] = []
    for other in others:
        theirs = other.place or local_date(max(other.not_before, mine.updated_at), zone)
        higher = Claim(theirs, other.priority, other.due_at, other.campaign).before(wanted)
        there = other.place is not None and other.updated_at <= mine.updated_at
        if other.id != mine.id and (higher or there):
            taken.append((theirs, other))
    today = tuple(other for when, other in taken if when == day)
    if len(today) >= cap.day:
        return today
    week = tuple(other for when, other in taken if day - WEEK <= when <= day)
    return week if len(week) >= cap.week else ()


def said(won: Sequence[Mail], language: str = "en") -> str | None:
    """The reason in words, where the winners are known: in place of "another mail had priority that day or week"."""
    if not won:
        return None
    say = Voice(language)
    named = [
        say(
            "winner",
            name=say("name", campaign=each.campaign, occurrence=each.occurrence, kind=""),
            number=each.id,
        )
        for each in won
    ]
    return say("won" if len(won) == 1 else "won_all", names=", ".join(named))
