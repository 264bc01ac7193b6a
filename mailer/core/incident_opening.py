"""From what a person says of a new incident to its first update. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from mailer.core.area import Area
from mailer.core.incident import OPENING, IncidentState, Update
from mailer.core.incident_change import check, check_schedule
from mailer.core.incident_texts import Texts, merged
from mailer.errors import UsageError


@dataclass(frozen=True, slots=True)
class NewIncident:
    """What a person says of a new incident. Instants are aware."""

    title: str | None  # none: nobody said yet
    area: Area
    state: IncidentState | None = None  # default investigating; planned work: scheduled
    message: str = ""
    eta: datetime | None = None
    next_update: datetime | None = None
    starts_at: datetime | None = None  # planned work
    ends_at: datetime | None = None
    lead: str | None = None  # so long before its start it is announced; default 48h
    urgent: bool = False  # it concerns people's safety: it does not wait for the day
    titles: Texts = ()  # in other languages
    messages: Texts = ()

    @property
    def planned(self) -> bool:
        """Whether it is planned work: that has a beginning, an outage has none."""
        return self.starts_at is not None


def foreseen(new: NewIncident, at: datetime) -> Update:
    """The update it would begin with; what it is called may still be open.

    Raises:
        UsageError: see `first_update`.
    """
    named = replace(new, title="?") if new.title is None and not new.titles else new
    return first_update(named, at, "")


def first_update(new: NewIncident, at: datetime, by: str) -> Update:
    """The update an incident begins with.

    Raises:
        UsageError: an area that cannot be read, a state it cannot begin in, a schedule without a beginning, or what
            `core.incident_change` refuses of any update.
    """
    if not new.planned and (new.ends_at or new.lead):
        raise UsageError("Say when the work begins: give --starts; an outage has no schedule")
    state = new.state or (IncidentState.SCHEDULED if new.planned else IncidentState.INVESTIGATING)
    if state not in OPENING or (state is IncidentState.SCHEDULED) is not new.planned:
        raise UsageError(f"{'Planned work' if new.planned else 'An incident'} cannot begin as {state}")
    first = Update(
        number=1,
        state=state,
        title=(new.title or "").strip(),
        area=new.area.checked(),
        at=at,
        by=by,
        message=new.message,
        eta=new.eta,
        next_update=new.next_update,
        starts_at=new.starts_at,
        ends_at=new.ends_at,
        lead=new.lead,
        urgent=new.urgent,
        titles=merged((), new.title, new.titles),
        messages=merged((), new.message, new.messages),
    )
    check(first, new.eta, new.next_update)
    check_schedule(first, new.starts_at, new.ends_at)
    return first
