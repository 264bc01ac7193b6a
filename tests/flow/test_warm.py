"""The days of a warm-up as one sender counts them, without a database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from mailer.core.throttle import WarmUp
from mailer.flow.warm import WarmUpDays

ISTANBUL = ZoneInfo("Europe/Istanbul")
DAY = date(2027, 1, 15)
MORNING = datetime(2027, 1, 15, 6, tzinfo=UTC)
TOMORROW = MORNING + timedelta(days=1)
WARM_UP = WarmUp(start=DAY, first_day=100)  # what a day has is for the database to say


class Days:
    """So many a day for all senders."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken: dict[date, int] = {}

    async def allot(self, day: date, wanted: int, _most: int) -> int:
        number = min(wanted, self.most - self.taken.get(day, 0))
        self.taken[day] = self.taken.get(day, 0) + number
        return number

    async def give_back(self, day: date, number: int) -> None:
        self.taken[day] -= number


class Job:
    def __init__(self, number: int) -> None:
        self.delivery_id, self.purpose = number, "commercial"


def jobs(*numbers: int) -> Any:
    return [Job(each) for each in numbers]


def warming(days: Days, told: list[str]) -> WarmUpDays:
    return WarmUpDays(days, WARM_UP, ISTANBUL, told.append)


async def test_what_did_not_leave_is_free_for_another_the_same_day() -> None:
    days, told = Days(1), list[str]()
    warm = warming(days, told)
    going, late = await warm.admit(jobs(1, 2), MORNING)
    assert ([each.delivery_id for each in going], list(late)) == ([1], [2])
    warm.over(1, left=False)
    going, _ = await warm.admit(jobs(2), MORNING)
    assert [each.delivery_id for each in going] == [2]


async def test_what_is_over_after_midnight_gives_the_new_day_nothing() -> None:
    days, told = Days(1), list[str]()
    warm = warming(days, told)
    await warm.admit(jobs(1), MORNING)
    await warm.admit(jobs(2), TOMORROW)
    warm.over(1, left=False)
    going, _ = await warm.admit(jobs(3), TOMORROW)
    assert going == []
    await warm.leave()
    assert days.taken == {DAY: 1, DAY + timedelta(days=1): 0}


async def test_a_full_day_is_told_once_and_the_next_again() -> None:
    days, told = Days(1), list[str]()
    warm = warming(days, told)
    for at in (MORNING, MORNING, TOMORROW):
        await warm.admit(jobs(1, 2), at)
    assert ["2027-01-15" in each for each in told] == [True, False]
    assert "2027-01-16" in told[1]
