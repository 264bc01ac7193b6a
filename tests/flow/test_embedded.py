"""The dispatcher of one machine: a sender hears at once of what others wrote."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from mailer.flow.dispatch import Embedded, Watch
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from tests.store.rows import NOW, a_run, add_many


@pytest.mark.parametrize(
    ("due", "patience", "at_once"),
    [
        pytest.param(NOW, 60.0, True, id="something is due"),
        pytest.param(NOW + timedelta(hours=1), 0.5, False, id="something is due later"),
    ],
)
async def test_a_waiting_sender_looks_as_soon_as_somebody_wrote_what_is_due(
    database_url: str, database: Database, due: object, patience: float, *, at_once: bool
) -> None:
    other = await Database.connect(database_url)
    mark = database.mark if database.dialect == "sqlite" else object
    dispatcher = Embedded(Ledger(database), watch=Watch(mark, lambda: NOW, 0.02))
    begun = time.monotonic()
    waiting = asyncio.create_task(dispatcher.wait(patience))
    await asyncio.sleep(0.1)
    await add_many(other, await a_run(other), 1, not_before=due)
    async with asyncio.timeout(30):
        await waiting
    assert (time.monotonic() - begun < patience) is at_once
    await other.close()


class Late:
    """A ledger in which what was written can be read only at the third look."""

    def __init__(self) -> None:
        self.looks = 0

    async def pending(self, *_asked: object, **_how: object) -> bool:
        self.looks += 1
        return self.looks > 2


@pytest.mark.parametrize(("marks", "woken"), [([1, 2], True), ([1], True), ([], False)])
async def test_a_change_is_looked_for_again_as_it_shows_before_it_can_be_read(
    marks: list[int], woken: bool
) -> None:
    late, left = Late(), iter(marks)
    seen: list[object] = [None]

    def mark() -> object:
        seen[0] = next(left, seen[0])
        return seen[0]

    dispatcher = Embedded(late, watch=Watch(mark, lambda: NOW, 0.001))  # type: ignore[arg-type]  # asked for nothing else
    begun, patience = time.monotonic(), 60.0 if woken else 0.2
    await dispatcher.wait(patience)
    assert (time.monotonic() - begun < patience / 2) is woken
    assert late.looks == (3 if woken else 0)
