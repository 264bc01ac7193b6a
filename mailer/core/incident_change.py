"""From what a person asks for to the next update of an incident."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mailer.core.incident import Area, Incident, IncidentState, Update, instant_text, may_move, patterns
from mailer.errors import UsageError

LONGEST_TITLE = 200
LONGEST_MESSAGE = 5_000


@dataclass(frozen=True, slots=True)
class Change:
    """What a person asks for in an update. None keeps what stands; `clear` names fields to empty."""

    state: IncidentState | None = None
    title: str | None = None
    message: str | None = None
    eta: datetime | None = None
    next_update: datetime | None = None
    clear: Collection[str] = ()  # of message, eta, next_update
    services: tuple[str, ...] | None = None  # in place of those that stand
    postal: tuple[str, ...] | None = None  # in place of those that stand
    add_postal: tuple[str, ...] = ()
    remove_postal: tuple[str, ...] = ()
    add_lists: tuple[str, ...] = ()
    add_exclusions: tuple[str, ...] = ()


def next_update(incident: Incident, change: Change, at: datetime, by: str) -> Update:
    """The update that `change` makes of an incident.

    What is not mentioned stands; but an end or a reopening starts with a clean sheet, because yesterday's
    message and estimate are wrong in it.

    Raises:
        UsageError: the state cannot be reached, the area would lose its bounds, or nothing changes.
    """
    old = incident.current
    state = change.state or old.state
    if old.closes and (state == old.state or not may_move(old.state, state)):
        how = "reopen it first" if old.state is IncidentState.RESOLVED else "open a new one"
        raise UsageError(f"incident {incident.id} is {old.state}; {how}")
    if not may_move(old.state, state):
        raise UsageError(f"incident {incident.id} is {old.state} and cannot become {state}")
    new = replace(
        old, number=old.number + 1, state=state, area=_moved(incident.id, old.area, change), at=at, by=by
    )
    if new.closes != old.closes or "message" in change.clear:
        new = replace(new, message="")
    if new.closes != old.closes or "eta" in change.clear:
        new = replace(new, eta=None)
    if new.closes != old.closes or "next_update" in change.clear:
        new = replace(new, next_update=None)
    given: dict[str, Any] = {
        "title": change.title,
        "message": change.message,
        "eta": change.eta,
        "next_update": change.next_update,
    }
    new = replace(new, **{key: value for key, value in given.items() if value is not None})
    check(new, change.eta, change.next_update)
    if new.area == old.area and not new.tells_more_than(old):
        raise UsageError(f"incident {incident.id} stands so already; say what is new")
    return new


def check(update: Update, eta: datetime | None, promised: datetime | None) -> None:
    """Refuse what cannot be published; `eta` and `promised` are those just given.

    Raises:
        UsageError: no title, one that cannot be a subject, or an estimate or promise that is already over.
    """
    if not update.title.strip():
        raise UsageError("an incident needs a title; give one with --title")
    if len(update.title) > LONGEST_TITLE or not update.title.isprintable() or "=?" in update.title:
        raise UsageError(
            f"the title becomes a subject: one line of at most {LONGEST_TITLE} letters, without =?"
        )
    if len(update.message) > LONGEST_MESSAGE:
        raise UsageError(f"the message is longer than {LONGEST_MESSAGE} letters; a notice is read in a hurry")
    for name, instant in (("eta", eta), ("next update", promised)):
        if instant is not None and instant <= update.at:
            raise UsageError(
                f"the {name} {instant_text(instant)} is already over; give a later one or leave it out"
            )


def _moved(incident_id: int, area: Area, change: Change) -> Area:
    """The area after a change; what bounded it may not vanish, for then it would cover everybody."""
    standing = area.postal if change.postal is None else change.postal
    wanted = patterns((*standing, *change.add_postal))
    gone = {pattern.strip() for pattern in change.remove_postal}
    unknown = gone.difference(wanted)
    if unknown:
        raise UsageError(
            f"incident {incident_id} has no postal pattern {', '.join(sorted(unknown))}; "
            f"it has {', '.join(area.postal) or 'none'}"
        )
    new = Area.of(
        area.services if change.services is None else change.services,
        (pattern for pattern in wanted if pattern not in gone),
        (*area.lists, *change.add_lists),
        (*area.exclusions, *change.add_exclusions),
    )
    if area.postal and not new.postal and new.services:
        raise UsageError(
            f"without its last postal pattern incident {incident_id} would cover everyone with "
            f"{', '.join(new.services)}; resolve it, or give the area it has now"
        )
    return new
