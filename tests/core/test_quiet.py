"""Quiet hours, and what has become too late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.duration import Duration
from mailer.core.quiet import QuietHours, expires_at, held_until

ISTANBUL = "Europe/Istanbul"
NIGHT = "21:00-09:00"
ZONES = sorted(zone for zone in available_timezones() if zone not in {"localtime", "Factory", "posixrules"})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "zone", "now", "expected"),
    [
        pytest.param(NIGHT, ISTANBUL, "2027-04-02T20:40", "2027-04-03T06:00", id="case 7"),
        pytest.param(NIGHT, ISTANBUL, "2027-04-03T02:00", "2027-04-03T06:00", id="after midnight"),
        pytest.param(NIGHT, ISTANBUL, "2027-04-02T18:00", "2027-04-03T06:00", id="the first minute"),
        pytest.param(NIGHT, ISTANBUL, "2027-04-02T17:59", None, id="just before"),
        pytest.param(NIGHT, ISTANBUL, "2027-04-03T06:00", None, id="half-open"),
        pytest.param(NIGHT, ISTANBUL, "2027-04-03T05:59", "2027-04-03T06:00", id="the last minute"),
        pytest.param("12:00-14:00", ISTANBUL, "2027-04-03T10:00", "2027-04-03T11:00", id="within a day"),
        pytest.param("12:00-14:00", ISTANBUL, "2027-04-03T20:00", None, id="outside, within a day"),
        pytest.param("21:00-00:00", ISTANBUL, "2027-04-03T20:00", "2027-04-03T21:00", id="until midnight"),
        pytest.param("", ISTANBUL, "2027-04-02T20:40", None, id="none"),
        pytest.param(NIGHT, "Europe/Berlin", "2027-03-27T23:00", "2027-03-28T07:00", id="a short night"),
        pytest.param(NIGHT, "Europe/Berlin", "2027-10-30T23:00", "2027-10-31T08:00", id="a long night"),
        pytest.param(
            "22:00-02:30", "Europe/Berlin", "2027-03-28T00:30", "2027-03-28T01:30", id="ends in a gap"
        ),
        pytest.param(
            "22:00-02:30", "Europe/Berlin", "2027-03-28T01:15", "2027-03-28T01:30", id="in the shift"
        ),
        pytest.param("22:00-02:30", "Europe/Berlin", "2027-10-31T00:30", None, id="ends with a fold's first"),
        pytest.param("22:00-02:30", "Europe/Berlin", "2027-10-31T01:15", None, id="a fold's second is free"),
        pytest.param(
            NIGHT, "Pacific/Apia", "2011-12-30T08:00", "2011-12-30T19:00", id="over a day that never was"
        ),
        pytest.param(
            NIGHT, "Pacific/Apia", "2011-12-30T12:00", "2011-12-30T19:00", id="on the morning after it"
        ),
    ],
)
def test_held(hours: str, zone: str, now: str, expected: str | None) -> None:
    until = held_until(utc(now), ZoneInfo(zone), QuietHours.parse(hours))
    assert until == (None if expected is None else utc(expected))


@settings(max_examples=200)
@given(
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    now=st.datetimes(datetime(2000, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    hours=st.sampled_from([NIGHT, "22:00-02:30", "02:30-05:00", "12:00-14:00"]),
)
def test_what_is_held_is_free_afterwards(zone: ZoneInfo, now: datetime, hours: str) -> None:
    quiet = QuietHours.parse(hours)
    until = held_until(now, zone, quiet)
    if until is not None:
        assert now < until <= now + timedelta(hours=14)
        assert held_until(until, zone, quiet) is None
        assert held_until(now + (until - now) / 2, zone, quiet) == until


@pytest.mark.parametrize(
    "text", ["21-9", "21:00", "24:00-09:00", "21:00-09:60", "9:00-21:00", "21:00–09:00", "x"]
)
def test_what_is_no_quiet_hours(text: str) -> None:
    with pytest.raises(ValueError, match="is not quiet hours; write two times of day"):
        QuietHours.parse(text)


def test_hours_that_end_when_they_start() -> None:
    with pytest.raises(ValueError, match="write none to have no"):
        QuietHours.parse("21:00-21:00")


def test_a_variable_too_can_say_that_there_are_none() -> None:
    assert QuietHours.parse("none") == QuietHours()


@pytest.mark.parametrize("text", ["21:00-09:00", "00:00-23:59", ""])
def test_quiet_hours_read_back(text: str) -> None:
    assert str(QuietHours.parse(text)) == text
    assert QuietHours.parse(f" {text} ") == QuietHours.parse(text)


@pytest.mark.parametrize(
    ("ttl", "ends_at", "expected"),
    [
        pytest.param(None, None, None, id="never"),
        pytest.param("2h", None, "2027-04-02T21:00", id="ttl"),
        pytest.param(None, "2027-04-03T08:00", "2027-04-03T05:00", id="ends_at"),
        pytest.param("24h", "2027-04-03T08:00", "2027-04-03T05:00", id="ends_at is earlier"),
        pytest.param("2h", "2027-04-03T08:00", "2027-04-02T21:00", id="ttl is earlier"),
    ],
)
def test_too_late(ttl: str | None, ends_at: str | None, expected: str | None) -> None:
    found = expires_at(
        utc("2027-04-02T19:00"),
        None if ttl is None else Duration.parse(ttl),
        None if ends_at is None else datetime.fromisoformat(ends_at),
        ZoneInfo(ISTANBUL),
    )
    assert found == (None if expected is None else utc(expected))


def test_a_flash_offer_that_the_night_outlasts() -> None:
    """Case 8: queued at 22:00, held until 09:00, over at 08:00."""
    due, zone = utc("2027-04-02T19:00"), ZoneInfo(ISTANBUL)
    until = held_until(due, zone, QuietHours.parse(NIGHT))
    ends = expires_at(due, None, datetime.fromisoformat("2027-04-03T08:00"), zone)
    assert until is not None
    assert ends is not None
    assert ends <= until
