"""An outage or planned work: its states and its numbered updates. Each update is a whole picture."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

from mailer.core.area import Area
from mailer.core.incident_texts import Texts
from mailer.core.plain import instant_text


class IncidentState(StrEnum):
    """What the affected are told of the state of things."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    SCHEDULED = "scheduled"  # from here on: planned work
    REMINDED = "reminded"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    RESCHEDULED = "rescheduled"
    CANCELLED = "cancelled"  # either kind: it was a false alarm, or the work is not done


_S = IncidentState

#: Nothing is wrong any more.
CLOSED = frozenset({_S.RESOLVED, _S.COMPLETED, _S.CANCELLED})

_UNDER_WAY = frozenset({_S.INVESTIGATING, _S.IDENTIFIED, _S.MONITORING})
_AHEAD = frozenset({_S.REMINDED, _S.IN_PROGRESS, _S.RESCHEDULED, _S.CANCELLED})

#: What the affected notice this moment, so that no marketing goes to them. Work that is only announced is none of it.
HOLDS_MARKETING = _UNDER_WAY | {_S.REOPENED, _S.IN_PROGRESS}

#: Where a state may go. Staying is always allowed; people may also find that the cause was another one.
_MOVES: Mapping[IncidentState, frozenset[IncidentState]] = {
    **{state: _UNDER_WAY | {_S.RESOLVED, _S.CANCELLED} for state in (*_UNDER_WAY, _S.REOPENED)},
    _S.RESOLVED: frozenset({_S.REOPENED}),
    _S.SCHEDULED: _AHEAD,
    _S.REMINDED: _AHEAD,
    _S.RESCHEDULED: _AHEAD,
    _S.IN_PROGRESS: frozenset({_S.COMPLETED, _S.RESCHEDULED, _S.CANCELLED}),
    _S.COMPLETED: frozenset(),
    _S.CANCELLED: frozenset(),
}

#: The states an incident may be opened in.
OPENING = frozenset({*_UNDER_WAY, _S.SCHEDULED})

#: Who publishes what follows from the calendar alone.
CLOCK = "the clock"

#: What the clock publishes of these states is news to nobody: it cannot know how the work goes.
_SILENT = frozenset({_S.IN_PROGRESS, _S.COMPLETED})

#: Reopened no later than this after its end, an incident goes on in the same mail thread.
SAME_THREAD = timedelta(hours=2)


def may_move(old: IncidentState, new: IncidentState) -> bool:
    """Whether an update may take an incident from one state to another."""
    return old == new or new in _MOVES[old]


@dataclass(frozen=True, slots=True)
class Update:
    """One publication, immutable. Instants are aware, in UTC."""

    number: int  # from 1
    state: IncidentState
    title: str
    area: Area
    at: datetime
    by: str  # who published it
    message: str = ""
    eta: datetime | None = None  # when it should work again
    next_update: datetime | None = None  # when the affected will hear from us at the latest
    starts_at: datetime | None = None  # planned work
    ends_at: datetime | None = None
    lead: str | None = None  # planned work: how long before its start it is announced, such as 48h
    urgent: bool = False  # it concerns people's safety: it waits for nothing
    titles: Texts = ()  # in other languages than the plain one
    messages: Texts = ()

    @property
    def closes(self) -> bool:
        """Whether nothing is wrong any more."""
        return self.state in CLOSED

    @property
    def silent(self) -> bool:
        """Whether nobody is told: planned work began, or its time is over, as far as the calendar says."""
        return self.by == CLOCK and self.state in _SILENT

    @property
    def reminds(self) -> bool:
        """Whether it is the clock's reminder of planned work."""
        return self.by == CLOCK and self.state is IncidentState.REMINDED

    def tells_more_than(self, older: Update) -> bool:
        """Whether somebody who read `older` learns anything here; where it applies is not news to them."""
        return self._told() != older._told()

    def _told(self) -> tuple[Any, ...]:
        return (
            self.state,
            self.title,
            self.message,
            self.titles,
            self.messages,
            self.eta,
            self.next_update,
            self.starts_at,
            self.ends_at,
        )


class Once(NamedTuple):
    """What keeps a program that asks twice from doing a thing twice."""

    key: str  # the Idempotency-Key, with the token's name before it
    said: str  # a digest of what it asked


