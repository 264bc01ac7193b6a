from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, update

from mailer.core.delivery import State
from mailer.store.dialect import clock
from mailer.store.engine import Database, connection_name
from mailer.store.leases import LONGEST
from mailer.store.senders import Senders
from mailer.store.tables import coupon, delivery, delivery_event, sender
from tests.store.rows import NOW, a_claim, a_coupon, a_delivery, a_sender, claimed_by, events, one

LATER = NOW + timedelta(minutes=2)
PATIENCE = 60.0


@pytest.mark.parametrize(
    ("held", "row", "code", "counted"),
    [
        pytest.param(("queued", "commercial"), {"state": "queued"}, "reserved", "released", id="queued"),
        pytest.param(("deferred", "service"), {"state": "deferred"}, "reserved", "released", id="deferred"),
        pytest.param(("sending", "commercial"), {"state": "in_doubt"}, "quarantined", "in_doubt",
                     id="commercial"),
        pytest.param(("sending", "service"), {"state": "queued", "not_before": LATER, "message_id": "<m@x>"},
                     "reserved", "requeued", id="service"),
        pytest.param(("sent", "commercial"), {"state": "sent"}, "reserved", None, id="over already"),
    ],
)  # fmt: skip
async def test_what_a_dead_sender_held(
    database: Database, held: tuple[str, str], row: dict[str, Any], code: str, counted: str | None
) -> None:
    senders, dead = Senders(database), await a_sender(database, lease_seconds=-1)
    state, purpose = held
    alive = await a_sender(database)
    begun = {"sender_id": dead} if state == "sending" else {}
    found = await a_delivery(database, state=state, purpose=purpose, message_id="<m@x>", attempts=1, **begun)
    if not begun:
        await a_claim(database, dead, found)
    kept = await a_delivery(database, state="sending", sender_id=alive)
    promised = await a_coupon(database, found)
    recovered = await senders.recover(LATER)
    after = await one(database, delivery, found)
    assert {name: after[name] for name in row} == row
    assert (after["sender_id"], after["attempts"], await claimed_by(database, found)) == (None, 1, None)
    assert (await one(database, coupon, promised))["state"] == code
    counts = {name: getattr(recovered, name) for name in ("released", "in_doubt", "requeued")}
    assert counts == dict.fromkeys(counts, 0) | ({counted: 1} if counted else {})
    assert await events(database, found) == (["in_doubt"] if state == "sending" else [])
    assert (await one(database, delivery, kept))["sender_id"] == alive
    assert await senders.others_hold()
    assert not await senders.others_hold([alive])


def stands_between_statements(url: str, name: str, delivery_id: int) -> psycopg.Connection[Any]:
    """A connection with a delivery locked, by statements sent together of which the last is missing."""
    connection = psycopg.connect(url, autocommit=True, application_name=name)
    connection.pgconn.enter_pipeline_mode()
    for statement in ("begin", f"select id from delivery where id = {delivery_id} for update"):
        connection.pgconn.send_query_params(statement.encode(), None)
    connection.pgconn.send_flush_request()
    connection.pgconn.flush()
    return connection


async def test_a_sender_that_sleeps_with_locks_in_hand_is_cut_off(
    postgresql_database: Database, postgresql_url: str
) -> None:
    dead = await a_sender(postgresql_database)
    held = await a_delivery(postgresql_database, state="sending", sender_id=dead)
    another = await a_delivery(postgresql_database)
    free = select(func.count()).select_from(
        select(delivery.c.id).with_for_update(skip_locked=True).subquery()
    )
    with (
        closing(stands_between_statements(postgresql_url, connection_name("host", 1), held)),
        closing(stands_between_statements(postgresql_url, connection_name("host", 2), another)),
    ):
        async with asyncio.timeout(PATIENCE):
            locked = False
            while not locked:
                async with postgresql_database.write() as connection:
                    locked = await connection.scalar(free) == 0
        async with postgresql_database.write() as connection:
            await connection.execute(update(sender).values(lease_until=clock()))
        recovered = await Senders(postgresql_database).recover(LATER)
        assert recovered.in_doubt == 1
        async with postgresql_database.write() as connection:
            assert await connection.scalar(free) == 1  # who is no sender of ours is let be


async def test_two_recover_at_once(database: Database) -> None:
    dead = await a_sender(database, lease_seconds=-1)
    for _ in range(5):
        await a_delivery(database, state="sending", sender_id=dead)
    senders = Senders(database)
    results = await asyncio.gather(*(senders.recover(NOW) for _ in range(4)))
    assert sum(result.in_doubt for result in results) == 5
    async with database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(delivery_event)) == 5


async def test_a_sender_that_retires_leaves_nothing_held(database: Database) -> None:
    mine = await a_sender(database)
    found = await a_delivery(database, sender_id=mine, state="sending")
    waiting = await a_claim(database, mine, await a_delivery(database))
    await Senders(database).retire(mine, NOW)
    assert (await one(database, delivery, found))["state"] == State.IN_DOUBT
    assert await claimed_by(database, waiting) is None
    assert not await Senders(database).renew(mine, 30)


async def test_a_lease_of_before_the_clock_was_set_back_runs_out_as_any_other(database: Database) -> None:
    dead = await a_sender(database, lease_seconds=3_600)
    await a_delivery(database, sender_id=dead, state="sending")
    senders = Senders(database)
    assert not (await senders.recover(NOW)).in_doubt, "it may still live"
    async with database.read() as connection:
        left = await connection.scalar(select(sender.c.lease_until - clock()).where(sender.c.id == dead))
    assert 0 < left <= LONGEST
    assert await senders.renew(dead, 20), "whoever does renews it"
