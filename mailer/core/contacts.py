"""How many of those an incident affected turned to the shop all the same: what its notices are to spare them. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from mailer.core.incident import Incident, IncidentState

#: What a shop tells of somebody who called, wrote or came by.
EVENT = "ticket.opened"

#: Who noticed in the evening calls the next morning.
AFTERWARDS = timedelta(hours=24)

_THOUSAND = 1000


class Span(NamedTuple):
    """From when on, and until just before when, a ticket counts as one about the incident."""

    since: datetime
    until: datetime | None  # none: it lasts


class Tickets(NamedTuple):
    """What those affected opened in a span."""

    affected: int  # customers the incident is about, or was
    opened: int
    customers: int  # who opened any


def span(of: Incident) -> Span | None:
    """From the opening of an outage, or the start of planned work, until a day after its end.

    None: nothing has happened to anybody so far, as far as the public knows.
    """
    if of.published_at is None:
        return None
    since = of.opened_at
    if of.planned:
        begun = next((each for each in of.updates if each.state is IncidentState.IN_PROGRESS), None)
        if begun is None:
            return None
        since = min(begun.at, begun.starts_at or begun.at)
    return Span(since, of.current.at + AFTERWARDS if of.current.closes else None)


def as_facts(found: Tickets, within: Span) -> dict[str, Any]:
    """The contacts as plain data. `per_1000` of those affected, to a tenth; none: nobody is."""
    share = round(found.opened * _THOUSAND / found.affected, 1) if found.affected else None
    return {
        "tickets": found.opened,
        "customers": found.customers,
        "affected": found.affected,
        "per_1000": share,
        "since": within.since,
        "until": within.until,
    }
