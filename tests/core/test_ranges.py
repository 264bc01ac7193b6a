from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.ranges import Count, Days, Money

ENDS = st.one_of(st.none(), st.integers(0, 10**9))


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("2..", 2, None),
        ("..7", None, 7),
        ("2..7", 2, 7),
        (3, 3, 3),
        ("3", 3, 3),
        (" 0..1 ", 0, 1),
        (2.0, 2, 2),
    ],
    ids=str,
)
def test_counts_are_read_as_people_write_them(written: object, low: int | None, high: int | None) -> None:
    assert Count.parse(written) == Count(low, high)


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("1000..", 10_000_000, None),
        ("..99.90", None, 999_000),
        (0.1, 1_000, 1_000),
        ("-5..5", -50_000, 50_000),
    ],
    ids=str,
)
def test_money_is_kept_in_ten_thousandths(written: object, low: int | None, high: int | None) -> None:
    assert Money.parse(written) == Money(low, high)


@pytest.mark.parametrize(
    "written",
    ["..", "", "a..b", "7..2", "1...2", "-1..", "1.5..", True, None, [1], "NaN", "1e9999", "1e1000000",
     float("nan"), float("inf"), "1_0", "٣..٤" * 9, 10**15],
    ids=repr,
)  # fmt: skip
def test_what_is_no_count_is_refused(written: object) -> None:
    with pytest.raises(ValueError):
        Count.parse(written)


@pytest.mark.parametrize("written", ["0.00001..", 10**12, "1e30", "1e1000000", "..-1e99"], ids=repr)
def test_money_we_cannot_keep_exactly_is_refused(written: object) -> None:
    with pytest.raises(ValueError):
        Money.parse(written)


@pytest.mark.parametrize("written", ["0..", "..7", "-400..0", "0..400"], ids=repr)
def test_days_need_both_ends_within_a_year(written: object) -> None:
    with pytest.raises(ValueError):
        Days.parse(written)


@given(ENDS, ENDS, st.integers(-5, 10**9))
def test_a_range_reads_back_as_it_is_written_and_holds_both_ends(
    low: int | None, high: int | None, value: int
) -> None:
    if low is None and high is None:
        return
    if low is not None and high is not None and low > high:
        low, high = high, low
    for kind in (Count, Money):
        assert kind.parse(str(kind(low, high))) == kind(low, high)
    inside = (low is None or low <= value) and (high is None or value <= high)
    assert Count(low, high).holds(value) is inside
