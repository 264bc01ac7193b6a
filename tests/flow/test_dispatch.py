from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from mailer.errors import StoreError
from mailer.flow import dispatch
from mailer.flow.dispatch import Supply
from tests.store.rows import NOW


class Notes:
    """Everything a supply asks for, noted; the first `away` looks find no database."""

    def __init__(self, away: int = 0) -> None:
        self.asked: list[str] = []
        self.away = away

    async def recover(self, now: datetime) -> None:
        assert now == NOW
        self._note("recover")

    async def sweep(self, now: datetime) -> int:
        assert now == NOW
        self._note("sweep")
        return 0

    async def take_back(self) -> int:
        self._note("take back")
        return 0

    async def prune(self) -> None:
        self._note("prune")

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if self.away:
            self.away -= 1
            raise StoreError("The database is away.")


def supply(notes: Notes) -> Supply:
    return Supply(notes, notes, notes, lambda: NOW)


async def test_a_look_frees_tidies_and_makes_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = Notes()
    looking = supply(notes)
    await looking.look()
    assert notes.asked == ["recover", "take back", "prune", "sweep"]
    await looking.look()
    assert notes.asked[4:] == ["recover", "sweep"], "tidying has its time"
    monkeypatch.setattr(dispatch, "TAKE_BACK_EVERY", 0.0)
    monkeypatch.setattr(dispatch, "PRUNE_EVERY", 0.0)
    looking = supply(notes)
    for _ in range(2):
        del notes.asked[:]
        await looking.look()
        assert notes.asked == ["recover", "take back", "prune", "sweep"]


async def test_it_goes_on_when_the_database_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "SWEEP_EVERY", 0.01)
    notes, stop = Notes(away=3), asyncio.Event()
    keeping = asyncio.create_task(supply(notes).keep(stop))
    async with asyncio.timeout(30):
        while "sweep" not in notes.asked:  # noqa: ASYNC110 -- nothing else tells of a look
            await asyncio.sleep(0.01)
        stop.set()
        await keeping
    assert notes.asked[:4] == ["recover"] * 4
