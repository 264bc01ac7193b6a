"""Which mail finds a place on its customer's day and in their week."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from mailer.core.cap import Cap, Claim, is_capped

TODAY = date(2027, 5, 10)
DUE = datetime(2027, 5, 10, 7, tzinfo=UTC)


def claim(days: int = 0, priority: int = 40, minutes: int = 0, campaign: str = "c") -> Claim:
    return Claim(TODAY + timedelta(days=days), priority, DUE + timedelta(minutes=minutes), campaign)


MINE = claim()


@pytest.mark.parametrize(
    ("used", "others", "capped"),
    [
        pytest.param([], [], False, id="nothing else"),
        pytest.param([0], [], True, id="one left today"),
        pytest.param([-1, 1], [], False, id="one left yesterday, one leaves tomorrow"),
        pytest.param([-6, -3, -1], [], True, id="three in seven days, today among them"),
        pytest.param([-7, -3, -1], [], False, id="the first of them eight days ago"),
        pytest.param([-3, -1, 1], [], False, id="one of them comes later"),
        pytest.param([], [claim(priority=41)], True, id="a higher one today"),
        pytest.param([], [claim(priority=39)], False, id="a lower one today"),
        pytest.param([], [claim(1, priority=41)], False, id="a higher one tomorrow"),
        pytest.param(
            [-2, -1], [claim(-1, priority=41)], True, id="a higher one that waits counts in the week"
        ),
        pytest.param([], [claim(minutes=-1)], True, id="as high and due before"),
        pytest.param([], [claim(minutes=1)], False, id="as high and due later"),
        pytest.param([], [claim(campaign="b")], True, id="as high, due at once, earlier in the alphabet"),
        pytest.param([], [claim(campaign="d")], False, id="later in the alphabet"),
        pytest.param([], [MINE], False, id="no mail yields to one like itself: both would be lost"),
    ],
)
def test_who_finds_a_place(used: list[int], others: list[Claim], capped: bool) -> None:
    days = [TODAY + timedelta(days=each) for each in used]
    assert is_capped(Cap(), MINE, days, others) is capped


def test_a_shop_may_allow_more() -> None:
    assert not is_capped(Cap(day=2, week=3), MINE, [TODAY], [])
    assert is_capped(Cap(day=2, week=3), MINE, [TODAY, TODAY], [])
