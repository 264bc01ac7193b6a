"""Which templates senders make ready before there is a mail of them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, update

from mailer.core.run import RunState
from mailer.store.campaigns import Campaigns
from mailer.store.engine import Database
from mailer.store.tables import campaign_version, run
from tests.store.rows import NOW, a_run

INCIDENT: dict[str, Any] = {"incident": "any"}


async def a_version(database: Database, campaign: str, trigger: object, digest: str) -> int:
    async with database.write() as conn:
        values = {"definition": {"trigger": trigger}, "parts": {}, "created_at": NOW}
        made = insert(campaign_version).values(campaign=campaign, digest=digest, **values)
        found: int = (await conn.execute(made.returning(campaign_version.c.id))).scalar_one()
        return found


@pytest.mark.parametrize("trigger", ["manual", {"cron": "0 9 * * 1"}, {"event": {"name": "incident"}}])
async def test_the_newest_of_each_campaign_that_carries_notices(database: Database, trigger: object) -> None:
    await a_version(database, "outage", INCIDENT, "old")
    wanted = {
        await a_version(database, "outage", INCIDENT, "new"),
        await a_version(database, "works", INCIDENT, "new"),
    }
    await a_version(database, "gone", INCIDENT, "old")
    await a_version(database, "gone", trigger, "new")  # it carries them no more
    await a_version(database, "offer", trigger, "new")
    assert set(await Campaigns(database).foreseen()) == wanted


@pytest.mark.parametrize("state", [*RunState])
async def test_those_of_runs_that_are_planned(database: Database, state: RunState) -> None:
    version = await a_version(database, "offer", "manual", "v")
    of = await a_run(database)
    async with database.write() as conn:
        await conn.execute(update(run).where(run.c.id == of).values(state=state, version_id=version))
    assert list(await Campaigns(database).foreseen()) == [version] * (state is RunState.PLANNING)
