from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from mailer.core.duration import LONGEST, Duration, DurationField


class Holder(BaseModel):
    length: DurationField


@pytest.mark.parametrize(
    ("text", "days", "seconds"),
    [
        ("10m", 0, 600),
        ("24h", 0, 86_400),
        ("1d", 1, 0),
        ("2w", 14, 0),
        ("0s", 0, 0),
        (" 30 d ", 30, 0),
        ("36525d", 36_525, 0),
    ],
)
def test_days_are_kept_apart_from_hours(text: str, days: int, seconds: int) -> None:
    assert Duration.parse(text) == Duration(days, seconds)


@pytest.mark.parametrize(
    "text",
    ["", "10", "d", "-1d", "1.5h", "1y", "1d2h", "1 day", "1234567s", "36526d", "999999w", "1D", "1d\n2d"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration|is longer than a hundred years"):
        Duration.parse(text)


@pytest.mark.parametrize("value", [3, 3.5, None, True, ["1d"], {"days": 1}])
def test_a_field_takes_text_alone(value: object) -> None:
    with pytest.raises(ValidationError, match="is not a duration"):
        Holder.model_validate({"length": value})


@given(st.integers(0, 999_999), st.sampled_from("smhdw"))
def test_what_is_written_reads_back(count: int, unit: str) -> None:
    try:
        read = Duration.parse(f"{count}{unit}")
    except ValueError:
        assert unit in "dwh"
        return
    assert Duration.parse(str(read)) == read
    assert Holder.model_validate_json(Holder(length=read).model_dump_json()).length == read


def test_elapsed_time_before_an_instant() -> None:
    now = datetime(2027, 3, 28, 12, tzinfo=UTC)
    assert Duration.parse("72h").before(now) == datetime(2027, 3, 25, 12, tzinfo=UTC)
    assert Duration.parse("36525d").before(now) == now - LONGEST
    assert Duration(days=1).elapsed() == timedelta(hours=24)
