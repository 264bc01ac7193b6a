from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from mailer.core.metrics import Counts, Present, Waiting
from mailer.errors import StoreError
from mailer.flow import metrics
from mailer.flow.metrics import Meter
from mailer.testing import FrozenClock
from tests.store.rows import NOW

PRESENT = Present({}, 0, halted=False, senders=2, planned_at=NOW, incidents=0, oldest={},
                  shares={"u@r.example:25": 0.5}, domains=0,
                  answers={("u@r.example:25", "accepted"): 3, ("v@r.example:25", "accepted"): 4,
                           ("gone.example:25", "accepted"): 5})  # fmt: skip


class Base:
    """A database that is counted, or away."""

    def __init__(self) -> None:
        self.away = self.slow = False
        self.counted = 0

    async def present(self, _now: datetime) -> Present:
        if self.away:
            raise StoreError("away")
        return PRESENT

    async def counts(self) -> Counts:
        self.counted += 1
        if self.slow:
            await asyncio.sleep(5)
        return Counts({("offer", "commercial", "sent"): 5}, {("clicked", "human"): 1}, {})


NOTHING = Waiting(0, None)


def meter(base: Base, waiting: Waiting = NOTHING) -> Meter:
    return Meter(
        figures=base,
        waiting=lambda: waiting,
        lost=lambda: 3,
        relays={
            "u@r.example:25": "r.example:25",
            "v@r.example:25": "r.example:25",
            "s.example:25": "s.example:25",
        },
        version="1",
        clock=FrozenClock(NOW),
        seconds=lambda: 1_000.0,
    )


async def told(of: Meter) -> dict[tuple[str, ...], float]:
    return {(each.metric.removeprefix("mailer_"), *each.labels): each.value for each in await of.read()}


async def test_it_counts_seldom_and_once_for_all_who_ask() -> None:
    base = Base()
    of = meter(base)
    first, second = await asyncio.gather(told(of), told(of))
    assert first == second == await told(of)
    assert base.counted == 1
    assert first["deliveries_total", "offer", "sent"] == 5
    assert first["relay_share", "r.example:25"] == 0.5
    assert first["relay_share", "s.example:25"] == 1
    assert first["relay_answers_total", "r.example:25", "accepted"] == 7
    assert first["relay_answers_total", "s.example:25", "away"] == 0
    assert not any("gone.example:25" in key for key in first)


async def test_without_a_database_the_rest_is_told() -> None:
    base = Base()
    of = meter(base, Waiting(70, 990.0))
    await of.read()
    base.away = True
    found = await told(of)
    assert found == {
        ("build_info", "1"): 1, ("database_up",): 0, ("database_errors_total",): 1, ("spool_lost_total",): 3,
        ("spool_bytes",): 70, ("spool_oldest_seconds",): 10,
    }  # fmt: skip
    base.away = False
    assert (await told(of))["deliveries_total", "offer", "sent"] == 5


async def test_what_cannot_be_counted_in_time_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "PATIENCE", 0.01)
    base = Base()
    base.slow = True
    of = meter(base)
    found = await told(of)
    assert found["senders",] == 2
    assert ("deliveries_total", "offer", "sent") not in found
    assert found["database_errors_total",] == 1
    await of.read()
    assert base.counted == 1  # not at once again
