"""Figures of a run in the ledger, and pausing by them, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select, update

from mailer.core.breaker import Figures
from mailer.core.run import RunState
from mailer.store.breaker import Breakers, figures
from mailer.store.campaigns import Campaigns
from mailer.store.control import Control
from mailer.store.engine import Database
from mailer.store.tables import campaign_state, delivery, run
from tests.store.rows import NOW, a_run, add_many, one


async def ended(database: Database, run_id: int, number: int, state: str, **values: object) -> None:
    """So many deliveries of a run that were waiting are now in this state."""
    async with database.write() as connection:
        some = (
            select(delivery.c.id)
            .where(delivery.c.run_id == run_id, delivery.c.state == "queued")
            .limit(number)
        )
        await connection.execute(
            update(delivery).where(delivery.c.id.in_(some)).values(state=state, **values)
        )


async def counted(database: Database, run_id: int) -> Figures:
    async with database.read() as connection:
        return await figures(connection, run_id)


async def test_each_end_counts_as_what_it_is(database: Database) -> None:
    found = await a_run(database)
    await add_many(database, found, 30)
    ends = [
        (1, "sent", {}), (2, "in_doubt", {}), (3, "failed", {"reason": "refused"}),
        (4, "failed", {"reason": "bounced"}), (3, "failed", {"reason": "render"}),
        (5, "deferred", {"attempts": 1}), (2, "deferred", {"attempts": 0}), (4, "failed", {"reason": "header"}),
        (1, "failed", {"reason": "too_large"}), (1, "skipped", {"reason": "capped"}),
    ]  # fmt: skip
    for number, state, values in ends:
        await ended(database, found, number, state, **values)
    assert await counted(database, found) == Figures(tried=1 + 2 + 3 + 4 + 5, refused=3, unmade=3)


async def test_a_run_is_paused_once_and_a_person_lets_it_go_on(database: Database) -> None:
    found, fine = await a_run(database), await a_run(database)
    for each in (found, fine):
        await add_many(database, each, 80)
        await ended(database, each, 50, "sent")
    await ended(database, found, 10, "failed", reason="refused")
    breakers = Breakers(database)
    why = "breaker: 10 of 60 attempts were refused"
    assert await breakers.look([found, fine]) == {found: why}
    assert await breakers.look([found, fine]) == {}
    row = await one(database, run, found)
    assert (row["state"], row["reason"]) == ("paused", why)

    await Control(database).resume(found)
    row = await one(database, run, found)
    assert (row["state"], row["reason"]) == ("queued", None)
    assert await breakers.look([found]) == {}
    await ended(database, found, 20, "failed", reason="refused")
    assert await breakers.look([found]) == {}  # fewer than fifty since


async def test_what_goes_wrong_after_it_went_on_counts(database: Database) -> None:
    found = await a_run(database)
    await add_many(database, found, 120)
    await ended(database, found, 60, "failed", reason="refused")
    assert found in await Breakers(database).look([found])
    await Control(database).resume(found)
    await ended(database, found, 60, "failed", reason="refused")
    assert await Breakers(database).look([found]) == {found: "breaker: 60 of 60 attempts were refused"}


@pytest.mark.parametrize("state", [RunState.PLANNING, RunState.PAUSED, RunState.CANCELLED, RunState.FINISHED])
async def test_only_what_is_being_sent_is_paused(database: Database, state: RunState) -> None:
    found = await a_run(database, state=state)
    await add_many(database, found, 60)
    await ended(database, found, 60, "failed", reason="refused")
    assert await Breakers(database).look([found, 999]) == {}
    assert (await one(database, run, found))["state"] == state


async def test_a_notice_to_dead_addresses_goes_on(database: Database) -> None:
    found = await a_run(database, purpose="service")
    await add_many(database, found, 60)
    await ended(database, found, 60, "failed", reason="refused")
    assert await Breakers(database).look([found]) == {}


async def test_resuming_a_campaign_lets_go_on_what_a_breaker_paused_and_nothing_else(
    database: Database,
) -> None:
    stopped, by_hand, other = await a_run(database), await a_run(database), await a_run(database, "other")
    for each in (stopped, other):
        await add_many(database, each, 60)
        await ended(database, each, 60, "failed", reason="refused")
    await Breakers(database).look([stopped, other])
    await Control(database).pause(by_hand)
    async with database.write() as connection:
        await connection.execute(insert(campaign_state).values(name="offer", first_seen_at=NOW, paused=True))
    await Campaigns(database).pause("offer", paused=False)
    found = [(await one(database, run, each))["state"] for each in (stopped, by_hand, other)]
    assert found == ["queued", "paused", "paused"]
    assert await Breakers(database).look([stopped]) == {}
