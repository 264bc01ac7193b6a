"""Who may let an incident go out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailer.core.approval import Verdict, authors, needed, verdict, widens
from mailer.core.area import Area
from mailer.core.incident import Incident, IncidentState, Update

T0 = datetime(2027, 1, 15, 8, tzinfo=UTC)
GO, ANOTHER, SCOPE = Verdict.PUBLISH, Verdict.ANOTHER, Verdict.SCOPE


@pytest.mark.parametrize(
    ("reach", "above", "answer"),
    [
        (10**6, None, False),
        (0, None, False),
        (0, 0, False),
        (1, 0, True),
        (100, 100, False),
        (101, 100, True),
    ],
)
def test_when_another_is_needed(reach: int, above: int | None, answer: bool) -> None:
    assert needed(reach, above) is answer


@pytest.mark.parametrize(
    ("reach", "above", "who", "may", "answer"),
    [
        (10**6, None, "a", "w", GO),  # nobody said how many are many
        (100, 100, "a", "w", GO),
        (100, 100, "c", "w", GO),
        (100, 100, "c", "a", GO),  # who may approve much may approve little
        (100, 100, "c", "", SCOPE),
        (101, 100, "a", "w", ANOTHER),
        (101, 100, "a", "wa", ANOTHER),  # not one's own, whatever one may
        (101, 100, "b", "wa", ANOTHER),  # nor what one changed a word of
        (101, 100, "c", "w", SCOPE),
        (101, 100, "c", "a", GO),
        (101, 100, "c", "wa", GO),
        (1, 0, "a", "wa", ANOTHER),  # of 0, every one takes two
        (1, 0, "c", "a", GO),
    ],
)
def test_who_publishes_what_a_and_b_wrote(
    reach: int, above: int | None, who: str, may: str, answer: Verdict
) -> None:
    assert verdict(reach, above, {"a", "b"}, who, may_write="w" in may, may_approve="a" in may) is answer


@pytest.mark.parametrize(
    ("before", "after", "above", "answer"),
    [
        (10, 10**6, None, False),
        (50, 100, 100, False),
        (50, 101, 100, True),
        (200, 201, 100, True),  # two agreed to tell 200, and nobody else to tell more
        (200, 200, 100, False),
        (200, 150, 100, False),
    ],
)
def test_when_an_update_tells_too_many(before: int, after: int, above: int | None, answer: bool) -> None:
    assert widens(before, after, above) is answer


def test_whoever_wrote_of_it_is_an_author() -> None:
    area = Area.of(postal=["34*"])
    updates = tuple(
        Update(number, IncidentState.INVESTIGATING, "Fault", area, T0, by)
        for number, by in enumerate(("api:alarm", "command line, ayse", "api:alarm"), 1)
    )
    draft = Incident(1, planned=False, opened_at=T0, updates=updates)
    assert authors(draft) == {"api:alarm", "command line, ayse"}
