from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.delivery import State
from mailer.core.rehearsal import (
    HOUR,
    MINUTE,
    Counts,
    Line,
    Window,
    grid,
    halves,
    outcome,
    read_moment,
    thinned,
)

ISTANBUL = ZoneInfo("Europe/Istanbul")
START = datetime(2027, 5, 10, tzinfo=UTC)

moments = st.timedeltas(timedelta(), timedelta(days=60)).map(lambda later: START + later)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2027-05-10T07:00:00Z", "2027-05-10T07:00:00+00:00", id="instant"),
        pytest.param("2027-05-10T10:00:00+03:00", "2027-05-10T07:00:00+00:00", id="offset"),
        pytest.param("2027-05-10T10:00", "2027-05-10T07:00:00+00:00", id="local-time"),
        pytest.param("2027-05-10", "2027-05-09T21:00:00+00:00", id="local-day"),
    ],
)
def test_a_time_without_a_zone_is_the_tenants(text: str, expected: str) -> None:
    assert read_moment(text, ISTANBUL).isoformat() == expected


@pytest.mark.parametrize("text", ["", "soon", "2027-13-01", "10:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_moment(text, ISTANBUL)


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        ("sent", None, ("send", None)),
        ("in_doubt", None, ("send", None)),
        ("skipped", "capped", ("skip", "capped")),
        ("expired", None, ("skip", "expired")),
        ("cancelled", None, ("skip", "cancelled")),
        ("failed", "refused", ("skip", "refused")),
        ("queued", None, ("skip", "paused")),
        ("deferred", None, ("skip", "paused")),
    ],
)
def test_every_state_is_a_send_or_a_skip(state: str, reason: str | None, expected: object) -> None:
    assert outcome(state, reason) == expected


def test_no_state_is_left_out() -> None:
    assert {outcome(state, "r")[0] for state in State} == {"send", "skip"}


def test_a_window_ends_just_before_its_end() -> None:
    window = Window(START, START + HOUR)
    assert START in window
    assert window.last in window
    assert window.end not in window
    assert grid(window, timedelta(minutes=25)) == [START + timedelta(minutes=each) for each in (0, 25, 50)]


@given(st.sets(moments, max_size=30), st.integers(0, 20))
def test_thinned_moments_lose_nobody_and_come_late_by_an_hour_at_most(
    found: set[datetime], most: int
) -> None:
    last = max(found, default=START) + timedelta(minutes=20)
    kept = sorted(thinned(found, most, last))
    assert len(kept) <= len(found)
    if len(found) <= most:
        assert set(kept) == found
    for moment in found:
        assert any(moment <= each <= min(moment + HOUR, last) for each in kept)
    assert all(any(each - HOUR <= moment <= each for moment in found) for each in kept)


def test_moments_are_never_put_off_by_more_than_a_campaign_bears() -> None:
    found = {START + timedelta(seconds=7 * each) for each in range(1_000)}
    last = START + timedelta(days=1)
    assert thinned(found, 10, last, coarsest=timedelta(seconds=30)) == found
    quarters = thinned(found, 10, last, coarsest=timedelta(minutes=15))
    assert {moment.minute for moment in quarters} == {0, 15, 30, 45}


@given(moments, st.timedeltas(timedelta(seconds=1), timedelta(days=1)), st.booleans())
def test_halving_ends_at_the_minute_or_the_hour(start: datetime, length: timedelta, few: bool) -> None:
    end, steps = start + length, 0
    while (middle := halves(start, end, few)) is not None:
        assert start < middle < end
        assert middle.second == middle.microsecond == 0
        start, steps = middle, steps + 1
    assert end - start <= (MINUTE if few else HOUR)
    assert steps <= 12


def test_counts_are_by_the_tenants_day_and_name_the_commonest_reason_first() -> None:
    counts = Counts(ISTANBUL)
    evening = datetime(2027, 5, 9, 21, 30, tzinfo=UTC)  # after midnight in Istanbul
    for customer, reason in (("a", None), ("b", "capped"), ("c", "no_consent"), ("d", "no_consent")):
        counts.add(Line(evening, "offer", "o", customer, "skip" if reason else "send", reason))
    assert counts.total == (1, 3)
    assert counts.rows() == [
        {"day": "2027-05-10", "campaign": "offer", "send": 1, "skip": 3, "why": "no_consent 2, capped 1"}
    ]


@pytest.mark.parametrize(("apart", "few"), [(MINUTE, True), (HOUR, False)])
def test_what_is_known_well_enough_is_not_looked_at_again(apart: timedelta, few: bool) -> None:
    start = START + apart / 2
    assert halves(start, start + apart, few) is None
    assert halves(start, start + apart + MINUTE, few) is not None
