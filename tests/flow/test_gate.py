"""Lanes: who waits, who goes, and what becomes of those there is no room for."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.handoff import SendJob
from mailer.core.pacing import Grant
from mailer.core.throttle import Pacing, WarmUp
from mailer.flow import gate as gate_module
from mailer.flow.gate import IN_ALL, LEAST, Gate
from mailer.flow.purse import Purse
from mailer.flow.warm import WarmUpDays
from mailer.testing import a_customer

NOW = datetime(2026, 11, 1, 9, tzinfo=ZoneInfo("Europe/Istanbul"))
A_JOB = SendJob(
    delivery_id=1, run_id=1, version_id=1, campaign="offer", purpose="commercial", occurrence="o", kind="",
    email="a@slow.example", due_at=NOW, attempts=0, message_id=None, customer=a_customer(), customer_key=1,
    planned_at=NOW,
)  # fmt: skip


def jobs(numbers: range, domain: str = "slow.example", priority: int = 0) -> list[SendJob]:
    return [
        replace(A_JOB, delivery_id=number, email=f"c{number}@{domain}", priority=priority)
        for number in numbers
    ]


def gate(**domains: dict[str, float]) -> Gate:
    return Gate(
        Pacing.model_validate({"domains": {f"{name}.example": pace for name, pace in domains.items()}}).limit
    )


def granted(one: Gate, domain: str = "slow.example", **grant: object) -> None:
    one.take({domain: Grant(**grant)}, time.monotonic())  # type: ignore[arg-type]  # by keyword, as named above


def ids(going: list[SendJob]) -> list[int]:
    return [job.delivery_id for job in going]


def test_what_has_no_limit_goes_at_once() -> None:
    one = gate(slow={"rate": 5})
    free, late = one.admit([*jobs(range(1, 3)), *jobs(range(3, 5), "fast.example")])
    assert (ids(free), late, one.parked) == ([3, 4], {}, 2)


def test_each_needs_a_token() -> None:
    one = gate(slow={"rate": 50})
    one.admit(jobs(range(1, 9)))
    assert (one.ready(9), one.promote(9)) == (0, [])
    (want,) = one.wants(time.monotonic())
    assert (want.key, want.tokens) == ("slow.example", 8)
    begun = time.monotonic()
    granted(one, tokens=[0, 0, 60], rate=50)
    assert one.ready(9) == 2
    assert ids(one.promote(9)) == [1, 2]
    assert one.parked == 6
    then = one.next_at(time.monotonic())
    assert then is not None
    assert begun + 60 <= then <= time.monotonic() + 60


def test_each_needs_a_place_and_gives_it_back() -> None:
    one = gate(slow={"connections": 2})
    one.admit(jobs(range(1, 6)))
    granted(one, slots=2)
    assert ids(one.promote(9)) == [1, 2]
    assert one.promote(9) == []
    (want,) = one.wants(time.monotonic())
    assert (want.under_way, want.slots) == (2, 2)
    one.over(1)
    one.over(99)
    assert ids(one.promote(9)) == [3]
    granted(one, slots=1)  # it gave way
    one.over(2)
    assert one.promote(9) == []
    one.over(3)
    assert ids(one.promote(9)) == [4]


def test_the_most_urgent_first_then_a_domain_after_the_other() -> None:
    one = gate(a={"rate": 9}, b={"rate": 9})
    one.admit(jobs(range(1, 4), "a.example"))
    one.admit(jobs(range(4, 6), "b.example"))
    one.admit(jobs(range(6, 7), "a.example", priority=90))
    for domain in ("a.example", "b.example"):
        granted(one, domain, tokens=[0] * 9, rate=9)
    assert ids(one.promote(4)) == [6, 4, 1, 5]
    assert ids(one.promote(9)) == [2, 3]


def test_a_domain_that_gives_way_loses_the_tokens_it_had() -> None:
    one = gate(slow={"rate": 50})
    one.admit(jobs(range(1, 9)))
    granted(one, tokens=[0, 0], rate=50)
    assert one.slower("x@slow.example") == "slow.example"
    assert one.promote(9) == []
    assert one.slower("x@fast.example") is None


def test_a_lane_holds_a_minutes_worth_and_the_rest_comes_back_in_turn() -> None:
    one = gate(slow={"rate": 1})
    _free, late = one.admit(jobs(range(1, 101)))
    assert one.parked == 60
    waits = [late[number] for number in range(61, 101)]
    assert waits[0] == pytest.approx(31, abs=0.5)  # while half of what waits is still here
    assert all(after - before == pytest.approx(1, abs=0.01) for before, after in pairwise(waits))
    assert len(one.clear()) == 60
    assert (one.parked, one.ready(1)) == (0, 0)


def test_a_crawling_domain_keeps_a_few_and_all_lanes_together_are_bounded() -> None:
    one = gate(slow={"rate": 0.01})
    one.admit(jobs(range(1, 101)))
    assert one.parked == LEAST
    many = Gate(Pacing.model_validate({"domains": {"*": {"rate": 1}}}).limit)
    for number in range(0, 2 * IN_ALL, 10):
        many.admit(jobs(range(number, number + 10), f"d{number}.example"))
    assert many.parked == IN_ALL


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.integers(0, 4)), max_size=40))
def test_nobody_is_lost_and_nobody_goes_twice(steps: list[tuple[str, int, int]]) -> None:
    one = gate(a={"rate": 5}, b={"connections": 2}, c={"rate": 5, "connections": 1})
    admitted, gone, number = 0, [], 0
    for name, some, most in steps:
        domain = f"{name}.example"
        _free, late = one.admit(jobs(range(number, number + some), domain, priority=some))
        number, admitted = number + some, admitted + some - len(late)
        granted(one, domain, tokens=[0] * most, rate=5, slots=min(most, 2))
        ready = one.ready(1_000)
        going = one.promote(most)
        assert len(going) == min(most, ready)
        for job in going:
            gone.append(job.delivery_id)
            if job.delivery_id % 2:
                one.over(job.delivery_id)
    left = one.clear()
    assert sorted([*gone, *left]) == sorted({*gone, *left})
    assert len(gone) + len(left) == admitted


def test_a_purse_keeps_a_token_for_a_moment_only() -> None:
    purse = Purse("k", 10)
    purse.put([1.0, 1.1, 5.0])
    assert (purse.usable(1.05, 9), purse.usable(1.2, 9), purse.usable(1.2, 1)) == (1, 2, 1)
    assert not purse.spend(0.5)
    assert purse.asked
    assert purse.spend(1.3)
    assert purse.usable(2.0, 9) == 0
    assert (purse.next_at(2.0), purse.ahead(2.0)) == (5.0, 3.0)
    assert Purse("k", None).spend(0.0)
    assert Purse("k", None).usable(0.0, 7) == 7


class Days:
    """A day's number, held in memory."""

    def __init__(self) -> None:
        self.used = 0

    async def allot(self, _day: object, wanted: int, most: int) -> int:
        given = max(0, min(wanted, most - self.used))
        self.used += given
        return given

    async def give_back(self, _day: object, number: int) -> None:
        self.used -= number


