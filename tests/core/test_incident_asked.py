"""What a program says of an incident, read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.area import Area
from mailer.core.importing import RowFault
from mailer.core.incident import IncidentState
from mailer.core.incident_asked import (
    CHANGE,
    OPENING,
    Closing,
    Opening,
    read_change,
    read_closing,
    read_opening,
)
from mailer.core.incident_change import Change
from mailer.core.incident_opening import NewIncident

NOW = datetime(2027, 5, 10, 7, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Istanbul")
HOUR = timedelta(hours=1)
DRAWN = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}


def test_an_opening_with_all_it_may_have() -> None:
    said = {
        "title": " Arıza ", "titles": {"EN": "Fault"}, "message": "a\nb", "messages": {"de_AT": "c"},
        "services": ["fibre", 5], "postal": ["34*"], "lists": ["vip"], "exclusions": ["staff"], "area": DRAWN,
        "state": "identified", "eta": "2h",
        "next_update": "2027-05-10T11:00", "urgent": True, "draft": True, "lead": "2w",
        "starts_at": "2027-06-01T00:00:00Z", "ends_at": None,
    }  # fmt: skip
    read = read_opening(said, ZONE, NOW)
    assert isinstance(read, Opening)
    assert read.publish is False
    new = read.new
    assert (new.title, new.titles, new.message, new.messages) == (
        "Arıza",
        (("en", "Fault"),),
        "a\nb",
        (("de-at", "c"),),
    )
    assert (new.area.services, new.area.postal) == (("fibre", "5"), ("34*",))
    assert (new.area.lists, new.area.exclusions, len(new.area.polygons)) == (("vip",), ("staff",), 1)
    assert (new.state, new.eta, new.next_update) == (IncidentState.IDENTIFIED, NOW + 2 * HOUR, NOW + HOUR)
    assert (new.starts_at, new.ends_at) == (datetime(2027, 6, 1, tzinfo=UTC), None)
    assert (new.lead, new.urgent) == ("14d", True)


def test_what_is_not_said_is_left_open() -> None:
    nothing = dict.fromkeys(OPENING) | {"postal": ["34*"]}
    assert read_opening(nothing, ZONE, NOW) == Opening(
        NewIncident(None, Area.of(postal=["34*"])), publish=True
    )
    assert read_change(dict.fromkeys(CHANGE), ZONE, NOW) == Change() == read_change({}, ZONE, NOW)
    assert read_closing({"message": None}, ZONE, NOW) == Closing(None, ()) == read_closing({}, ZONE, NOW)


@pytest.mark.parametrize(
    ("said", "change"),
    [
        ({"message": ""}, Change(message="")),  # taken away
        ({"services": []}, Change()),  # what is empty changes nothing: else it would be everybody's service
        ({"postal": ["34710"], "add_postal": ["35*"]}, Change(postal=("34710",), add_postal=("35*",))),
        ({"add_lists": ["a"], "add_exclusions": ["b"]}, Change(add_lists=("a",), add_exclusions=("b",))),
        ({"messages": {"en": ""}}, Change(messages=(("en", ""),))),
        ({"starts_at": "1d", "lead": "60m"}, Change(starts_at=NOW + 24 * HOUR, lead="1h")),
        ({"state": "rescheduled"}, Change(state=IncidentState.RESCHEDULED)),
    ],
)  # fmt: skip
def test_a_change(said: dict[str, Any], change: Change) -> None:
    assert read_change(said, ZONE, NOW) == change


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"lists": ["a"]}, "lists"),
        ({"draft": True}, "draft"),
        ({"state": "Resolved"}, "state"),
        ({"state": {}}, "state"),
        ({"eta": []}, "eta"),
        ({"eta": "-2h"}, "eta"),
        ({"eta": "0001-01-01"}, "eta"),
        ({"lead": 48}, "lead"),
        ({"titles": {"en": "a\nb"}}, "titles"),
        ({"titles": {"": "a"}}, "titles"),
        ({"message": "\x00"}, "message"),
        ({"urgent": 0}, "urgent"),
        ({"add_postal": [[]]}, "add_postal"),
        ({"area": []}, "area"),
    ],
)
def test_what_cannot_be_read(said: dict[str, Any], field: str) -> None:
    read = read_change(said, ZONE, NOW)
    assert isinstance(read, RowFault)
    assert read.field == field


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(said=st.dictionaries(st.sampled_from(sorted(OPENING | CHANGE)), JSON))
def test_whatever_is_said_is_read_or_refused(said: dict[str, Any]) -> None:
    for read in (read_opening, read_change, read_closing):
        found = read(said, ZONE, NOW)
        assert not isinstance(found, RowFault) or found.reason
