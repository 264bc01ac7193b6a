"""Tokens, giving way, sharing and warming up: tables, and what holds for every order of events."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mailer.core.delivery import Accepted, InDoubt, Phase, Refused, Reply, TryLater
from mailer.core.pacing import (
    AHEAD,
    FLOOR,
    HOLD,
    RECOVERY,
    Bucket,
    Limit,
    allowance,
    fresh,
    kept_for,
    share,
    slots,
    slow_down,
    take,
    throttles,
)
from mailer.core.throttle import Pacing, WarmUp

# Tokens ------------------------------------------------------------------------------------------------


def test_a_fresh_bucket_gives_one_now_and_the_rest_at_its_rate() -> None:
    _after, tokens = take(fresh(20, 100.0), 20, 100.0, 5)
    assert tokens.times == pytest.approx([100.0, 100.05, 100.10, 100.15, 100.20])


def test_no_more_is_given_out_ahead_than_for_a_moment() -> None:
    after, tokens = take(fresh(20, 100.0), 20, 100.0, 1_000)
    assert tokens.count == 1 + AHEAD * 20
    assert take(after, 20, 100.0, 1_000)[1].count == 0
    assert take(after, 20, 100.1, 1_000)[1].count == 2


def test_a_low_rate_gives_one_at_a_time() -> None:
    after, tokens = take(fresh(0.1, 100.0), 0.1, 100.0, 9)
    assert tokens.times == [100.0]
    assert take(after, 0.1, 109.0, 9)[1].count == 0
    assert take(after, 0.1, 109.6, 9)[1].times == [110.0]


def test_what_nobody_asked_for_is_kept_for_a_moment_only() -> None:
    _after, tokens = take(fresh(20, 100.0), 20, 500.0, 1_000)
    assert sum(time <= 500.0 for time in tokens.times) == 20 * kept_for(20)


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    after, _tokens = take(fresh(20, 4_000.0), 20, 4_000.0, 5)
    after, tokens = take(after, 20, 400.0, 1_000)
    assert tokens.count == AHEAD * 20
    assert take(after, 20, 400.0, 1_000)[1].count == 0
    gave_way = slow_down(fresh(20, 4_000.0), 4_000.0)
    assert slow_down(gave_way, 400.0).slowed_at == 400.0


rates = st.floats(0.05, 500)
asks = st.lists(st.tuples(st.floats(0, 3), st.integers(0, 60)), max_size=15)


@given(rates, asks, st.floats(0, 20))
def test_never_more_than_the_rate_in_any_window(
    rate: float, asked: list[tuple[float, int]], window: float
) -> None:
    now, bucket, times = 1_000.0, fresh(rate, 1_000.0), []
    for pause, wanted in asked:  # several senders in any order: they share the row
        now += pause
        bucket, tokens = take(bucket, rate, now, wanted)
        assert tokens.count <= wanted
        assert all(time <= now + AHEAD + 1e-6 for time in tokens.times)
        times += tokens.times
    assert times == sorted(times)
    for index, start in enumerate(times):
        inside = bisect_right(times, start + window) - index
        assert inside <= rate * window + 1 + 1e-3


# Giving way --------------------------------------------------------------------------------------------


def test_a_limit_halves_once_for_what_was_under_way_and_comes_back_slowly() -> None:
    bucket = slow_down(Bucket(0.0), 1_000.0)
    assert share(bucket, 1_000.0) == 0.5
    assert slow_down(bucket, 1_000.0 + HOLD / 2) is bucket
    assert share(bucket, 1_060.0) == pytest.approx(0.6)
    assert share(bucket, 1_300.0) == 1.0
    assert share(slow_down(bucket, 1_060.0), 1_060.0) == pytest.approx(0.3)


@given(st.lists(st.floats(0, 400), min_size=1, max_size=20), st.floats(0, 400), st.floats(0, 400))
def test_recovery_never_falls_and_giving_way_never_ends_below_the_floor(
    pauses: list[float], one: float, more: float
) -> None:
    now, bucket = 1_000.0, Bucket(0.0)
    for pause in pauses:
        now += pause
        before = share(bucket, now)
        bucket = slow_down(bucket, now)
        assert FLOOR <= share(bucket, now) <= before <= 1
    assert share(bucket, now + one) <= share(bucket, now + one + more) <= 1
    assert share(bucket, now + one + more) - share(bucket, now + one) <= more * RECOVERY + 1e-9


@pytest.mark.parametrize(
    ("outcome", "gives_way"),
    [
        (TryLater(Phase.RCPT, Reply(421, "too much")), True),
        (TryLater(Phase.DOT, Reply(421, "too much", "4.7.28")), True),
        (TryLater(Phase.DOT, Reply(451, "rate", "4.7.1")), True),
        (TryLater(Phase.RCPT, Reply(450, "rate", "4.7.0")), True),
        (TryLater(Phase.RCPT, Reply(450, "greylisted", "4.2.0")), False),
        (TryLater(Phase.RCPT, Reply(452, "full", "4.2.2")), False),
        (TryLater(Phase.CONNECT, Reply(421, "too many connections", "4.7.0")), False),
        (TryLater(Phase.MAIL, Reply(421, "go away")), False),
        (TryLater(Phase.DATA), False),
        (Refused(Phase.RCPT, Reply(550, "blocked", "5.7.1")), False),
        (Accepted(Reply(250)), False),
        (InDoubt(), False),
        (None, False),
    ],
)
def test_which_replies_mean_too_much(outcome: object, gives_way: bool) -> None:
    assert throttles(outcome) is gives_way


# Mails at the same time ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "others", "needed", "wanted", "found"),
    [
        pytest.param(3, {}, 0, 10, 3, id="alone"),
        pytest.param(3, {}, 0, 2, 2, id="no more than wanted"),
        pytest.param(4, {7: 4}, 0, 4, 0, id="all taken"),
        pytest.param(4, {7: 2}, 0, 4, 2, id="the same for each"),
        pytest.param(4, {7: 0}, 4, 4, 4, id="what is under way stays"),
        pytest.param(4, {7: 0}, 1, 4, 2, id="a newcomer is made room for"),
        pytest.param(1, {7: 0}, 0, 4, 1, id="one at a time"),
    ],
)
def test_slots(limit: int, others: dict[int, int], needed: int, wanted: int, found: int) -> None:
    assert slots(limit, others, 5, needed, wanted, now=0.0) == found


def test_a_single_slot_goes_round() -> None:
    turns = {slots(1, {7: 0}, 5, 0, 1, now) for now in (0.0, HOLD)}
    assert turns == {0, 1}


@given(
    st.integers(1, 6),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8), st.floats(0, 30)), max_size=60),
)
def test_senders_together_never_have_more_than_the_limit(
    limit: int, events: list[tuple[int, int, float]]
) -> None:
    have, now = dict.fromkeys(range(4), 0), 0.0
    for sender, wanted, pause in events:
        now += pause
        others = {each: held for each, held in have.items() if each != sender}
        have[sender] = slots(limit, others, sender, min(have[sender], wanted), wanted, now)
        assert sum(have.values()) <= limit


# Warming up ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "number"),
    [
        (date(2026, 10, 30), 500),
        (date(2026, 11, 1), 500),
        (date(2026, 11, 2), 750),
        (date(2026, 11, 3), 1_125),
        (date(2026, 11, 25), 8_417_056),
        (date(2026, 11, 26), None),
        (date(2036, 11, 1), None),
    ],
)
def test_more_may_leave_each_day(day: date, number: int | None) -> None:
    assert WarmUp(start=date(2026, 11, 1), first_day=500).allowance(day) == number


@given(st.integers(1, 100_000), st.floats(1, 10), st.integers(-10, 10_000))
def test_no_day_allows_less_than_the_one_before(first_day: int, growth: float, days: int) -> None:
    start = date(2026, 11, 1)
    one = allowance(start, first_day, growth, date.fromordinal(start.toordinal() + days))
    next_ = allowance(start, first_day, growth, date.fromordinal(start.toordinal() + days + 1))
    assert (one is None and next_ is None) or next_ is None or (one is not None and one <= next_)


# Limits by domain ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("email", "found"),
    [
        ("a@gmail.com", ("gmail.com", Limit(20, 3))),
        ("a@GMail.com", ("gmail.com", Limit(20, 3))),
        ("a@bücher.example", ("xn--bcher-kva.example", Limit(1))),
        ("a@XN--BCHER-KVA.example", ("xn--bcher-kva.example", Limit(1))),
        ("a@free.example", None),
        ("a@other.example", ("other.example", Limit(None, 2))),
    ],
)
def test_the_limit_of_an_address(email: str, found: tuple[str, Limit] | None) -> None:
    pacing = Pacing.model_validate(
        {
            "domains": {
                "Gmail.com": {"rate": 20, "connections": 3},
                "bücher.example": {"rate": 1},
                "free.example": None,
                "*": {"connections": 2},
            }
        }
    )
    assert pacing.limit(email) == found
    assert Pacing().limit(email) is None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"domains": {"gmail": {}}}, "'gmail' is no domain"),
        ({"domains": {"a@gmail.com": {}}}, "is no domain"),
        ({"domains": {"gmail.com": {}, "GMAIL.com": {}}}, "gmail.com is there twice"),
        ({"domains": {"gmail.com": {"rate": 0}}}, "greater than 0"),
        ({"domains": {"gmail.com": {"speed": 1}}}, "Extra inputs"),
        ({"domains": ["gmail.com"]}, "valid dictionary"),
        ({"warm_up": {"start": "2026-11-01"}}, "first_day"),
        ({"warm_up": {"start": "2026-11-01", "first_day": 5, "growth": 0.5}}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Pacing.model_validate(values)
