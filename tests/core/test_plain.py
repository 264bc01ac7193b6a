"""Values as JSON has them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from mailer.core.plain import instant_text, plain


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2027, 5, 10, 7, 30, 1, 999_999, tzinfo=UTC), "2027-05-10T07:30:01Z"),
        (datetime(2027, 5, 10, 1, tzinfo=timezone(timedelta(hours=3))), "2027-05-09T22:00:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),  # what many a system writes for "unknown"
    ],
)
def test_an_instant_is_rfc_3339_in_whole_seconds(instant: datetime, text: str) -> None:
    assert instant_text(instant) == text


def test_every_part_of_a_value_is_made_plain() -> None:
    said = {1: [Decimal("1E+3"), date(2027, 5, 10)], "at": (datetime(2027, 5, 10, tzinfo=UTC),), "on": {True}}
    assert plain(said) == {"1": ["1000", "2027-05-10"], "at": ["2027-05-10T00:00:00Z"], "on": [True]}
