"""From a decision about an incident's recipients to the run and the deliveries that carry it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from mailer.core.delivery import State
from mailer.core.duration import Duration
from mailer.core.incident import Incident, facts, message_id
from mailer.core.notice import Notice, Person, RecipientState, Step
from mailer.core.pace import Hours, timing
from mailer.core.quiet import expires_at
from mailer.core.run import NewDelivery, NewRun, RunState
from mailer.core.standing import Kind

#: Above every campaign's own (0 to 100): a notice overtakes whatever waits.
PRIORITY = 1000


@dataclass(frozen=True, slots=True)
class Publisher:
    """A campaign that an incident starts, as it stands now."""

    campaign: str
    version_id: int
    domain: str  # of Message-IDs
    alone: bool = True  # no other campaign publishes incidents
    ttl: Duration | None = None  # a notice that did not leave so long after it was due is dropped
    ends_at: datetime | None = None  # the same at a wall time of each customer


class Record(NamedTuple):
    """What an incident is to one customer from now on."""

    customer_key: int
    state: RecipientState
    points: tuple[Mapping[str, Any], ...]
    thread: str | None  # the Message-ID their thread begins with; None: as it stands


class Move(NamedTuple):
    """A step with the rows that carry it out."""

    cancel: tuple[
        int, ...
    ]  # deliveries of older updates; the move is void unless all of them can be taken back
    deliveries: tuple[tuple[Notice, NewDelivery], ...]
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Publication:
    """A part of what one campaign has to say of one update: whole moves, written in one transaction."""

    incident_id: int
    update: int
    run: NewRun
    moves: tuple[Move, ...]


def publication(
    incident: Incident,
    decided: Iterable[Step],
    people: Iterable[Person],
    publisher: Publisher,
    hours: Hours,
    now: datetime,
    *,
    back: bool = False,
) -> Publication:
    """The rows that carry out what was decided for some people.

    Steps for those who are affected again (`back`) have a run of their own: a run has one delivery for a customer, and
    the update's has the one that said "not affected any more".
    """
    update = incident.current
    run = NewRun(
        campaign=publisher.campaign,
        occurrence=incident.occurrence(update, back=back),
        version_id=publisher.version_id,
        purpose="service",
        priority=PRIORITY,
        due_at=now,
        closes_at=now,
        state=RunState.QUEUED,
        content={"incident": facts(incident, update)},
        incident_id=incident.id,
        incident_update=update.number,
    )
    known = {person.customer_key: person for person in people}
    moves = tuple(
        _move(incident, step, known, publisher, hours, now) for step in decided if step.back is back
    )
    return Publication(incident.id, update.number, run, moves)


def _move(
    incident: Incident,
    step: Step,
    people: Mapping[int, Person],
    publisher: Publisher,
    hours: Hours,
    now: datetime,
) -> Move:
    deliveries = tuple(
        (
            # What left others of the address out before stands in the run of the update.
            notice._replace(again=notice.again and notice.back is step.back),
            _delivery(incident, notice, people[notice.customer_key], publisher, hours, now, back=step.back),
        )
        for notice in step.notices
    )
    records: dict[int, Record] = {}
    noticed = {notice.customer_key for notice in step.notices}
    for key, state in step.states.items():
        if key not in noticed:
            records[key] = Record(key, state, people[key].points, None)
    for notice, new in deliveries:
        key = notice.customer_key
        state = step.states.get(key) or people[key].state or RecipientState.AFFECTED
        begins = notice.kind is Kind.FIRST and notice.skip is None and notice.in_reply_to is None
        records[key] = Record(key, state, notice.points, new.message_id if begins else None)
    return Move(step.cancel, deliveries, tuple(records.values()))


def _expires_at(of: Publisher, due: datetime, zone: str | None, hours: Hours) -> datetime | None:
    if of.ttl is None and of.ends_at is None:
        return None
    return expires_at(due, of.ttl, of.ends_at, hours.of(zone))


def _delivery(
    incident: Incident,
    notice: Notice,
    person: Person,
    publisher: Publisher,
    hours: Hours,
    now: datetime,
    *,
    back: bool,
) -> NewDelivery:
    number = incident.current.number
    when = timing(incident, notice.kind, person.standing, person.zone, hours, now)
    key = f"incident:{incident.id}:{person.id}:{number}{':back' if back else ''}"
    return NewDelivery(
        customer_key=person.customer_key,
        once_key=key if publisher.alone else f"{key}:{publisher.campaign}",
        email=person.email,
        email_key=person.address,
        due_at=when.due_at,
        not_before=when.not_before,
        state=State.SKIPPED if notice.skip else State.QUEUED,
        reason=notice.skip,
        expires_at=_expires_at(publisher, when.due_at, person.zone, hours),
        kind=notice.kind,
        context={
            "kind": notice.kind.value,
            "points": notice.points,
            "in_reply_to": notice.in_reply_to,
        },
        message_id=message_id(
            incident, number, person.customer_key, publisher.campaign, publisher.domain, back=back
        ),
    )
