"""What falls due when, in every zone of the world."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core import calendar, occurrence
from mailer.core.duration import Duration
from mailer.core.trigger import AnniversaryTrigger, AtTrigger, CronTrigger

ZONES = sorted(zone for zone in available_timezones() if zone not in {"localtime", "Factory", "posixrules"})
zones = st.sampled_from(ZONES).map(ZoneInfo)
instants = st.datetimes(datetime(2000, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
times = st.times().map(lambda at: at.replace(second=0, microsecond=0))

ISTANBUL = ZoneInfo("Europe/Istanbul")
NEWSLETTER = CronTrigger(cron="0 10 * * tue", timezone="customer")
BIRTHDAY = AnniversaryTrigger(anniversary="birthday", at=time(10))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fired(trigger: CronTrigger | AtTrigger, zone: str, start: str, end: str) -> list[tuple[str, str]]:
    found = occurrence.occurrences(trigger, ZoneInfo(zone), utc(start), utc(end))
    return [(each.key, f"{each.due:%Y-%m-%dT%H:%M}") for each in found]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        pytest.param(
            "Europe/London",
            [("2027-03-23", "2027-03-23T10:00"), ("2027-03-30", "2027-03-30T09:00")],
            id="London",
        ),
        pytest.param(
            "Europe/Istanbul",
            [("2027-03-23", "2027-03-23T07:00"), ("2027-03-30", "2027-03-30T07:00")],
            id="Istanbul",
        ),
    ],
)
def test_the_newsletter_over_the_change_to_summer(zone: str, expected: list[tuple[str, str]]) -> None:
    """Case 6."""
    assert fired(NEWSLETTER, zone, "2027-03-22T00:00", "2027-04-01T00:00") == expected


@pytest.mark.parametrize(
    ("cron", "zone", "start", "end", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2027-03-27T12:00",
            "2027-03-28T12:00",
            [("2027-03-28", "2027-03-28T01:30")],
            id="02:30 when it is skipped",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2027-10-30T12:00",
            "2027-10-31T12:00",
            [("2027-10-31", "2027-10-31T00:30")],
            id="02:30 when it comes twice",
        ),
        pytest.param(
            "0,30 2-3 * * *",
            "Europe/Berlin",
            "2027-03-27T12:00",
            "2027-03-28T12:00",
            [("2027-03-28T03:00", "2027-03-28T01:00"), ("2027-03-28T03:30", "2027-03-28T01:30")],
            id="what the gap brings together is one",
        ),
        pytest.param(
            "0 10 * * *",
            "Pacific/Apia",
            "2011-12-29T00:00",
            "2011-12-31T23:59",
            [
                ("2011-12-29", "2011-12-29T20:00"),
                ("2011-12-31", "2011-12-30T20:00"),
                ("2012-01-01", "2011-12-31T20:00"),
            ],
            id="daily in Apia over the day that never was",
        ),
        pytest.param(
            "0 10 * * fri",
            "Pacific/Apia",
            "2011-12-29T00:00",
            "2011-12-31T23:59",
            [("2011-12-30", "2011-12-30T20:00")],
            id="weekly in Apia, on that very day",
        ),
        pytest.param(
            "0 10,18 * * *",
            "Europe/Istanbul",
            "2027-05-10T00:00",
            "2027-05-10T23:00",
            [("2027-05-10T10:00", "2027-05-10T07:00"), ("2027-05-10T18:00", "2027-05-10T15:00")],
            id="several a day carry their time",
        ),
        pytest.param(
            "0 10 * * *", "UTC", "2027-05-10T10:00", "2027-05-11T09:59", [], id="the start is left out"
        ),
        pytest.param(
            "0 10 * * *",
            "UTC",
            "2027-05-10T10:00",
            "2027-05-11T10:00",
            [("2027-05-11", "2027-05-11T10:00")],
            id="the end is not",
        ),
    ],
)
def test_crons(cron: str, zone: str, start: str, end: str, expected: list[tuple[str, str]]) -> None:
    assert fired(CronTrigger(cron=cron), zone, start, end) == expected


def test_a_fixed_time() -> None:
    trigger = AtTrigger(at=datetime(2026, 12, 1, 10), timezone="customer")  # noqa: DTZ001  # a wall
    assert fired(trigger, "Asia/Tokyo", "2026-12-01T00:59", "2026-12-01T01:00") == [
        ("2026-12-01", "2026-12-01T01:00")
    ]
    assert fired(trigger, "Asia/Tokyo", "2026-12-01T01:00", "2027-12-01T01:00") == []
    assert occurrence.next_due(trigger, ISTANBUL, utc("2026-11-30T00:00")) == utc("2026-12-01T07:00")
    assert occurrence.next_due(trigger, ISTANBUL, utc("2026-12-01T07:00")) is None


@pytest.mark.parametrize(
    ("zone", "since", "never"),
    [
        (None, "2026-12-01T07:00", False),
        (None, "2026-12-01T07:01", True),
        ("Europe/London", "2026-12-01T10:00", False),
        ("Europe/London", "2026-12-01T10:01", True),
        ("customer", "2026-12-01T22:00", False),
        ("customer", "2026-12-01T22:01", True),
    ],
)
def test_what_was_over_before_anybody_knew_never_comes(zone: str | None, since: str, never: bool) -> None:
    trigger = AtTrigger.model_validate({"at": "2026-12-01T10:00", "timezone": zone})
    assert occurrence.never_comes(trigger, ISTANBUL, utc(since)) is never


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param(None, ISTANBUL, id="the tenant's"),
        pytest.param("Asia/Tokyo", ZoneInfo("Asia/Tokyo"), id="named"),
        pytest.param("customer", None, id="each customer's"),
    ],
)
def test_whose_wall_times(written: str | None, expected: ZoneInfo | None) -> None:
    assert occurrence.fixed_zone(CronTrigger(cron="0 10 * * *", timezone=written), ISTANBUL) == expected


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        pytest.param("* * * * *", "2027-05-10T07:00", "2027-05-10T07:01", id="the next minute"),
        pytest.param("0 10 * * tue", "2027-05-10T07:00", "2027-05-11T07:00", id="tomorrow"),
        pytest.param("0 10 1 * *", "2027-05-10T07:00", "2027-06-01T07:00", id="next month"),
        pytest.param("0 10 1 1 *", "2027-01-02T07:00", "2028-01-01T07:00", id="next year"),
        pytest.param("0 10 29 2 *", "2096-03-01T00:00", "2104-02-29T07:00", id="2100 is common"),
        pytest.param("0 10 29 2 */7", "2088-03-01T00:00", "2128-02-29T07:00", id="the rarest there is"),
    ],
)
def test_next(cron: str, after: str, expected: str) -> None:
    assert occurrence.next_due(CronTrigger(cron=cron), ISTANBUL, utc(after)) == utc(expected)


def birthdays(
    zone: str, start: str, end: str, leap: calendar.LeapDay = "feb28"
) -> dict[str, list[tuple[int, int]]]:
    found = occurrence.anniversary_days(BIRTHDAY, ZoneInfo(zone), utc(start), utc(end), leap)
    return {f"{each.key} {each.due:%d %H:%M}": list(each.days) for each in found}


@pytest.mark.parametrize(
    ("leap", "start", "end", "expected"),
    [
        pytest.param(
            "feb28",
            "2027-02-27T12:00",
            "2027-03-01T12:00",
            {"2027-02-28 28 07:00": [(2, 28), (2, 29)], "2027-03-01 01 07:00": [(3, 1)]},
            id="a common year",
        ),
        pytest.param(
            "feb28",
            "2028-02-27T12:00",
            "2028-02-29T12:00",
            {"2028-02-28 28 07:00": [(2, 28)], "2028-02-29 29 07:00": [(2, 29)]},
            id="a leap year",
        ),
        pytest.param(
            "mar1",
            "2027-02-27T12:00",
            "2027-03-01T12:00",
            {"2027-02-28 28 07:00": [(2, 28)], "2027-03-01 01 07:00": [(3, 1), (2, 29)]},
            id="the first of March instead",
        ),
    ],
)
def test_born_on_29_february(
    leap: calendar.LeapDay, start: str, end: str, expected: dict[str, list[tuple[int, int]]]
) -> None:
    """Case 1."""
    assert birthdays("Europe/Istanbul", start, end, leap) == expected


def test_the_trigger_s_leap_day_wins() -> None:
    trigger = AnniversaryTrigger(anniversary="birthday", leap_day="mar1")
    (day,) = occurrence.anniversary_days(
        trigger, ISTANBUL, utc("2027-02-28T12:00"), utc("2027-03-01T12:00"), "feb28"
    )
    assert day.days == ((3, 1), (2, 29))


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        pytest.param("Pacific/Kiritimati", "2027-05-09T20:00", id="Kiritimati"),
        pytest.param("Pacific/Pago_Pago", "2027-05-10T21:00", id="Pago Pago"),
    ],
)
def test_a_birthday_at_the_ends_of_the_world(zone: str, expected: str) -> None:
    """Case 2."""
    found = occurrence.anniversary_days(
        BIRTHDAY, ZoneInfo(zone), utc("2027-05-01T00:00"), utc("2027-05-20T00:00"), "feb28"
    )
    assert [day.due for day in found if (5, 10) in day.days] == [utc(expected)]


def test_a_birthday_on_the_day_that_never_was() -> None:
    assert birthdays("Pacific/Apia", "2011-12-30T00:00", "2011-12-31T00:00") == {
        "2011-12-30 30 20:00": [(12, 30)],
        "2011-12-31 30 20:00": [(12, 31)],
    }


def test_what_is_caught_up_after_six_days_down() -> None:
    """Case 5: three days back, so 8, 9 and 10 May; 6 May is too long ago."""
    now = utc("2027-05-11T06:00")
    start = occurrence.catch_up_window(now, Duration.parse("72h"))
    found = occurrence.anniversary_days(BIRTHDAY, ISTANBUL, start, now, "feb28")
    assert [day.key for day in found] == ["2027-05-08", "2027-05-09", "2027-05-10"]


@pytest.mark.parametrize(
    ("catch_up", "zone", "expected"),
    [
        pytest.param("24h", None, "2027-03-27T08:00", id="hours"),
        pytest.param("1d", None, "2027-03-27T08:00", id="a day without a zone"),
        pytest.param("1d", ZoneInfo("Europe/Berlin"), "2027-03-27T09:00", id="a day of 23 hours"),
    ],
)
def test_windows(catch_up: str, zone: ZoneInfo | None, expected: str) -> None:
    assert occurrence.catch_up_window(utc("2027-03-28T08:00"), Duration.parse(catch_up), zone) == utc(
        expected
    )


def test_an_event_falls_due_after_calendar_days() -> None:
    at, berlin = utc("2027-03-25T17:00"), ZoneInfo("Europe/Berlin")
    assert occurrence.due_for_event(at, Duration.parse("7d"), berlin) == utc("2027-04-01T16:00")
    assert occurrence.due_for_event(at, Duration.parse("168h"), berlin) == utc("2027-04-01T17:00")
    assert occurrence.due_for_event(at, Duration(), berlin) == at


def test_the_last_zone_of_a_wall_time() -> None:
    world = [ZoneInfo(name) for name in ("Europe/Berlin", "Europe/Istanbul", "Pacific/Apia")]
    wall = datetime.fromisoformat("2027-05-11T10:00")
    assert occurrence.last_due_over_zones(wall, world) == utc("2027-05-11T08:00")


# Laws ----------------------------------------------------------------------------------------------------


@settings(max_examples=150)
@given(zone=zones, at=times, start=instants)
def test_a_daily_cron_fires_once_on_every_local_date(zone: ZoneInfo, at: time, start: datetime) -> None:
    end = start + timedelta(days=200)
    found = occurrence.occurrences(CronTrigger(cron=f"{at.minute} {at.hour} * * *"), zone, start, end)
    days = [each.local_date for each in found]
    first, last = days[0], days[-1]
    whole = {first + timedelta(days=offset) for offset in range((last - first).days + 1)}
    never_were = {
        day
        for day in whole
        if calendar.local_date(calendar.instant(datetime.combine(day, time()), zone), zone) != day
        and calendar.local_date(calendar.instant(datetime.combine(day, time(23, 59)), zone), zone) != day
    }
    assert len(days) == len(set(days))
    assert set(days) == whole - never_were
    assert all(start < each.due <= end for each in found)
    assert [each.due for each in found] == sorted({each.due for each in found})


@settings(max_examples=150)
@given(
    zone=zones,
    cron=st.sampled_from(["0 10 * * *", "*/15 1-3 * * *", "30 2 * * sun", "0 0 29 2 *", "59 23 31 * mon"]),
    points=st.tuples(instants, st.integers(0, 60 * 24 * 40), st.integers(0, 60 * 24 * 40)),
)
def test_neighbouring_windows_see_everything_once(
    zone: ZoneInfo, cron: str, points: tuple[datetime, int, int]
) -> None:
    trigger = CronTrigger(cron=cron)
    first = points[0]
    middle = first + timedelta(minutes=points[1])
    last = middle + timedelta(minutes=points[2])
    halves = [occurrence.occurrences(trigger, zone, *window) for window in ((first, middle), (middle, last))]
    assert halves[0] + halves[1] == occurrence.occurrences(trigger, zone, first, last)


@settings(max_examples=100)
@given(
    zone=zones,
    cron=st.sampled_from(["0 10 * * *", "*/20 * * * *", "30 2 * * sun", "0 9 1 * *"]),
    after=instants,
)
def test_the_next_is_the_first_that_follows(zone: ZoneInfo, cron: str, after: datetime) -> None:
    trigger = CronTrigger(cron=cron)
    due = occurrence.next_due(trigger, zone, after)
    assert due is not None
    assert due > after
    assert [each.due for each in occurrence.occurrences(trigger, zone, after, due)] == [due]


@settings(max_examples=80)
@given(
    zone=zones,
    born=st.dates(date(2000, 1, 1), date(2000, 12, 31)),
    at=times,
    leap=st.sampled_from(["feb28", "mar1"]),
    year=st.integers(2001, 2049),
)
def test_an_anniversary_comes_once_a_year(
    zone: ZoneInfo, born: date, at: time, leap: calendar.LeapDay, year: int
) -> None:
    trigger = AnniversaryTrigger(anniversary="birthday", at=at)
    cuts = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=days) for days in (-5, 50, 70, 200, 300, 371)]
    found = [
        day
        for start, end in pairwise(cuts)
        for day in occurrence.anniversary_days(trigger, zone, start, end, leap)
        if (born.month, born.day) in day.days and day.local_date.year == year
    ]
    assert len(found) == 1
    assert found[0].due == calendar.instant(datetime.combine(found[0].local_date, at), zone)
