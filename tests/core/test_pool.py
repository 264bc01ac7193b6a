from __future__ import annotations

from typing import Any

import pytest

from mailer.core.coupon import CouponState
from mailer.core.importing import Row, RowFault
from mailer.core.pool import PoolCode, Stock, read_code


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("ABC-1", "ABC-1"),
        ("  ABC-1 ", "ABC-1"),
        (12345, "12345"),
        ("=1+1", "=1+1"),
        ("ş-1", "ş-1"),
        (None, "no code"),
        ("", "no code"),
        ("A B", "no space"),
        ("A\u200bB", "nothing invisible"),
        ("A\nB", "line break"),
        ("A" * 101, "longer than 100"),
    ],
)
def test_a_code_is_one_visible_word(value: Any, code: str) -> None:
    read = read_code(Row(7, {"code": value}))
    if isinstance(read, RowFault):
        assert (read.line, read.field) == (7, "code")
        assert code in read.reason
    else:
        assert read == PoolCode(7, code)


@pytest.mark.parametrize(
    ("available", "given", "needed", "low"),
    [
        (0, 0, None, "empty"),
        (0, 100, 5, "empty"),
        (10, 90, None, None),
        (9, 91, None, "less than 10 %"),
        (9, 0, 10, "fewer codes left than the next run needs"),
        (10, 0, 10, None),
        (10, 0, 0, None),
    ],
)
def test_what_is_left_of_a_pool_will_do_or_not(
    available: int, given: int, needed: int | None, low: str | None
) -> None:
    said = Stock("p", {CouponState.AVAILABLE: available, CouponState.ISSUED: given}).low(needed)
    assert (said is None) == (low is None)
    assert low is None or (said is not None and low in said)
