"""When the planner looks: one at a time, after imports, and the whole pass is never forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from mailer.errors import StoreError
from mailer.flow.plan_occasion import PlanReport
from mailer.flow.scheduler import IMPORTING, PLANNING, Scheduler
from mailer.flow.tell import Planned
from mailer.store.engine import Database
from mailer.store.leases import Leases
from tests.store.rows import NOW

PATIENCE = 30.0


class Passes:
    """Stands for the planner and everything a pass touches; notes what it was asked for."""

    def __init__(self, *, takes: float = 0.0, fails: int = 0, how: Exception | None = None) -> None:
        self.takes, self.fails = takes, fails
        self.how = how or StoreError("the database is away")
        self.made: list[str] = []
        self.steps: list[str] = []
        self.at_once = self.most_at_once = 0
        self.faults: list[str] = []
        self.changed = asyncio.Event()

    async def plan(self, _now: datetime, *, events_only: bool = False, **_more: Any) -> PlanReport:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.steps.append("plan")
            await asyncio.sleep(self.takes)
            if self.fails:
                self.fails -= 1
                raise self.how
            self.made.append("events" if events_only else "all")
            self.changed.set()
            return PlanReport(faults=list(self.faults))
        finally:
            self.at_once -= 1

    async def take(self, _now: datetime) -> int:
        self.steps.append("words")
        return 0

    async def plan_open(self, _now: datetime) -> Planned:
        return Planned()

    async def recover(self, _now: datetime) -> None: ...
    async def finish_runs(self, _now: datetime) -> list[int]:
        return []

    async def reload(self) -> None: ...


def scheduler(
    database: Database,
    passes: Passes,
    tell: Callable[[str], None] = lambda _said: None,
    owner: str = "me",
    looks: Looks | None = None,
) -> Scheduler:
    return Scheduler(
        planner=passes,  # type: ignore[arg-type]  # a pass is all that is asked of it here
        words=passes,
        incidents=passes, senders=passes, ledger=passes, leases=Leases(database), owner=owner,
        clock=lambda: NOW, reload=passes.reload, tell=tell, looks=looks,
    )  # fmt: skip


async def test_of_many_schedulers_one_plans_at_a_time(database: Database) -> None:
    passes = Passes(takes=0.05)
    await asyncio.gather(*(scheduler(database, passes, owner=f"s{n}").plan_once() for n in range(3)))
    assert passes.made == ["all"] * 3
    assert passes.most_at_once == 1
    assert await Leases(database).holder(PLANNING) is None


@pytest.mark.parametrize("events_only", [True, False])
async def test_words_on_consent_count_before_anything_is_planned(
    database: Database, *, events_only: bool
) -> None:
    passes = Passes()
    await scheduler(database, passes).plan_once(events_only=events_only)
    assert passes.steps == ["words", "plan"]


async def test_planning_waits_for_an_open_import(database: Database) -> None:
    leases, passes = Leases(database), Passes()
    await leases.acquire(IMPORTING, "an import", 30)
    planning = asyncio.create_task(scheduler(database, passes).plan_once())
    await asyncio.sleep(0.4)
    assert passes.made == []
    await leases.release(IMPORTING, "an import")
    await asyncio.wait_for(planning, PATIENCE)
    assert passes.made == ["all"]


class Looks:
    """Looks at customers that take as long as the test wants."""

    def __init__(self) -> None:
        self.taken = 0
        self.may_end, self.has_begun = asyncio.Event(), asyncio.Event()

    async def take(self, _now: datetime) -> bool:
        self.has_begun.set()
        await self.may_end.wait()
        self.taken += 1
        return True


async def test_planning_does_not_wait_for_looks_and_plans_what_they_found(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.flow.scheduler.EVENTS_EVERY", 3600)
    passes, looks, stop = Passes(), Looks(), asyncio.Event()
    running = asyncio.create_task(scheduler(sqlite_database, passes, looks=looks).keep(stop))
    async with asyncio.timeout(PATIENCE):
        await looks.has_begun.wait()
        await passes.changed.wait()
        assert (passes.made, looks.taken) == (["all"], 0)
        passes.changed.clear()
        looks.may_end.set()
        await passes.changed.wait()
    assert (passes.made, looks.taken) == (["all", "all"], 1)
    stop.set()
    await asyncio.wait_for(running, PATIENCE)


async def test_who_stops_when_nothing_is_due_takes_the_looks_first(sqlite_database: Database) -> None:
    passes, looks = Passes(), Looks()
    planning = asyncio.create_task(scheduler(sqlite_database, passes, looks=looks).plan_once())
    await asyncio.sleep(0.1)
    assert passes.made == []
    looks.may_end.set()
    await asyncio.wait_for(planning, PATIENCE)
    assert (looks.taken, passes.made) == (1, ["all"])


async def test_a_pass_that_fails_gives_its_lease_back(database: Database) -> None:
    with pytest.raises(StoreError):
        await scheduler(database, Passes(fails=1)).plan_once()
    assert await Leases(database).holder(PLANNING) is None


async def test_a_fault_is_told_once_until_it_is_gone(database: Database) -> None:
    said: list[str] = []
    passes = Passes()
    planning = scheduler(database, passes, said.append)
    for faults in (["broken"], ["broken"], [], ["broken"]):
        passes.faults = faults
        await planning.plan_once()
    assert said == ["broken", "broken"]


async def kept(database: Database, passes: Passes, enough: Callable[[], bool]) -> list[str]:
    said: list[str] = []
    stop = asyncio.Event()
    running = asyncio.create_task(scheduler(database, passes, said.append).keep(stop))
    async with asyncio.timeout(PATIENCE):
        while not enough():
            passes.changed.clear()
            await passes.changed.wait()
    stop.set()
    await asyncio.wait_for(running, PATIENCE)
    return said


async def test_it_begins_with_a_whole_pass_and_looks_at_events_in_between(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.flow.scheduler.EVENTS_EVERY", 0.1)
    passes = Passes()
    await kept(sqlite_database, passes, lambda: len(passes.made) >= 4)
    assert passes.made[0] == "all"
    assert set(passes.made[1:]) <= {"events", "all"}
    assert "events" in passes.made


async def test_a_whole_pass_the_database_kept_from_us_is_made_as_soon_as_it_is_back(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.flow.scheduler.EVENTS_EVERY", 0.1)
    passes = Passes(fails=3)
    said = await kept(sqlite_database, passes, lambda: bool(passes.made))
    assert passes.made[0] == "all"
    assert said == ["Planning waits: the database is away", "Planning goes on."]


async def test_a_fault_of_ours_ends_no_program_that_sends(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.flow.scheduler.EVENTS_EVERY", 0.05)
    passes = Passes(fails=3, how=KeyError("odd"))
    said = await kept(sqlite_database, passes, lambda: bool(passes.made))
    assert said == [
        "Planning waits: something we did not expect went wrong (KeyError: 'odd')",
        "Planning goes on.",
    ]


async def test_looks_that_go_wrong_are_told_once(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.flow.scheduler.LOOKS_EVERY", 0.001)
    enough = asyncio.Event()

    class Odd(Looks):
        async def take(self, _now: datetime) -> bool:
            self.taken += 1
            if self.taken == 3:
                enough.set()
            raise KeyError("odd")

    said: list[str] = []
    stop = asyncio.Event()
    running = asyncio.create_task(scheduler(sqlite_database, Passes(), said.append, looks=Odd()).keep(stop))
    await asyncio.wait_for(enough.wait(), PATIENCE)
    stop.set()
    await asyncio.wait_for(running, PATIENCE)
    assert said == [
        "Who entered a segment cannot be seen: something we did not expect went wrong (KeyError: 'odd')"
    ]
