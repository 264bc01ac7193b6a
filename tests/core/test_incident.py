"""Incidents: what may be said of them, and what an update is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mailer.core.area import Area
from mailer.core.incident import (
    Incident,
    IncidentState,
    Update,
    facts,
    may_move,
    message_id,
)
from mailer.core.incident_change import Change, next_update
from mailer.core.postal import matches, read_pattern
from mailer.errors import UsageError

T0 = datetime(2027, 1, 15, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def an_incident(**changes: object) -> Incident:
    first = Update(
        number=1, state=IncidentState.INVESTIGATING, title="Fibre fault", area=Area.of(postal=["34710"]),
        at=T0, by="ayse", message="We are on our way.", eta=T0 + 4 * HOUR,
    )  # fmt: skip
    return Incident(7, planned=False, opened_at=T0, updates=(replace(first, **changes),), published_at=T0)


def after(incident: Incident, change: Change, hours: float = 1) -> Incident:
    at = incident.current.at + hours * HOUR
    return replace(incident, updates=(*incident.updates, next_update(incident, change, at, "ayse")))


@pytest.mark.parametrize(
    ("pattern", "code", "expected"),
    [
        ("34710", "34710", True),
        ("34710", "34711", False),
        ("34710", "347100", False),
        ("34*", "34710", True),
        ("34*", "35710", False),
        ("34*", "34", True),
        ("34*", "", False),
        (" 34710 ", "34710", True),
        ("SW1A*", "SW1A 1AA", True),
        ("sw1a*", "SW1A 1AA", False),
    ],
)
def test_pattern_matches(pattern: str, code: str, expected: bool) -> None:
    assert matches(read_pattern(pattern), code) is expected


@pytest.mark.parametrize(
    "text", ["", "*", "3?710", "3*10", "34**", "%", "34_10", "34710; DROP", "[34]*", "3" * 40]
)
def test_pattern_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a postal pattern"):
        read_pattern(text)


def test_area_says_who_is_affected() -> None:
    area = Area.of(["fibre", " fibre"], [" 34710", "34*"], ["vip"], ["staff"])
    assert area == Area(("fibre",), ("34710", "34*"), ("vip",), ("staff",))
    assert Area.from_json(area.as_json()) == area
    with pytest.raises(UsageError, match="who is affected"):
        Area.of(exclusions=["staff"])
    with pytest.raises(UsageError, match="postal pattern"):
        Area.of(postal=["3?"])


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        ("investigating", "identified", True),
        ("identified", "monitoring", True),
        ("monitoring", "resolved", True),
        ("monitoring", "investigating", True),
        ("investigating", "resolved", True),
        ("resolved", "reopened", True),
        ("reopened", "resolved", True),
        ("reopened", "cancelled", True),
        ("resolved", "investigating", False),
        ("investigating", "reopened", False),
        ("investigating", "scheduled", False),
        ("cancelled", "reopened", False),
        ("scheduled", "in_progress", True),
        ("scheduled", "resolved", False),
        ("in_progress", "completed", True),
        ("completed", "in_progress", False),
    ],
)
def test_moves(old: str, new: str, allowed: bool) -> None:
    assert may_move(IncidentState(old), IncidentState(new)) is allowed


def test_every_state_knows_its_moves() -> None:
    assert all(may_move(state, state) for state in IncidentState)
    assert [may_move(old, new) for old in IncidentState for new in IncidentState]


def test_update_keeps_what_is_not_mentioned() -> None:
    new = after(an_incident(), Change(state=IncidentState.IDENTIFIED)).current
    assert (new.number, new.state, new.message, new.eta) == (
        2,
        "identified",
        "We are on our way.",
        T0 + 4 * HOUR,
    )
    cleared = after(an_incident(), Change(clear=["eta", "message"])).current
    assert (cleared.message, cleared.eta) == ("", None)


def test_an_end_starts_with_a_clean_sheet() -> None:
    resolved = after(an_incident(), Change(state=IncidentState.RESOLVED))
    assert (resolved.current.message, resolved.current.eta) == ("", None)
    assert facts(resolved, resolved.current)["resolved_at"] == "2027-01-15T09:00:00Z"
    said = after(an_incident(), Change(state=IncidentState.RESOLVED, message="Repaired.")).current
    assert said.message == "Repaired."


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (Change(), "stands so already"),
        (Change(state=IncidentState.INVESTIGATING), "stands so already"),
        (Change(add_postal=("34710",)), "stands so already"),
        (Change(state=IncidentState.REOPENED), "cannot become reopened"),
        (Change(remove_postal=("34722",)), "no postal pattern 34722; it has 34710"),
        (Change(remove_postal=("34710",)), "who is affected"),
        (Change(services=("fibre",), remove_postal=("34710",)), "would cover everyone with fibre"),
        (Change(eta=T0), "eta 2027-01-15T08:00:00Z is already over"),
        (Change(next_update=T0), "next update .* is already over"),
        (Change(title=" "), "needs a title"),
        (Change(title="a\r\nBcc: b@c.example"), "becomes a subject"),
        (Change(title="=?utf-8?q?a=0D=0ABcc:_b@c.example?="), "becomes a subject"),
        (Change(message="x" * 6_000), "longer than"),
    ],
)
def test_update_refused(change: Change, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        after(an_incident(), change)


@pytest.mark.parametrize(
    ("closed", "sentence"), [("resolved", "reopen it first"), ("cancelled", "open a new one")]
)
def test_closed_incident_takes_no_update(closed: str, sentence: str) -> None:
    incident = after(an_incident(), Change(state=IncidentState(closed)))
    with pytest.raises(UsageError, match=sentence):
        after(incident, Change(message="more"))


def test_where_it_applies_is_no_news() -> None:
    incident = after(an_incident(), Change(add_postal=("34722",)))
    assert incident.current.area.postal == ("34710", "34722")
    assert incident.news == 1
    assert after(incident, Change(message="Found it.")).news == 3


@pytest.mark.parametrize(
    ("hours", "start"), [(0.5, 1), (2, 1), (2.01, 3), (48, 3)], ids=["soon", "at_2h", "late", "next_days"]
)
def test_reopening_soon_keeps_the_thread(hours: float, start: int) -> None:
    resolved = after(an_incident(), Change(state=IncidentState.RESOLVED))
    assert after(resolved, Change(state=IncidentState.REOPENED), hours).thread_start == start


def test_broken_promises_are_left_out() -> None:
    incident = after(an_incident(), Change(next_update=T0 + 2 * HOUR))
    incident = after(incident, Change(add_postal=("34722",)), hours=2)
    said = facts(incident, incident.current)
    assert incident.news == 2
    assert said["next_update"] is None
    assert said["eta"] == "2027-01-15T12:00:00Z"
    assert said["reference"] == "INC-7"
    assert said["started_at"] == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize(
    ("promised", "now", "state", "late"),
    [
        (None, 9, "investigating", False),
        (2, 1.9, "investigating", False),
        (2, 2, "investigating", True),  # by then
        (2, 9, "resolved", False),
        (0, 9, "investigating", False),  # over when it was written: no promise
    ],
)
def test_a_promise_of_news_is_broken_at_its_instant(
    promised: float | None, now: float, state: str, late: bool
) -> None:
    next_ = None if promised is None else T0 + promised * HOUR
    incident = an_incident(next_update=next_, state=IncidentState(state))
    assert incident.overdue(T0 + now * HOUR) is late
    assert not replace(incident, published_at=None).overdue(T0 + now * HOUR)


def test_an_estimate_that_is_over_as_it_is_published_is_none() -> None:
    assert facts(it := an_incident(eta=T0, next_update=T0), it.current)["eta"] is None
    assert facts(it, it.current)["next_update"] is None


def test_message_ids_tell_apart() -> None:
    incident = an_incident()
    one = message_id(incident, 1, 42, "outage", "kardelen.example")
    assert one == message_id(incident, 1, 42, "outage", "kardelen.example")
    assert one.startswith("<incident.7.1.42.")
    assert one.endswith("@kardelen.example>")
    others = {
        message_id(incident, 2, 42, "outage", "kardelen.example"),
        message_id(incident, 1, 43, "outage", "kardelen.example"),
        message_id(incident, 1, 42, "status", "kardelen.example"),
        message_id(replace(incident, opened_at=T0 + HOUR), 1, 42, "outage", "kardelen.example"),
    }
    assert len(others | {one}) == 5


def test_words_in_other_languages_stand_until_the_plain_ones_change() -> None:
    at_first = an_incident(titles=(("tr", "Fiber arızası"),), messages=(("tr", "Yoldayız."),))
    assert facts(at_first, at_first.current)["titles"] == {"tr": "Fiber arızası"}
    found = after(at_first, Change(message="Found it."))
    assert (found.current.titles, found.current.messages) == ((("tr", "Fiber arızası"),), ())
    both = after(at_first, Change(message="Found it.", messages=(("tr", "Bulduk."),)))
    assert both.current.messages == (("tr", "Bulduk."),)
    more = after(both, Change(messages=(("de", "Gefunden."),)))  # one language more is news
    assert more.current.messages == (("de", "Gefunden."), ("tr", "Bulduk."))
    over = after(both, Change(state=IncidentState.RESOLVED))
    assert (over.current.titles, over.current.messages) == ((("tr", "Fiber arızası"),), ())


@pytest.mark.parametrize(
    "change",
    [
        Change(titles=(("tr", "x" * 201),)),
        Change(titles=(("tr", "a\nb"),)),
        Change(titles=(("tr", "=?utf-8?q?x?="),)),
        Change(messages=(("tr", "x" * 5_001),)),
    ],
)
def test_words_in_other_languages_have_the_same_bounds(change: Change) -> None:
    with pytest.raises(UsageError):
        after(an_incident(), change)


def test_nobody_is_left_without_a_message_that_others_read() -> None:
    with pytest.raises(
        UsageError, match="There is a message for those who read 'eta', and none for everybody"
    ):
        after(an_incident(message=""), Change(messages=(("eta", "18:00"),)))
    with pytest.raises(UsageError, match="give one with --title and no language"):
        after(an_incident(title=""), Change(titles=(("en", "Outage"),)))


def test_work_that_ends_as_it_begins_is_refused() -> None:
    starts = T0 + 9 * HOUR
    work = replace(an_incident(state=IncidentState.SCHEDULED, starts_at=starts), planned=True)
    with pytest.raises(UsageError, match="The work would end at"):
        next_update(work, Change(ends_at=starts), T0 + HOUR, "ayse")


def test_an_area_of_a_list_needs_no_bounds() -> None:
    area = Area.of(postal=["34710"], lists=["vip"])
    assert after(an_incident(area=area), Change(remove_postal=("34710",))).current.area == Area.of(
        lists=["vip"]
    )
