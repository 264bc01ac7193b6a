"""Cron expressions mean what crontab(5) says."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.cron import read_cron, walls_between

START = datetime(2027, 3, 1)  # noqa: DTZ001  # a Monday, on the wall


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("0 9 * * 1", ["2027-03-01T09:00", "2027-03-08T09:00"], id="1 is Monday"),
        pytest.param("0 10 * * tue", ["2027-03-02T10:00", "2027-03-09T10:00"], id="by name"),
        pytest.param("0 10 * * 0", ["2027-03-07T10:00", "2027-03-14T10:00"], id="0 is Sunday"),
        pytest.param("0 10 * * 7", ["2027-03-07T10:00", "2027-03-14T10:00"], id="7 is Sunday"),
        pytest.param("0 10 * * SUN", ["2027-03-07T10:00", "2027-03-14T10:00"], id="capitals"),
        pytest.param("0 10 * * 5-7", ["2027-03-05T10:00", "2027-03-06T10:00", "2027-03-07T10:00"], id="5-7"),
        pytest.param(
            "0 10 * * fri-sun", ["2027-03-05T10:00", "2027-03-06T10:00", "2027-03-07T10:00"], id="fri-sun"
        ),
        pytest.param("0 10 * * 0-2", ["2027-03-01T10:00", "2027-03-02T10:00", "2027-03-07T10:00"], id="0-2"),
        pytest.param(
            "0 10 * * sun-tue", ["2027-03-01T10:00", "2027-03-02T10:00", "2027-03-07T10:00"], id="sun-tue"
        ),
        pytest.param("0 10 1,15 * *", ["2027-03-01T10:00", "2027-03-15T10:00"], id="list"),
        pytest.param(
            "0 8-18/5 * * *", ["2027-03-01T08:00", "2027-03-01T13:00", "2027-03-01T18:00"], id="step"
        ),
        pytest.param("50/5 8 * * *", ["2027-03-01T08:50", "2027-03-01T08:55"], id="step from a number"),
        pytest.param("0 0 1 jan-mar/2 *", ["2027-03-01T00:00", "2028-01-01T00:00"], id="months by name"),
        pytest.param(
            "0 10 13 * fri", ["2027-03-05T10:00", "2027-03-12T10:00", "2027-03-13T10:00"], id="either day"
        ),
        pytest.param("0 10 5 * fri", ["2027-03-05T10:00", "2027-03-12T10:00"], id="either day, on one day"),
        pytest.param("0 10 */10 * mon", ["2027-03-01T10:00", "2027-05-31T10:00"], id="a star asks for both"),
        pytest.param("0 10 29 2 *", ["2028-02-29T10:00", "2032-02-29T10:00"], id="29 February"),
        pytest.param(
            "0 10 31 2 mon", ["2028-02-07T10:00", "2028-02-14T10:00"], id="either day saves 31 February"
        ),
    ],
)
def test_when_it_fires(text: str, expected: list[str]) -> None:
    fired = [
        wall.isoformat(timespec="minutes") for wall in islice(read_cron(text).walls(START), len(expected))
    ]
    assert fired == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(
            "0 10 31 2 *", "'0 10 31 2 *' never fires: no calendar has such a day", id="31 February"
        ),
        pytest.param("0 10 31 apr,jun *", "never fires", id="31 April or June"),
        pytest.param("0 10 30 2 */2", "never fires", id="both days asked for"),
        pytest.param("0 25 * * *", "the hour field '25' holds 25; it goes from 0 to 23", id="hour"),
        pytest.param("60 1 * * *", "the minute field '60' holds 60", id="minute"),
        pytest.param("0 1 0 * *", "the day-of-month field '0' holds 0", id="day 0"),
        pytest.param("0 1 * 13 *", "the month field '13' holds 13", id="month"),
        pytest.param("0 1 * * 8", "the day-of-week field '8' holds 8", id="weekday"),
        pytest.param("0 1 * * mun", "the day-of-week field 'mun' is not understood at 'mun'", id="name"),
        pytest.param("0 mon * * *", "the hour field 'mon' is not understood", id="name in the wrong field"),
        pytest.param("0 1 * * fri-mon", "range that runs backwards, 'fri-mon'", id="backwards"),
        pytest.param("*/0 1 * * *", "the minute field '*/0' has a step of 0", id="step of 0"),
        pytest.param("*-5 1 * * *", "is not understood at '*-5'", id="star in a range"),
        pytest.param("1,,2 1 * * *", "is not understood at ''", id="empty item"),
        pytest.param("0 1 L * *", "is not understood at 'l'", id="another dialect"),
        pytest.param("@daily", "is not a cron: it takes five fields", id="nickname"),
        pytest.param("0 0 1 * * *", "not 6", id="six fields"),
        pytest.param("", "not 0", id="empty"),
        pytest.param("٣ 1 * * *", "is not understood", id="other digits"),
    ],
)
def test_what_it_refuses(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_cron(text)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def field(low: int, high: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    some = st.frozensets(st.integers(low, high), min_size=1, max_size=4)
    return st.one_of(
        st.just(("*", frozenset(range(low, high + 1)))),
        some.map(lambda values: (",".join(map(str, values)), values)),
        st.integers(2, 9).map(lambda step: (f"*/{step}", frozenset(range(low, high + 1, step)))),
    )


@settings(max_examples=60)
@given(
    hour=st.sampled_from([("10", frozenset({10})), ("8-18/5", frozenset({8, 13, 18}))]),
    day=field(1, 31),
    month=field(1, 12),
    weekday=field(0, 7),
    start=st.dates(date(2024, 1, 1), date(2040, 1, 1)),
)
def test_it_fires_on_exactly_the_days_crontab_means(
    hour: tuple[str, frozenset[int]],
    day: tuple[str, frozenset[int]],
    month: tuple[str, frozenset[int]],
    weekday: tuple[str, frozenset[int]],
    start: date,
) -> None:
    last = start + timedelta(days=120)
    by_either = "*" not in day[0] and "*" not in weekday[0]
    expected = []
    for offset in range(121):
        today = start + timedelta(days=offset)
        of_month = today.day in day[1]
        of_week = not weekday[1].isdisjoint({today.isoweekday(), today.isoweekday() % 7})
        if today.month in month[1] and (of_month or of_week if by_either else of_month and of_week):
            expected += [datetime(today.year, today.month, today.day, at) for at in sorted(hour[1])]  # noqa: DTZ001
    text = f"0 {hour[0]} {day[0]} {month[0]} {weekday[0]}"
    try:
        found = list(walls_between(text, start, last))
    except ValueError:
        found = []  # 31 June: it was refused because it never fires
    assert found == expected


def test_several_a_day() -> None:
    assert read_cron("0 10,18 * * *").several_a_day
    assert read_cron("*/30 10 * * *").several_a_day
    assert not read_cron("30 10 * * *").several_a_day
