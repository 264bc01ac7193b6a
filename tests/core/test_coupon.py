from __future__ import annotations

import random
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter, ValidationError

from mailer.core.calendar import LATEST
from mailer.core.coupon import ALPHABET, CouponSpec, last_day, make_code, over_at, pool_name, sample_code
from mailer.core.duration import Duration
from mailer.errors import UsageError

SPEC: TypeAdapter[Any] = TypeAdapter(CouponSpec)


def test_a_code_is_its_prefix_and_ten_letters_nobody_confuses() -> None:
    dice = random.Random(1)  # noqa: S311 - a test
    codes = {make_code("DG", dice.randrange) for _ in range(2_000)}
    assert len(codes) == 2_000
    assert all(re.fullmatch(f"DG-[{ALPHABET}]{{10}}", code) for code in codes)
    assert set("ILO01").isdisjoint(ALPHABET)


@pytest.mark.parametrize(
    ("given", "scarce"),
    [
        ({"kind": "generated", "prefix": "DG"}, False),
        ({"kind": "generated", "prefix": "DG", "budget": 5}, True),
        ({"kind": "static", "code": "YAZ"}, False),
        ({"kind": "static", "code": "YAZ", "budget": 5}, True),
        ({"kind": "pool", "pool": "gift"}, True),
        ({"kind": "reminder", "of": "birthday"}, False),
    ],
)
def test_whether_there_may_be_too_few_codes(given: dict[str, object], scarce: bool) -> None:
    assert SPEC.validate_python(given).scarce is scarce


@pytest.mark.parametrize(
    ("valid", "last"),
    [
        ("30d", date(2027, 6, 9)),
        ("1d", date(2027, 5, 11)),
        ("48h", date(2027, 5, 12)),
        ("36h", date(2027, 5, 12)),
        (None, None),
    ],
)
def test_the_last_day_a_coupon_is_good_for(valid: str | None, last: date | None) -> None:
    assert last_day(date(2027, 5, 10), Duration.parse(valid) if valid else None) == last


def test_a_sample_is_no_code() -> None:
    assert sample_code("DG") == "TEST-DG"
    assert sample_code("") == "TEST-COUPON"


@pytest.mark.parametrize(
    "written",
    [
        {"kind": "reminder"},
        {"kind": "reminder", "of": "birthday", "percent": 10},
        {"kind": "reminder", "of": "birthday", "budget": 10},
        {"kind": "pool", "pool": ""},
        {"kind": "pool", "pool": "p", "budget": 0},
        {"kind": "generated", "prefix": "A", "percent": 10, "amount": 5},
    ],
    ids=str,
)
def test_a_promise_that_cannot_be_kept_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SPEC.validate_python(written)


@pytest.mark.parametrize("name", ["", " p", "p\n", "x" * 101])
def test_a_pool_has_a_plain_name(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a pool"):
        pool_name(name)
    assert pool_name("summer 27") == "summer 27"


@pytest.mark.parametrize(
    ("last", "over"),
    [
        (
            date(2027, 5, 10),
            datetime(2027, 5, 10, 21, tzinfo=UTC),
        ),  # the midnight after it, where its customer is
        (None, None),
        (LATEST.date(), None),  # where calendars end
        (LATEST.date() - timedelta(days=1), LATEST - timedelta(hours=3)),
    ],
)
def test_a_coupon_is_good_for_the_whole_of_its_last_day(last: date | None, over: datetime | None) -> None:
    assert over_at(last, ZoneInfo("Europe/Istanbul")) == over
