"""Wall times and instants: gaps, folds, missing days, and what a day and an hour are."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core import calendar
from mailer.core.customer import PartialDate
from mailer.core.duration import Duration

# Machines add names of their own, and `build` zones differ; places are what customers live in.
ZONES = sorted(zone for zone in available_timezones() if zone not in {"localtime", "Factory", "posixrules"})
zones = st.sampled_from(ZONES).map(ZoneInfo)
walls = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)).map(  # noqa: DTZ001  # walls
    lambda wall: wall.replace(second=0, microsecond=0)
)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "shown", "expected"),
    [
        pytest.param("Europe/Istanbul", "2027-02-28T10:00", "2027-02-28T07:00", id="plain"),
        pytest.param("Europe/Berlin", "2027-03-28T02:30", "2027-03-28T01:30", id="gap shifts forward"),
        pytest.param("Europe/Berlin", "2027-03-28T03:30", "2027-03-28T01:30", id="after the gap"),
        pytest.param("Europe/Berlin", "2027-10-31T02:30", "2027-10-31T00:30", id="fold takes the first"),
        pytest.param(
            "Europe/Istanbul", "2016-03-27T03:30", "2016-03-27T01:30", id="Istanbul when it had DST"
        ),
        pytest.param("Australia/Lord_Howe", "2027-10-03T02:15", "2027-10-02T15:45", id="half-hour gap"),
        pytest.param("Australia/Lord_Howe", "2027-04-04T01:45", "2027-04-03T14:45", id="half-hour fold"),
        pytest.param("Pacific/Apia", "2011-12-30T10:00", "2011-12-30T20:00", id="a day that never was"),
        pytest.param("Pacific/Apia", "2011-12-31T10:00", "2011-12-30T20:00", id="the day after it"),
        pytest.param("Pacific/Kiritimati", "2027-05-10T10:00", "2027-05-09T20:00", id="case 2, Kiritimati"),
        pytest.param("Pacific/Pago_Pago", "2027-05-10T10:00", "2027-05-10T21:00", id="case 2, Pago Pago"),
        pytest.param("America/New_York", "2050-03-13T02:30", "2050-03-13T07:30", id="gap beyond the tables"),
        pytest.param("America/New_York", "2050-11-06T01:30", "2050-11-06T05:30", id="fold beyond the tables"),
    ],
)
def test_a_wall_time_means_one_instant(zone: str, shown: str, expected: str) -> None:
    assert calendar.instant(wall(shown), ZoneInfo(zone)) == utc(expected)


def shown_at(moment: datetime, zone: ZoneInfo) -> list[datetime]:
    """Every instant at which clocks show this, by trying all offsets in force nearby."""
    naive = moment.replace(tzinfo=UTC)
    nearby = {(naive + timedelta(hours=hours)).astimezone(zone).utcoffset() for hours in range(-48, 49, 6)}
    tried = {naive - offset for offset in nearby if offset is not None}
    return sorted(found for found in tried if calendar.wall_time(found, zone) == moment)


@settings(max_examples=300)
@given(zone=zones, moment=walls)
def test_an_instant_shows_its_wall_time_outside_gaps(zone: ZoneInfo, moment: datetime) -> None:
    found = calendar.instant(moment, zone)
    real = shown_at(moment, zone)
    assert found.tzinfo is UTC
    if real:
        assert found == real[0], "the first of a fold"
    else:
        before, after = (found + step for step in (timedelta(days=-2), timedelta(days=2)))
        offsets = [each.astimezone(zone).utcoffset() for each in (before, after)]
        assert None not in offsets
        gap = offsets[1] - offsets[0]  # type: ignore[operator]  # asserted above
        assert calendar.wall_time(found, zone) == moment + gap


@settings(max_examples=40)
@given(zone=zones, day=st.dates(date(1990, 1, 1), date(2060, 1, 1)))
def test_real_wall_times_of_a_day_follow_each_other(zone: ZoneInfo, day: date) -> None:
    start = datetime.combine(day, time())
    every = [start + timedelta(minutes=quarter * 15) for quarter in range(96)]
    real = [each for each in every if calendar.wall_time(calendar.instant(each, zone), zone) == each]
    instants = [calendar.instant(each, zone) for each in real]
    assert instants == sorted(set(instants))


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("moment", "duration", "expected"),
    [
        pytest.param("2027-03-27T09:00", "1d", "2027-03-28T08:00", id="a day into summer is 23 hours"),
        pytest.param("2027-03-27T09:00", "24h", "2027-03-28T09:00", id="24 hours are elapsed"),
        pytest.param("2027-10-30T08:00", "1d", "2027-10-31T09:00", id="a day into winter is 25 hours"),
        pytest.param("2027-03-27T01:30", "1d", "2027-03-28T01:30", id="into the gap"),
        pytest.param("2027-10-31T01:30", "0d", "2027-10-31T01:30", id="nothing keeps the second of a fold"),
        pytest.param("2027-10-31T01:30", "30m", "2027-10-31T02:00", id="minutes in a fold"),
        pytest.param("9950-01-01T00:00", "36000d", "9999-12-29T00:00", id="beyond the calendar"),
    ],
)
def test_adding(moment: str, duration: str, expected: str) -> None:
    assert calendar.add_duration(utc(moment), Duration.parse(duration), BERLIN) == utc(expected)


@pytest.mark.parametrize(
    ("moment", "duration", "expected"),
    [
        pytest.param("2027-03-28T08:00", "1d", "2027-03-27T09:00", id="a day"),
        pytest.param("2027-03-28T08:00", "24h", "2027-03-27T08:00", id="24 hours"),
        pytest.param("0050-01-01T00:00", "36000d", "0001-01-03T00:00", id="before the calendar"),
    ],
)
def test_subtracting(moment: str, duration: str, expected: str) -> None:
    assert calendar.subtract_duration(utc(moment), Duration.parse(duration), BERLIN) == utc(expected)


@pytest.mark.parametrize(
    ("happened", "moment", "age", "old_enough"),
    [
        pytest.param(
            "2027-04-10T21:59", "2027-05-10T08:00", "30d", True, id="30 dates before, late that day"
        ),
        pytest.param(
            "2027-04-10T22:00", "2027-05-10T08:00", "30d", False, id="29 dates before, past midnight"
        ),
        pytest.param("2027-05-09T08:00", "2027-05-10T08:00", "24h", True, id="exactly 24 hours"),
        pytest.param("2027-05-09T08:01", "2027-05-10T08:00", "24h", False, id="a minute less"),
        pytest.param(
            "0050-05-09T08:01", "0050-05-10T08:00", "36000d", False, id="more than the calendar holds"
        ),
    ],
)
def test_how_old_something_is(happened: str, moment: str, age: str, old_enough: bool) -> None:
    before = calendar.aged_before(utc(moment), Duration.parse(age), BERLIN)
    assert (utc(happened) < before) is old_enough


def test_a_date_entered_ten_days_before_is_not_thirty_days_old() -> None:
    """Case 3."""
    zone, age = ZoneInfo("Europe/Istanbul"), Duration.parse("30d")
    entered = utc("2027-08-01T12:00")
    assert not entered < calendar.aged_before(utc("2027-08-11T07:00"), age, zone)
    assert entered < calendar.aged_before(utc("2028-08-11T07:00"), age, zone)


@pytest.mark.parametrize(
    ("starts", "lead", "notice", "reminder"),
    [
        pytest.param("2027-02-10T02:00", "48h", "2027-02-07T07:00", "2027-02-09T07:00", id="case 18"),
        pytest.param("2027-02-11T02:00", "48h", "2027-02-08T07:00", "2027-02-10T07:00", id="case 18, moved"),
        pytest.param("2027-02-10T10:00", "48h", "2027-02-08T07:00", "2027-02-09T07:00", id="starts at ten"),
    ],
)
def test_planned_work_is_announced_at_ten(starts: str, lead: str, notice: str, reminder: str) -> None:
    zone, ten = ZoneInfo("Europe/Istanbul"), time(10)
    start = calendar.instant(wall(starts), zone)
    by = calendar.subtract_duration(start, Duration.parse(lead), zone)
    assert calendar.latest_at(ten, zone, by) == utc(notice)
    assert calendar.latest_at(ten, zone, start, strictly=True) == utc(reminder)


def celebrated_in(year: int, stored: PartialDate, leap: calendar.LeapDay) -> date:
    """The day on which `stored` is celebrated in `year`, told the other way round than the program does."""
    if (stored.month, stored.day) == (2, 29) and not calendar.is_leap(year):
        return date(year, 2, 28) if leap == "feb28" else date(year, 3, 1)
    return date(year, stored.month, stored.day)


@pytest.mark.parametrize(
    ("stored", "year", "leap", "expected"),
    [
        pytest.param("1992-02-29", 2027, "feb28", "2027-02-28", id="feb28 in a common year"),
        pytest.param("1992-02-29", 2027, "mar1", "2027-03-01", id="mar1 in a common year"),
        pytest.param("1992-02-29", 2028, "mar1", "2028-02-29", id="leap year"),
        pytest.param("--02-29", 2100, "feb28", "2100-02-28", id="2100 is common"),
        pytest.param("--05-10", 2027, "feb28", "2027-05-10", id="an ordinary day"),
    ],
)
def test_anniversaries(stored: str, year: int, leap: calendar.LeapDay, expected: str) -> None:
    parsed = PartialDate.parse(stored)
    assert parsed is not None
    day = date.fromisoformat(expected)
    assert celebrated_in(year, parsed, leap) == day
    assert (parsed.month, parsed.day) in calendar.celebrated_on(day, leap)


@given(day=st.dates(date(1996, 1, 1), date(2104, 12, 31)), leap=st.sampled_from(["feb28", "mar1"]))
def test_the_days_celebrated_agree_with_the_day_of_celebration(day: date, leap: calendar.LeapDay) -> None:
    celebrated = calendar.celebrated_on(day, leap)
    assert (day.month, day.day) in celebrated
    for month, of_month in celebrated:
        assert celebrated_in(day.year, PartialDate(month, of_month), leap) == day
    also = celebrated_in(day.year, PartialDate(2, 29), leap) == day
    assert ((2, 29) in celebrated) is also


@pytest.mark.parametrize(
    "name",
    ["", "Europe", "Europe/Atlantis", "../etc/passwd", "/etc/passwd", "right/UTC", "localtime", "a\0b"],
)
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone; write an IANA name"):
        calendar.zone_named(name)
