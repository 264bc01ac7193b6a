"""An outage: its states, the area it touches, and its numbered updates. Each update is a whole picture."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from mailer.core.postal import read_pattern
from mailer.errors import UsageError


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

#: Reopened no later than this after its end, an incident goes on in the same mail thread.
SAME_THREAD = timedelta(hours=2)


def may_move(old: IncidentState, new: IncidentState) -> bool:
    """Whether an update may take an incident from one state to another."""
    return old == new or new in _MOVES[old]


@dataclass(frozen=True, slots=True)
class Area:
    """Who is affected: (services ∩ postal) ∪ lists − exclusions. Lists and exclusions are names of lists."""

    services: tuple[str, ...] = ()  # none: any service
    postal: tuple[str, ...] = ()  # patterns; none: anywhere the services are used
    lists: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        services: Iterable[str] = (),
        postal: Iterable[str] = (),
        lists: Iterable[str] = (),
        exclusions: Iterable[str] = (),
    ) -> Area:
        """An area from what people wrote: trimmed, each word once.

        Raises:
            UsageError: a postal pattern that cannot be read, or nothing that says who is affected.
        """
        area = cls(_words(services), patterns(postal), _words(lists), _words(exclusions))
        if not (area.services or area.postal or area.lists):
            raise UsageError("say who is affected: name a service, a postal pattern or a list")
        return area

    def checked(self) -> Area:
        """The same area as `of` makes it.

        Raises:
            UsageError: see `of`.
        """
        return self.of(self.services, self.postal, self.lists, self.exclusions)

    def as_json(self) -> dict[str, list[str]]:
        """Plain data for a column."""
        return {
            "services": list(self.services),
            "postal": list(self.postal),
            "lists": list(self.lists),
            "exclusions": list(self.exclusions),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Sequence[str]]) -> Area:
        """What `as_json` wrote."""
        return cls(*(tuple(data.get(key, ())) for key in ("services", "postal", "lists", "exclusions")))


def patterns(texts: Iterable[str]) -> tuple[str, ...]:
    """Postal patterns, trimmed, each once.

    Raises:
        UsageError: one that cannot be read.
    """
    try:
        return _words(read_pattern(text) for text in texts)
    except ValueError as fault:
        raise UsageError(str(fault)) from None


def _words(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.strip() for text in texts if text.strip()))


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

    @property
    def closes(self) -> bool:
        """Whether nothing is wrong any more."""
        return self.state in CLOSED

    def tells_more_than(self, older: Update) -> bool:
        """Whether somebody who read `older` learns anything here; where it applies is not news to them."""
        return self._told() != older._told()

    def _told(self) -> tuple[Any, ...]:
        return (
            self.state,
            self.title,
            self.message,
            self.eta,
            self.next_update,
            self.starts_at,
            self.ends_at,
        )


@dataclass(frozen=True, slots=True)
class Incident:
    """An outage or planned work, with all its updates, oldest first."""

    id: int
    planned: bool
    opened_at: datetime
    updates: tuple[Update, ...]
    published_at: datetime | None = None  # none: a draft, nobody has been told
    lead: str | None = None  # planned work: how long before its start it is announced, such as 48h

    @property
    def current(self) -> Update:
        """The newest update."""
        return self.updates[-1]

    @property
    def reference(self) -> str:
        """What a customer may quote."""
        return f"INC-{self.id}"

    @property
    def news(self) -> int:
        """The newest update that says more than the one before it did."""
        return max(
            (new.number for old, new in pairwise(self.updates) if new.tells_more_than(old)),
            default=self.updates[0].number,
        )

    @property
    def thread_start(self) -> int:
        """The update that began the mail thread: the first, or a reopening that came too late to go on."""
        late = (
            new.number
            for old, new in pairwise(self.updates)
            if old.closes and not new.closes and new.at - old.at > SAME_THREAD
        )
        return max(late, default=self.updates[0].number)

    def occurrence(self, update: Update) -> str:
        """The occurrence key of the run that publishes an update."""
        return f"{self.id}:{update.number}"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom an area covers today."""

    count: int  # customers
    samples: tuple[tuple[str, tuple[Mapping[str, Any], ...]], ...]  # the shop's id, the points affected
    unreachable: int  # of them: no address, or a dead one
    unmappable: int  # points of the services that have no postal code, so that nobody can say


def facts(incident: Incident, update: Update) -> dict[str, Any]:
    """What a template may say of an incident: plain data, instants as RFC 3339 text.

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


def message_id(incident: Incident, update: int, customer_key: int, campaign: str, domain: str) -> str:
    """The Message-ID of one customer's notice of one update: the same however often it is planned.

    The hash keeps apart two campaigns, and two databases that both began to count at 1.
    """
    seed = f"{campaign}|{incident.id}|{incident.opened_at.timestamp():.6f}|{update}|{customer_key}"
    digest = hashlib.sha256(seed.encode()).hexdigest()[:10]
    return f"<incident.{incident.id}.{update}.{customer_key}.{digest}@{domain}>"


def instant_text(instant: datetime) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
