"""From what a person asks for to the next update of an incident."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mailer.core.area import Area, patterns
from mailer.core.duration import Duration
from mailer.core.geo import Polygon
from mailer.core.incident import CLOCK, CLOSED, Incident, IncidentState, Update, may_move
from mailer.core.incident_texts import Texts, merged
from mailer.core.plain import instant_text
from mailer.errors import Conflict, UsageError

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
    polygons: tuple[Polygon, ...] | None = None  # in place of those that stand
    starts_at: datetime | None = None  # planned work: another time
    ends_at: datetime | None = None  # without it work that moves takes as long as before
    lead: str | None = None
    urgent: bool = False  # it concerns people's safety: it waits for nothing
    titles: Texts = ()  # in other languages; an empty one is taken away, a new `title` takes all of them away
    messages: Texts = ()  # the same


def next_update(incident: Incident, change: Change, at: datetime, by: str) -> Update:
    """The update that `change` makes of an incident.

    What is not mentioned stands; but an end or a reopening starts with a clean sheet, because yesterday's
    message and estimate are wrong in it. Planned work that the clock took to its end may still be going on.

    Raises:
        UsageError: the state cannot be reached, the area would lose its bounds, or nothing changes.
    """
    old = incident.current
    standing = IncidentState.IN_PROGRESS if old.silent else old.state
    state = change.state or _moved_to(incident, change) or standing
    if standing in CLOSED and (state == standing or not may_move(standing, state)):
        how = "reopen it first" if standing is IncidentState.RESOLVED else "open a new one"
        raise Conflict(f"Incident {incident.id} is {standing}; {how}")
    if not may_move(standing, state):
        raise Conflict(f"Incident {incident.id} is {standing} and cannot become {state}")
    new = replace(
        old,
        number=old.number + 1,
        state=state,
        area=_moved(incident.id, old.area, change),
        at=at,
        by=by,
        urgent=change.urgent,
        lead=change.lead or old.lead,
    )
    new = _timed(incident, new, change)
    if new.closes != old.closes or "message" in change.clear:
        new = replace(new, message="", messages=())
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
    new = replace(
        new,
        titles=merged(new.titles, change.title, change.titles),
        messages=merged(new.messages, change.message, change.messages),
    )
    check(new, change.eta, change.next_update)
    confirmed = old.silent and new.closes and by != CLOCK
    if new.area == old.area and not new.tells_more_than(old) and not confirmed:
        raise Conflict(f"Incident {incident.id} stands so already; say what is new")
    return new


def _moved_to(incident: Incident, change: Change) -> IncidentState | None:
    """Published work that gets another start is rescheduled, whether or not somebody says so."""
    moves = change.starts_at not in (None, incident.current.starts_at)
    return IncidentState.RESCHEDULED if moves and incident.planned and incident.published_at else None


def _timed(incident: Incident, new: Update, change: Change) -> Update:
    """The update with the schedule of planned work; it lasts as long as before when nobody says how long."""
    old = incident.current
    if not incident.planned:
        if change.starts_at or change.ends_at or change.lead:
            raise UsageError(f"Incident {incident.id} is no planned work; only planned work has a schedule")
        return new
    starts_at, ends_at = change.starts_at or old.starts_at, change.ends_at or old.ends_at
    if change.starts_at and not change.ends_at and old.starts_at and old.ends_at:
        ends_at = change.starts_at + (old.ends_at - old.starts_at)
    if change.state is IncidentState.RESCHEDULED and (starts_at, ends_at) == (old.starts_at, old.ends_at):
        raise UsageError("Say to when the work moves: give --starts, and --ends where it takes another time")
    new = replace(new, starts_at=starts_at, ends_at=ends_at)
    check_schedule(new, change.starts_at, change.ends_at)
    return new


def check_schedule(update: Update, starts_at: datetime | None, ends_at: datetime | None) -> None:
    """Refuse a schedule that cannot be kept; `starts_at` and `ends_at` are those just given.

    Raises:
        UsageError: a time that is over, an end before the start, or a lead that is no duration.
    """
    for name, instant in (("start", starts_at), ("end", ends_at)):
        if instant is not None and instant <= update.at:
            raise UsageError(f"The {name} of the work, {instant_text(instant)}, is already over")
    if update.starts_at and update.ends_at and update.ends_at <= update.starts_at:
        raise UsageError(
            f"The work would end at {instant_text(update.ends_at)}, before its start at "
            f"{instant_text(update.starts_at)}"
        )
    if update.lead is not None:
        try:
            Duration.parse(update.lead)
        except ValueError as fault:
            raise UsageError(f"--lead: {fault}") from None


def check(update: Update, eta: datetime | None, promised: datetime | None) -> None:
    """Refuse what cannot be published; `eta` and `promised` are those just given.

    Raises:
        UsageError: no title, one that cannot be a subject, a message for one language alone, or an estimate or
            promise that is already over.
    """
    if not update.title.strip():
        more = " and no language" if update.titles else ""
        raise UsageError(f"An incident needs a title; give one with --title{more}")
    if update.messages and not update.message.strip():  # or `ETA=18:00` would be for whoever reads "eta"
        tongues = ", ".join(dict(update.messages))
        raise UsageError(
            f"There is a message for those who read {tongues!r}, and none for everybody else; "
            "give one without a language, too"
        )
    for title in (update.title, *dict(update.titles).values()):
        if len(title) > LONGEST_TITLE or not title.isprintable() or "=?" in title:
            raise UsageError(
                f"The title becomes a subject: one line of at most {LONGEST_TITLE} letters, without =?"
            )
    if any(len(text) > LONGEST_MESSAGE for text in (update.message, *dict(update.messages).values())):
        raise UsageError(f"The message is longer than {LONGEST_MESSAGE} letters; a notice is read in a hurry")
    for name, instant in (("eta", eta), ("next update", promised)):
        if instant is not None and instant <= update.at:
            raise UsageError(
                f"The {name} {instant_text(instant)} is already over; give a later one or leave it out"
            )


def _moved(incident_id: int, area: Area, change: Change) -> Area:
    """The area after a change; what bounded it may not vanish, for then it would cover everybody."""
    standing = area.postal if change.postal is None else change.postal
    wanted = patterns((*standing, *change.add_postal))
    gone = {pattern.strip() for pattern in change.remove_postal}
    unknown = gone.difference(wanted)
    if unknown:
        raise UsageError(
            f"Incident {incident_id} has no postal pattern {', '.join(sorted(unknown))}; "
            f"it has {', '.join(area.postal) or 'none'}"
        )
    new = Area.of(
        area.services if change.services is None else change.services,
        (pattern for pattern in wanted if pattern not in gone),
        (*area.lists, *change.add_lists),
        (*area.exclusions, *change.add_exclusions),
        area.polygons if change.polygons is None else change.polygons,
    )
    if area.bounded and not new.bounded and new.services:
        raise UsageError(
            f"Without its last postal pattern incident {incident_id} would cover everyone with "
            f"{', '.join(new.services)}; resolve it, or give the area it has now"
        )
    return new
