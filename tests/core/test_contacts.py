"""From when until when a ticket is one about an incident, and what they come to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mailer.core.contacts import Span, Tickets, as_facts, span
from mailer.core.incident import CLOCK, Incident, IncidentState
from mailer.core.incident_change import Change, next_update
from tests.core.test_incident import HOUR, T0, after, an_incident

OUTAGE = an_incident()
MENDED = after(OUTAGE, Change(state=IncidentState.RESOLVED), 3)
STARTS = T0 + 48 * HOUR
WORK = replace(
    an_incident(state=IncidentState.SCHEDULED, starts_at=STARTS, ends_at=STARTS + HOUR), planned=True
)


def begun(late: timedelta) -> Incident:
    at = STARTS + late
    new = next_update(WORK, Change(state=IncidentState.IN_PROGRESS), at, CLOCK)
    return replace(WORK, updates=(*WORK.updates, new))


@pytest.mark.parametrize(
    ("of", "within"),
    [
        pytest.param(OUTAGE, Span(T0, None), id="it lasts"),
        pytest.param(replace(OUTAGE, published_at=T0 + HOUR), Span(T0, None), id="published an hour after"),
        pytest.param(replace(OUTAGE, published_at=None), None, id="a draft"),
        pytest.param(MENDED, Span(T0, T0 + 27 * HOUR), id="mended: a day longer"),
        pytest.param(after(MENDED, Change(state=IncidentState.REOPENED), 9), Span(T0, None), id="it came back"),
        pytest.param(after(OUTAGE, Change(state=IncidentState.CANCELLED)), Span(T0, T0 + 25 * HOUR),
                     id="a false alarm: people called all the same"),
        pytest.param(WORK, None, id="work that was announced"),
        pytest.param(after(WORK, Change(state=IncidentState.CANCELLED)), None, id="work that was never done"),
        pytest.param(begun(timedelta()), Span(STARTS, None), id="work under way"),
        pytest.param(begun(HOUR), Span(STARTS, None), id="the clock looked an hour late"),
        pytest.param(after(begun(timedelta()), Change(state=IncidentState.COMPLETED), 2),
                     Span(STARTS, STARTS + 26 * HOUR), id="work that is done"),
    ],
)  # fmt: skip
def test_when_a_ticket_is_about_it(of: Incident, within: Span | None) -> None:
    assert span(of) == within


@pytest.mark.parametrize(
    ("found", "share"),
    [
        (Tickets(4_200, 12, 10), 2.9),
        (Tickets(3, 3, 1), 1000.0),
        (Tickets(100_000, 1, 1), 0.0),
        (Tickets(10, 0, 0), 0.0),
        (Tickets(0, 0, 0), None),
    ],
)
def test_contacts_are_told_for_each_thousand_affected(found: Tickets, share: float | None) -> None:
    told = as_facts(found, Span(T0, None))
    assert told.pop("per_1000") == share
    assert told == {
        "tickets": found.opened, "customers": found.customers, "affected": found.affected, "since": T0,
        "until": None,
    }  # fmt: skip
