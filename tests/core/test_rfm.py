from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.rfm import HIGHEST, LOWEST, Purchases, Round, Scores, is_stale, nights, score

ISTANBUL = ZoneInfo("Europe/Istanbul")
DAY = datetime(2027, 3, 1, tzinfo=UTC)


def bought(days: int, count: int = 1, net: int = 0) -> Purchases:
    return Purchases(DAY + timedelta(days=days), count, net)


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        pytest.param([], [], id="nobody"),
        pytest.param([7], [1], id="one alone is no better than anybody"),
        pytest.param([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], id="a fifth each"),
        pytest.param([5, 1, 4, 2, 3], [5, 1, 4, 2, 3], id="in any order"),
        pytest.param(list(range(10)), [1, 1, 2, 2, 3, 3, 4, 4, 5, 5], id="two in a fifth"),
        pytest.param([1, 2, 3], [1, 2, 4], id="fewer than five"),
        pytest.param([1] * 8 + [2, 3], [1] * 8 + [5, 5], id="most ordered once"),
        pytest.param([3] * 4, [1] * 4, id="all alike"),
        pytest.param([1, 2, 2, 2, 2], [1, 2, 2, 2, 2], id="a tie at the top shares the lower place"),
    ],
)
def test_a_score_is_the_fifth_one_stands_in(counts: list[int], wanted: list[int]) -> None:
    found = score({place: bought(0, count) for place, count in enumerate(counts)})
    assert [found[place].f for place in range(len(counts))] == wanted


def test_each_letter_looks_at_its_own() -> None:
    found = score({"a": bought(0, 9, -5), "b": bought(1, 1, 0), "c": bought(2, 5, 0)})
    assert found == {"a": Scores(1, 4, 1), "b": Scores(2, 1, 2), "c": Scores(4, 2, 2)}


CUSTOMERS = st.dictionaries(
    st.integers(), st.builds(bought, st.integers(0, 9), st.integers(1, 5), st.integers(-3, 9)), max_size=30
)


def values(one: Purchases) -> tuple[Any, ...]:
    return one.last, one.count, one.net_e4


def letters(one: Scores) -> tuple[int, int, int]:
    return one.r, one.f, one.m


@given(CUSTOMERS)
def test_more_is_never_worse_and_the_same_is_the_same(customers: dict[int, Purchases]) -> None:
    found = score(customers)
    for one, first in customers.items():
        for other, second in customers.items():
            for mine, theirs, a, b in zip(
                values(first), values(second), letters(found[one]), letters(found[other]), strict=True
            ):
                assert mine != theirs or a == b
                assert not mine > theirs or a >= b


@given(CUSTOMERS, st.randoms(use_true_random=False))
def test_the_order_of_customers_means_nothing(customers: dict[int, Purchases], dice: Any) -> None:
    shuffled = list(customers.items())
    dice.shuffle(shuffled)
    assert score(dict(shuffled)) == score(customers)


@given(CUSTOMERS)
def test_scores_go_from_one_to_five_and_no_fifth_is_too_full_of_winners(
    customers: dict[int, Purchases],
) -> None:
    found = score(customers)
    for letter in "rfm":
        got = sorted(getattr(one, letter) for one in found.values())
        assert all(LOWEST <= each <= HIGHEST for each in got)
        assert not got or got[0] == LOWEST
        for level in range(LOWEST, HIGHEST + 1):
            better = sum(each > level for each in got)
            assert better * HIGHEST <= len(got) * (HIGHEST - level)


@pytest.mark.parametrize(
    ("now", "found", "stale"),
    [
        ("2027-03-10T12:00", None, True),
        ("2027-03-10T12:00", ("2027-03-10T00:00", 100, 0), False),  # scored at 03:00 in Istanbul
        ("2027-03-10T12:00", ("2027-03-09T23:59", 100, 0), True),
        ("2027-03-10T23:59", ("2027-03-10T09:00", 100, 0), False),
        ("2027-03-11T00:00", ("2027-03-10T09:00", 100, 0), True),
        ("2027-03-10T12:00", ("2027-03-10T09:00", 100, 10), False),
        ("2027-03-10T12:00", ("2027-03-10T09:00", 100, 11), True),
        ("2027-03-10T12:00", ("2027-03-10T09:00", 5, 1), True),
        ("2027-03-10T12:00", ("2027-03-10T09:00", 0, 0), False),
        ("2027-03-10T12:00", ("2027-03-10T09:00", 0, 1), True),
        ("2027-03-10T12:00", ("2027-03-10T12:30", 100, 0), False),  # another machine's clock
        ("2027-03-10T12:00", ("2027-03-11T12:00", 100, 0), True),  # scores of times to come
    ],
)
def test_scores_stand_from_night_to_night(now: str, found: tuple[str, int, int] | None, stale: bool) -> None:
    last = found and Round(datetime.fromisoformat(found[0] + "Z"), found[1], found[2])
    assert is_stale(last or None, datetime.fromisoformat(now + "Z"), ISTANBUL) is stale


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        ("2027-03-10T00:00", "2027-03-12T00:00", ["2027-03-10T00:00", "2027-03-11T00:00"]),
        ("2027-03-10T00:01", "2027-03-12T00:01", ["2027-03-11T00:00", "2027-03-12T00:00"]),
        ("2027-03-10T00:01", "2027-03-10T12:00", []),
    ],
)
def test_nights_are_at_three_where_the_tenant_is(start: str, end: str, wanted: list[str]) -> None:
    found = nights(datetime.fromisoformat(start + "Z"), datetime.fromisoformat(end + "Z"), ISTANBUL)
    assert [f"{night:%Y-%m-%dT%H:%M}" for night in found] == wanted
