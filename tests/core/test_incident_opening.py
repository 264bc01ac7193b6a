"""What an incident begins with, and what it cannot begin with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailer.core.area import Area
from mailer.core.incident import IncidentState
from mailer.core.incident_opening import NewIncident, first_update, foreseen
from mailer.errors import UsageError

T0 = datetime(2027, 1, 15, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
AREA = Area.of(postal=["34*"])


@pytest.mark.parametrize(
    ("new", "state"),
    [
        (NewIncident("Fault", AREA), IncidentState.INVESTIGATING),
        (NewIncident("Fault", AREA, state=IncidentState.IDENTIFIED), IncidentState.IDENTIFIED),
        (NewIncident("Work", AREA, starts_at=T0 + HOUR), IncidentState.SCHEDULED),
    ],
)
def test_begins_as(new: NewIncident, state: IncidentState) -> None:
    first = first_update(new, T0, "ayse")
    assert (first.number, first.state, first.at, first.by) == (1, state, T0, "ayse")


def test_title_is_trimmed_and_the_rest_kept() -> None:
    new = NewIncident(
        " Fibre fault ",
        AREA,
        message="We look.",
        eta=T0 + HOUR,
        next_update=T0 + HOUR / 2,
        urgent=True,
        titles=(("tr", "Fiber arızası"),),
        messages=(("tr", "Bakıyoruz."),),
    )
    first = first_update(new, T0, "ayse")
    assert (first.title, first.message, first.urgent) == ("Fibre fault", "We look.", True)
    assert (first.eta, first.next_update) == (T0 + HOUR, T0 + HOUR / 2)
    assert (first.titles, first.messages) == ((("tr", "Fiber arızası"),), (("tr", "Bakıyoruz."),))


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        (NewIncident("Fault", Area(postal=("3?",))), "not a postal pattern"),
        (NewIncident("Fault", Area()), "Say who is affected"),
        (NewIncident("", AREA), "needs a title"),
        (NewIncident("Fault", AREA, eta=T0), "already over"),
        (NewIncident("Fault", AREA, state=IncidentState.SCHEDULED), "cannot begin as scheduled"),
        (
            NewIncident("Work", AREA, state=IncidentState.IDENTIFIED, starts_at=T0),
            "Planned work cannot begin",
        ),
        (NewIncident("Work", AREA, starts_at=T0), "start of the work, 2027-01-15T08:00:00Z, is already over"),
        (NewIncident("Work", AREA, starts_at=T0 + HOUR, ends_at=T0 + HOUR), "before its start"),
        (NewIncident("Work", AREA, starts_at=T0 + HOUR, lead="soon"), "not a duration"),
        (NewIncident("Fault", AREA, lead="48h"), "give --starts"),
        (NewIncident("Fault", AREA, state=IncidentState.RESOLVED), "cannot begin as resolved"),
        (NewIncident("Fault", AREA, ends_at=T0 + HOUR), "give --starts"),
    ],
)
def test_refused(new: NewIncident, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as refused:
        first_update(new, T0, "ayse")
    with pytest.raises(UsageError) as beforehand:
        foreseen(new, T0)
    assert str(beforehand.value) == str(refused.value)


def test_what_it_is_called_may_be_open_while_it_is_only_looked_at() -> None:
    assert foreseen(NewIncident(None, AREA, lead="48h", starts_at=T0 + HOUR), T0).area == AREA
    for empty in (None, ""):
        with pytest.raises(UsageError, match="needs a title; give one with --title and no language"):
            foreseen(NewIncident(empty, AREA, titles=(("tr", "Arıza"),)), T0)
    with pytest.raises(UsageError, match="needs a title"):
        first_update(NewIncident(None, AREA), T0, "ayse")