async def test_a_day_of_the_warm_up() -> None:
    told: list[str] = []
    days = Days()
    warm = WarmUpDays(days, WarmUp(start=NOW.date(), first_day=5), ZoneInfo("Europe/Istanbul"), told.append)
    service = replace(A_JOB, delivery_id=50, purpose="service")
    going, late = await warm.admit([*jobs(range(1, 8)), service], NOW)
    assert ids(going) == [1, 2, 3, 4, 5, 50]
    tomorrow = datetime(2026, 11, 2, tzinfo=ZoneInfo("Europe/Istanbul"))
    assert late == {6: tomorrow, 7: tomorrow}
    assert told == [
        "The warm-up's 5 commercial mails of 2026-11-01 are taken; the others wait for the next day."
    ]

    warm.over(1, left=True)
    warm.over(2, left=False)  # deferred: another may go instead
    going, late = await warm.admit(jobs(range(6, 8)), NOW)
    assert (ids(going), set(late)) == ([6], {7})
    await warm.leave()
    assert days.used == 1
    going, late = await warm.admit(jobs(range(10, 30)), tomorrow)
    assert (len(going), len(told)) == (6, 2)
    warm.over(6, left=False)  # it was counted to the day before
    assert (await warm.admit(jobs(range(40, 41)), tomorrow))[0] == []
    assert len(told) == 2  # once a day


def test_lanes_that_nobody_uses_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "IDLE_LANES", 2)
    one = Gate(Pacing.model_validate({"domains": {"*": {"rate": 100}}}).limit)
    for number in range(4):
        one.admit(jobs(range(number, number + 1), f"d{number}.example"))
    one.clear()
    one.admit(jobs(range(9, 10), "d1.example"))
    assert [want.key for want in one.wants(time.monotonic())] == ["d1.example"]
    assert list(one._lanes) == ["d1.example"]