@dataclass(frozen=True)  # without slots: what is the same for everyone is looked up once
class Incident:
    """An outage or planned work, with all its updates, oldest first."""

    id: int
    planned: bool
    opened_at: datetime
    updates: tuple[Update, ...]
    published_at: datetime | None = None  # none: a draft, nobody has been told
    published_by: str | None = None  # who said that it may go out

    @property
    def current(self) -> Update:
        """The newest update."""
        return self.updates[-1]

    @property
    def holds_marketing(self) -> bool:
        """Whether commercial mail to whoever it affects waits."""
        return self.published_at is not None and self.current.state in HOLDS_MARKETING

    @property
    def good_end(self) -> IncidentState:
        """The state in which it works again, or the work is done."""
        return IncidentState.COMPLETED if self.planned else IncidentState.RESOLVED

    @property
    def reference(self) -> str:
        """What a customer may quote."""
        return f"INC-{self.id}"

    def overdue(self, now: datetime) -> bool:
        """Whether the affected were promised news by an instant that is over, and have had none."""
        if self.published_at is None or self.current.closes:
            return False
        return is_broken(self.current.next_update, self.current.at, now)

    @property
    def news(self) -> int:
        """The newest update that is news."""
        return self._news[-1].number if self._news else self.updates[0].number

    def news_since(self, number: int) -> tuple[Update, ...]:
        """The updates after that one, but the first, which say more than the one before did."""
        news = self._news
        return (
            news if not news or news[0].number > number else tuple(new for new in news if new.number > number)
        )

    @cached_property
    def _news(self) -> tuple[Update, ...]:
        return tuple(new for old, new in pairwise(self.updates) if self._is_news(old, new))

    def _is_news(self, old: Update, new: Update) -> bool:
        if new.silent:
            return False
        if new.reminds:  # a reminder of what has begun, or moved, reminds nobody
            return self.current.state is IncidentState.REMINDED
        return new.tells_more_than(old) or (old.silent and new.closes)

    @cached_property
    def thread_start(self) -> int:
        """The update that began the mail thread: the first, or a reopening that came too late to go on."""
        late = (
            new.number
            for old, new in pairwise(self.updates)
            if old.closes and not new.closes and new.at - old.at > SAME_THREAD
        )
        return max(late, default=self.updates[0].number)

    def occurrence(self, update: Update, *, back: bool = False) -> str:
        """The occurrence key of the run that publishes an update; or tells it those who are affected again (`back`)."""
        return f"{self.id}:{update.number}{':back' if back else ''}"


def is_broken(promised: datetime | None, since: datetime, now: datetime) -> bool:
    """Whether news promised by the newest update, of `since`, ought to have come."""
    return promised is not None and since < promised <= now


def facts(incident: Incident, update: Update) -> dict[str, Any]:
    """What a template may say of an incident: plain data, instants as RFC 3339 text; the words in every language.

    An estimate or a promise that was over when the update was published is left out: to somebody who
    joins now it would be a broken one.
    """
    return {
        "id": incident.id,
        "reference": incident.reference,
        "title": update.title,
        "state": update.state.value,
        "update": update.number,
        "message": update.message,
        "titles": dict(update.titles),
        "messages": dict(update.messages),
        "started_at": instant_text(update.starts_at or incident.opened_at),
        "eta": instant_text(update.eta) if update.eta and update.eta > update.at else None,
        "next_update": instant_text(update.next_update)
        if update.next_update and update.next_update > update.at
        else None,
        "planned": incident.planned,
        "starts_at": instant_text(update.starts_at) if update.starts_at else None,
        "ends_at": instant_text(update.ends_at) if update.ends_at else None,
        "services": list(update.area.services),
        "resolved_at": instant_text(update.at) if update.closes else None,
    }


def message_id(
    incident: Incident, update: int, customer_key: int, campaign: str, domain: str, *, back: bool = False
) -> str:
    """The Message-ID of one customer's notice of one update: the same however often it is planned.

    Of two notices of one update, the second (`back`) has its own.

    The hash keeps apart two campaigns, and two databases that both began to count at 1.
    """
    seed = f"{campaign}|{incident.id}|{incident.opened_at.timestamp():.6f}|{update}|{customer_key}"
    seed += "|back" if back else ""
    digest = hashlib.sha256(seed.encode()).hexdigest()[:10]
    return f"<incident.{incident.id}.{update}.{customer_key}.{digest}@{domain}>"
