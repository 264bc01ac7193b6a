"""From a decision about an incident's recipients to the run and the deliveries that carry it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mailer.core.delivery import State
from mailer.core.incident import Incident, facts, message_id
from mailer.core.notice import Notice, Notices, Person, RecipientState
from mailer.core.run import NewDelivery, NewRun

#: Above every campaign's own (0 to 100): a notice overtakes whatever waits.
PRIORITY = 1000


@dataclass(frozen=True, slots=True)
class Publication:
    """One update of an incident as one campaign publishes it. Written in chunks, each whole in itself."""

    incident_id: int
    update: int
    run: NewRun
    deliveries: tuple[tuple[Notice, NewDelivery], ...]
    cancel: tuple[int, ...]  # deliveries of older updates that must not leave
    states: Mapping[int, RecipientState]  # records that change, by customer.id
    people: Mapping[int, Person]


@dataclass(frozen=True, slots=True)
class Publisher:
    """A campaign that an incident starts, as it stands now."""

    campaign: str
    version_id: int
    domain: str  # of Message-IDs
    alone: bool = True  # no other campaign publishes incidents


def publication(
    incident: Incident, decided: Notices, people: Mapping[int, Person], publisher: Publisher, now: datetime
) -> Publication:
    """The rows that carry out what was decided, due at once."""
    update = incident.current
    run = NewRun(
        campaign=publisher.campaign,
        occurrence=incident.occurrence(update),
        version_id=publisher.version_id,
        purpose="service",
        priority=PRIORITY,
        due_at=now,
        closes_at=now,
        content={"incident": facts(incident, update)},
        incident_id=incident.id,
        incident_update=update.number,
    )
    deliveries = tuple(
        (notice, _delivery(incident, notice, people[notice.customer_key], publisher, now))
        for notice in decided.notices
    )
    return Publication(incident.id, update.number, run, deliveries, decided.cancel, decided.states, people)


def _delivery(
    incident: Incident, notice: Notice, person: Person, publisher: Publisher, now: datetime
) -> NewDelivery:
    number = incident.current.number
    key = f"incident:{incident.id}:{person.id}:{number}"
    return NewDelivery(
        customer_key=person.customer_key,
        once_key=key if publisher.alone else f"{key}:{publisher.campaign}",
        email=person.email,
        email_key=person.address,
        due_at=now,
        not_before=now,
        state=State.SKIPPED if notice.skip else State.QUEUED,
        reason=notice.skip,
        kind=notice.kind,
        context={
            "kind": notice.kind.value,
            "points": [dict(point) for point in notice.points],
            "in_reply_to": notice.in_reply_to,
        },
        message_id=message_id(incident, number, person.customer_key, publisher.campaign, publisher.domain),
    )
