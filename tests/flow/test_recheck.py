"""Who still fits when a sender takes the delivery up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest

from mailer.core.campaign import Campaign
from mailer.core.delivery import Skip
from mailer.core.handoff import Go, SendJob, Verdict
from mailer.core.policy import Candidate
from mailer.core.samples import CUSTOMERS, sample_job
from mailer.core.segment import Rule
from mailer.flow.recheck import Recheck
from mailer.flow.rehearse_ports import Unwritten
from tests.store.rows import NOW


@dataclass
class World:
    """Customers and versions in memory; `verdict` is what the last look says for itself."""

    definition: dict[str, Any] = field(default_factory=dict)
    fit: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    verdict: Verdict = field(default_factory=Go)

    async def parts(self, version_id: int) -> dict[str, Any]:
        assert version_id == 1
        return {
            "definition": {"name": "offer", "purpose": "commercial", "trigger": "manual", **self.definition}
        }

    async def fitting(self, rule: Rule, keys: Sequence[int], now: datetime) -> set[int]:
        del rule, now
        return self.fit & set(keys)

    async def answering(self, rule: Rule, events: Sequence[str], now: datetime) -> Mapping[str, Candidate]:
        del rule, now
        return {
            event: Candidate(1, "c", "c@x.example", "c@x.example", None) for event in events if event == "e1"
        }

    async def did(self, event: str, since: Mapping[int, datetime], now: datetime) -> set[int]:
        del event, now
        return self.done & set(since)


OFFER = {"name": "offer", "purpose": "commercial", "trigger": "manual"}
GOAL = {"event": "order.placed", "within": "7d"}
BUYERS = {"attr": {"city": "İzmir"}}


def job(delivery_id: int, customer_key: int, **changes: Any) -> SendJob:
    made = sample_job(Campaign.model_validate(OFFER), CUSTOMERS[0])
    return replace(made, delivery_id=delivery_id, customer_key=customer_key, version_id=1, **changes)


def looking_at(world: World) -> Recheck:
    return Recheck(versions=world, people=world, segments={}, composer=Unwritten(), clock=lambda: NOW)


async def test_who_no_longer_fits_or_has_done_it_already_is_to_be_left_out() -> None:
    world = World({"audience": BUYERS, "goal": GOAL}, fit={11, 13}, done={13})
    jobs = [job(1, 11), job(2, 12), job(3, 13)]
    await looking_at(world).prepare(jobs)
    assert [each.unfit for each in jobs] == [None, Skip.NOT_ELIGIBLE, Skip.GOAL_MET]


async def test_each_look_is_a_new_one() -> None:
    world = World({"audience": BUYERS})
    look, mine = looking_at(world), job(1, 11)
    await look.prepare([mine])
    assert mine.unfit is Skip.NOT_ELIGIBLE
    world.fit = {11}
    await look.prepare([mine])
    assert mine.unfit is None


async def test_an_events_customer_is_looked_at_as_of_that_event() -> None:
    trigger = {"event": "order.placed"}
    look = looking_at(World({"audience": BUYERS, "trigger": trigger}))
    assert await look.unfit([job(1, 11, occurrence="e1"), job(2, 12, occurrence="e2")], NOW) == {
        2: Skip.NOT_ELIGIBLE
    }


@pytest.mark.parametrize(
    ("definition", "found"),
    [
        ({}, {}),
        ({"purpose": "service", "audience": BUYERS}, {}),  # it is owed to whoever it was planned for
        (
            {"audience": {"date": {"attr": "birthday", "is": "today"}}},
            {},
        ),  # held over quiet hours it still is
        ({"audience": BUYERS}, {1: Skip.NOT_ELIGIBLE}),
    ],
)
async def test_what_is_asked_again(definition: dict[str, Any], found: dict[int, Skip]) -> None:
    assert await looking_at(World(definition)).unfit([job(1, 11)], NOW) == found


async def test_the_goal_counts_from_the_event_that_set_the_mail_off() -> None:
    asked: list[Mapping[int, datetime]] = []

    class Asking(World):
        async def did(self, event: str, since: Mapping[int, datetime], now: datetime) -> set[int]:
            asked.append(since)
            return await super().did(event, since, now)

    look = looking_at(Asking({"goal": GOAL}))
    await look.unfit(
        [job(1, 11, planned_at=NOW), job(2, 12, context={"event_at": "2027-01-01T00:00:00+00:00"})], NOW
    )
    assert asked == [{11: NOW, 12: datetime.fromisoformat("2027-01-01T00:00:00+00:00")}]
