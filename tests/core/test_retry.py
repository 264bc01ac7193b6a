"""When a delivery is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.retry import RetryPolicy, next_attempt

NOW = datetime(2027, 5, 10, 7, tzinfo=UTC)
MIDDLE = 0.5


@pytest.mark.parametrize(
    ("attempts", "minutes"),
    [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (5_000, 60), (0, 1)],
)
def test_the_wait_doubles_up_to_an_hour(attempts: int, minutes: int) -> None:
    assert next_attempt(NOW, attempts, MIDDLE, since=NOW) == NOW + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("since", "expires", "expected"),
    [
        pytest.param(timedelta(hours=-46), None, timedelta(hours=1), id="within two days"),
        pytest.param(timedelta(hours=-47), None, None, id="two days are over at the next"),
        pytest.param(timedelta(days=-9), None, None, id="long over"),
        pytest.param(timedelta(0), timedelta(hours=1, seconds=1), timedelta(hours=1), id="before it expires"),
        pytest.param(timedelta(0), timedelta(hours=1), None, id="expires just then"),
        pytest.param(timedelta(hours=-47), timedelta(days=9), None, id="the earlier end counts"),
    ],
)
def test_when_it_is_over(since: timedelta, expires: timedelta | None, expected: timedelta | None) -> None:
    ends = None if expires is None else NOW + expires
    found = next_attempt(NOW, 9, MIDDLE, since=NOW + since, expires_at=ends)
    assert found == (None if expected is None else NOW + expected)


@given(attempts=st.integers(1, 200), jitter=st.floats(0, 1, exclude_max=True))
def test_chance_moves_it_by_a_fifth(attempts: int, jitter: float) -> None:
    middle = next_attempt(NOW, attempts, MIDDLE, since=NOW)
    moved = next_attempt(NOW, attempts, jitter, since=NOW)
    assert middle is not None
    assert moved is not None
    assert 0.8 - 1e-6 <= (moved - NOW) / (middle - NOW) <= 1.2 + 1e-6


def test_a_policy_of_one_s_own() -> None:
    policy = RetryPolicy(
        first=timedelta(seconds=5), longest=timedelta(seconds=8), spread=0, horizon=timedelta(seconds=7)
    )
    assert next_attempt(NOW, 1, 0.9, since=NOW, policy=policy) == NOW + timedelta(seconds=5)
    assert next_attempt(NOW, 2, 0.9, since=NOW, policy=policy) is None
