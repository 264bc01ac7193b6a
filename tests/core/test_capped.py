"""Which mail won the place that another was refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailer.core.cap import Cap
from mailer.core.capped import Mail, said, winners

ISTANBUL = ZoneInfo("Europe/Istanbul")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2027-03-{text}:00").replace(tzinfo=UTC)


def mail(number: int, when: str, place: int | None = None, **given: Any) -> Mail:
    facts: dict[str, Any] = {"campaign": f"c{number}", "occurrence": "o", "priority": 40, "due_at": at(when)}
    facts |= {
        "not_before": at(when),
        "updated_at": at(when),
        "place": date(2027, 3, place) if place else None,
    }
    return Mail(number, **(facts | given))


MINE = mail(1, "23T07:00")


@pytest.mark.parametrize(
    ("others", "won"),
    [
        pytest.param([], [], id="nothing known"),
        pytest.param([MINE], [], id="itself"),
        pytest.param([mail(1, "23T07:00", 23)], [], id="itself, that had a place before"),
        pytest.param(
            [mail(2, "23T06:00", 23, updated_at=at("23T07:00"))], [2], id="left at that very instant"
        ),
        pytest.param([mail(2, "23T06:00", 23)], [2], id="left that day"),
        pytest.param([mail(2, "23T06:00", 22)], [], id="left the day before"),
        pytest.param([mail(2, "23T08:00", 23)], [], id="a lower one that left later won nothing"),
        pytest.param([mail(2, "23T08:00", 23, priority=80)], [2], id="a higher one that left later"),
        pytest.param([mail(2, "23T09:00", priority=80)], [2], id="a higher one that waits"),
        pytest.param([mail(2, "23T21:30", priority=80)], [], id="half past midnight is another day"),
        pytest.param([mail(n, f"{n}T06:00", n) for n in (17, 19, 21)], [17, 19, 21], id="three of the week"),
        pytest.param([mail(n, f"{n}T06:00", n) for n in (16, 19, 21)], [], id="the first was a week ago"),
    ],
)
def test_who_won(others: list[Mail], won: list[int]) -> None:
    assert [each.id for each in winners(MINE, others, Cap(), ISTANBUL)] == won


def test_what_is_said() -> None:
    assert said(()) is None
    assert said([MINE]) == "c1 of o (delivery 1) had the place"
    assert (
        said([MINE, MINE]) == "c1 of o (delivery 1), c1 of o (delivery 1) had the places of that day or week"
    )
