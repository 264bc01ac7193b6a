"""When a run pauses by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.breaker import LEAST, MARK, SHARE, Figures, verdict

BROKEN = "breaker: 3 of 50 attempts were refused"


@pytest.mark.parametrize(
    ("purpose", "figures", "why"),
    [
        pytest.param("commercial", Figures(), None, id="nothing yet"),
        pytest.param("commercial", Figures(49, 49), None, id="too few to judge"),
        pytest.param("commercial", Figures(50, 2), None, id="4 %"),
        pytest.param("commercial", Figures(50, 3), BROKEN, id="6 %"),
        pytest.param("commercial", Figures(100, 5), "breaker: 5 of 100 attempts were refused", id="5 %"),
        pytest.param("commercial", Figures(100_000, 4_999), None, id="just below"),
        pytest.param("service", Figures(1_000, 1_000), None, id="service mail goes on"),
        pytest.param("commercial", Figures(0, 0, 49), None, id="unmade, below fifty"),
        pytest.param("commercial", Figures(0, 0, 50), "breaker: 50 of 50 mails could not be made", id="all unmade"),
        pytest.param("commercial", Figures(950, 0, 50), "breaker: 50 of 1000 mails could not be made", id="5 % unmade"),
        pytest.param("commercial", Figures(951, 0, 50), None, id="less than 5 % unmade"),
        pytest.param("commercial", Figures(99_000, 0, 1_000), None, id="one in a hundred rows is poison"),
        pytest.param("commercial", Figures(60, 0, 49) - Figures(0, 0, 50), None, id="tried again since"),
        pytest.param("service", Figures(0, 0, 60), "breaker: 60 of 60 mails could not be made", id="service, unmade"),
    ],
)  # fmt: skip
def test_verdict(purpose: str, figures: Figures, why: str | None) -> None:
    assert verdict(figures, purpose) == why


counts = st.integers(0, 1_000_000)


@given(counts, counts, counts, st.sampled_from(["commercial", "service"]))
def test_only_enough_and_bad_enough_trips(sent: int, refused: int, unmade: int, purpose: str) -> None:
    tried = sent + refused
    by_refusal = purpose == "commercial" and tried >= LEAST and refused / tried >= SHARE
    by_making = unmade >= LEAST and unmade / (tried + unmade) >= SHARE
    why = verdict(Figures(tried, refused, unmade), purpose)
    assert (why is not None) == (by_refusal or by_making)
    assert why is None or why.startswith(MARK)


@given(counts, counts, counts)
def test_what_was_seen_never_trips_again(sent: int, refused: int, unmade: int) -> None:
    seen = Figures(sent + refused, refused, unmade)
    assert verdict(seen - seen, "commercial") is None


def test_nothing_that_came_since_is_negative() -> None:
    assert Figures(5, 1, 2) - Figures(3, 4, 7) == Figures(2, 0, 0)
