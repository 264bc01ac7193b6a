"""The database is away for longer than a lease: what the relay accepted meanwhile is not in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.delivery import Accepted, Outcome, Reply
from mailer.core.message import Message
from mailer.errors import StoreError
from mailer.flow import claiming, send
from mailer.store import senders as of_senders
from mailer.store.engine import Database
from mailer.store.senders import Senders
from mailer.testing import FakeTransport
from tests.flow.test_send import PATIENCE, held, loop, sent_all, states
from tests.store.rows import NOW, a_claim, a_delivery, a_run, a_sender, add_many

LEASE, RENEW, AWAY, WATCH = 1.5, 0.1, 2.0, 2.0  # seconds


class Fickle(Database):
    """A database that is away at times."""

    def __init__(self, behind: Database) -> None:
        self.__dict__.update(behind.__dict__)
        self.away = False

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        self._asked()
        async with super().read() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        self._asked()
        async with super().write() as connection:
            yield connection

    def _asked(self) -> None:
        if self.away:
            raise StoreError("The database is away.")


async def test_a_database_away_for_longer_than_a_lease_leaves_no_doubt(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "LEASE_SECONDS", LEASE)
    monkeypatch.setattr(send, "RENEW_SECONDS", RENEW)
    monkeypatch.setattr(claiming, "STORE_LOOK", RENEW)
    monkeypatch.setattr(of_senders, "_GAP", LEASE / 3)  # a pause of this very process is nobody's death
    await add_many(database, await a_run(database), 40)
    fickle, back = Fickle(database), asyncio.Event()

    def answer(_message: Message) -> Outcome:
        if len(relay.tried) == 10:
            fickle.away = True
            asyncio.get_running_loop().call_later(AWAY, back.set)
        return Accepted(Reply(250))

    relay = FakeTransport(answer)

    async def recovering() -> None:
        senders = Senders(fickle, WATCH)  # a scheduler elsewhere, which the outage hits as well
        while True:
            try:
                await senders.recover(NOW)
            except StoreError:
                await asyncio.sleep(0)
            await asyncio.sleep(0.02)

    async def returning() -> None:
        await back.wait()
        fickle.away = False

    others = [asyncio.create_task(each) for each in (recovering(), returning())]
    try:
        await sent_all(loop(fickle, relay))
    finally:
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    assert (await states(database)).keys() <= {"sent", "deferred"}, "nothing is in doubt"
    assert (await states(database))["sent"] == len(relay.tried)
    assert await held(database) == 0


async def test_whoever_recovers_has_seen_the_database_at_work(database: Database) -> None:
    fickle = Fickle(database)
    dead = await a_sender(database, lease_seconds=-1)
    await a_claim(database, dead, await a_delivery(database))
    senders = Senders(fickle, 0.2)
    assert (await senders.recover(NOW)).released == 0, "the first look tells nothing"
    fickle.away = True
    with pytest.raises(StoreError):
        await senders.recover(NOW)
    fickle.away = False
    await asyncio.sleep(0.25)
    assert (await senders.recover(NOW)).released == 0, "it was away: look on anew"
    async with asyncio.timeout(PATIENCE):
        while not (await senders.recover(NOW)).released:  # noqa: ASYNC110 -- it is the time that passes
            await asyncio.sleep(0.05)
