"""What a run waits for, and why it stands still."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailer.core.breaker import Figures, verdict
from mailer.core.delivery import Tally
from mailer.core.standstill import Held, Scene, Standstill, holds

NOW = datetime(2027, 5, 10, 7, tzinfo=UTC)
LATER = NOW + timedelta(hours=3)
SCENE = Scene(
    state="running", reason=None, due_at=NOW, closes_at=NOW, counts=Tally(audience=2, queued=2), halted_at=None,
    campaign_paused=False, senders=2, affected=0, next_at=NOW,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [Held(Standstill.AT_WORK)]),
        ({"state": "finished", "halted_at": NOW}, []),
        ({"state": "planning"}, [Held(Standstill.PLANNING)]),
        ({"state": "paused", "reason": "by hand"}, [Held(Standstill.PAUSED)]),
        ({"halted_at": NOW}, [Held(Standstill.HALTED, NOW), Held(Standstill.AT_WORK)]),
        (
            {"campaign_paused": True, "state": "planning"},
            [Held(Standstill.CAMPAIGN_PAUSED), Held(Standstill.PLANNING)],
        ),
        ({"senders": 0}, [Held(Standstill.NO_SENDER)]),
        (
            {"next_at": LATER, "affected": 1},
            [Held(Standstill.LATER, LATER), Held(Standstill.AFFECTED, count=1)],
        ),
        ({"next_at": LATER}, [Held(Standstill.LATER, LATER)]),
        ({"next_at": LATER, "due_at": LATER}, [Held(Standstill.NOT_DUE, LATER)]),
        ({"next_at": LATER, "counts": Tally(2, queued=1, sending=1)}, [Held(Standstill.AT_WORK)]),
        ({"next_at": None, "counts": Tally(2, sent=2), "closes_at": LATER}, [Held(Standstill.OTHERS_LATER, LATER)]),
        ({"next_at": None, "counts": Tally(2, sent=1, in_doubt=1)}, [Held(Standstill.DOUBT)]),
        ({"next_at": None, "counts": Tally(2, sent=2)}, [Held(Standstill.AT_WORK)]),
    ],
)  # fmt: skip
def test_what_holds_a_run(changes: dict[str, Any], expected: list[Held]) -> None:
    assert holds(replace(SCENE, **changes), NOW) == expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (
            verdict(Figures(tried=100, refused=7), "commercial"),
            Held(Standstill.STOPPED, None, "refused", 7, 100),
        ),
        (verdict(Figures(tried=10, unmade=60), "service"), Held(Standstill.STOPPED, None, "unmade", 60, 70)),
        ("breaker: 9 of 80 mails came back as unwanted", Held(Standstill.STOPPED, None, "unwanted", 9, 80)),
        ("breaker: something new", Held(Standstill.STOPPED)),
    ],
)
def test_what_a_breaker_said_is_read(reason: str, expected: Held) -> None:
    assert holds(replace(SCENE, state="paused", reason=reason), NOW) == [expected]
