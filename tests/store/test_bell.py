"""The bell on PostgreSQL: one that waits for work hears of a run as soon as it may be seen."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import make_url, text

from mailer.core.run import RunState
from mailer.flow.dispatch import Embedded, Watch
from mailer.store import bell as bells
from mailer.store.bell import listening
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from mailer.store.runs import Runs
from tests.store.rows import NOW, a_run, add_many

LONG = 30.0


async def test_a_sender_looks_when_a_run_is_let_out(
    postgresql_url: str, postgresql_database: Database
) -> None:
    planned = await a_run(postgresql_database, state=RunState.PLANNING)
    await add_many(postgresql_database, planned, 1)
    spaced = make_url(postgresql_url).set(password="two words")  # which nobody asks for
    async with listening(spaced.render_as_string(hide_password=False)) as bell:
        await bell.wait(LONG)  # it listens
        dispatcher = Embedded(Ledger(postgresql_database), watch=Watch(object, lambda: NOW, LONG, bell.wait))
        waiting = asyncio.create_task(dispatcher.wait(LONG))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        begun = time.monotonic()
        await Runs(postgresql_database, lambda _prefix: "A").release(planned, NOW)
        await waiting
    assert time.monotonic() - begun < LONG / 2


async def test_it_is_heard_again_after_the_server_was_away(
    postgresql_url: str, postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bells, "AGAIN", 0.01)
    begun = time.monotonic()
    async with listening(postgresql_url) as bell:
        await bell.wait(LONG)
        async with postgresql_database.write() as connection:
            cut = await connection.scalar(
                text(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                    " where datname = current_database() and query like 'LISTEN %'"
                )
            )
        assert cut == 1
        await bell.wait(LONG)  # it listens again, and what was let out meanwhile may have been missed
        async with postgresql_database.write() as connection:
            await bells.ring(connection)
        await bell.wait(LONG)
    assert time.monotonic() - begun < LONG / 2
