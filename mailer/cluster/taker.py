"""A sender's end of the queue: shards come over Procrastinate, deliveries are claimed where they lie."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import psycopg
from procrastinate import App
from procrastinate.exceptions import ConnectorException

from mailer.cluster.queue import HEARTBEAT, OTHER, STALLED, TASK, URGENT, connector

PROMPT = 0.05  # seconds the next shard may take after one is over
POLL = 2.0  # seconds between two looks for shards, should a notification be lost
AGAIN = 1.0  # seconds before a database that went away is asked again
FAREWELL = 1.0  # seconds a shard in hand has to end


#: Takes up to so many deliveries for a sender, of these runs only: (sender, now, limit, runs) → their ids.
Claim = Callable[[int, datetime, int, Sequence[int]], Awaitable[list[int]]]


class _Held:
    """The shard in hand."""

    def __init__(self, runs: Sequence[int], left: int) -> None:
        self.runs = runs
        self.left = left  # deliveries it is still worth
        self.over = asyncio.Event()


class ShardTaker:
    """One shard at a time; it is over when all of it is claimed. See `taking_shards`.

    A sender that dies leaves its shard to `Housekeeping.take_back`, and what it had claimed to its lease.
    """

    def __init__(self, app: App, claim: Claim, size: int, queues: Sequence[str]) -> None:
        self._app = app
        self._claim = claim
        self._size = size
        self._queues = queues
        self._held: _Held | None = None
        self._here = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        app.task(name=TASK)(self._work)

    async def take(self, sender_id: int, now: datetime, limit: int) -> list[int]:
        """Up to `limit` deliveries of the shard in hand, or of the next.

        Raises:
            Fenced: this sender's lease ran out, and its deliveries were given to others.
            StoreError: the database cannot be used; the shard stays in hand.
        """
        if self._held is None:
            await self.wait(PROMPT)
        held = self._held
        if held is None:
            return []
        asked = min(limit, held.left)
        ids = await self._claim(sender_id, now, asked, held.runs)
        held.left -= len(ids)
        if (len(ids) < asked or not held.left) and self._held is held:
            self._end()  # all there is of it is claimed: the next may come while this is sent
        return ids

    async def wait(self, seconds: float) -> None:
        """Until there may be something to take, and no longer than so many seconds."""
        if self._serving is not None and self._serving.done():
            self._serving.result()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._here.wait()

    async def overtaken(self, now: datetime, priority: int) -> bool:  # noqa: ARG002 - the port's signature
        """Never: what is urgent has a slot of its own."""
        return False

    async def serve(self) -> None:
        """Be a worker of Procrastinate's until cancelled, whatever becomes of the database meanwhile."""
        while True:
            with contextlib.suppress(ConnectorException, psycopg.Error, OSError):
                async with self._app.open_async():
                    await self._app.run_worker_async(
                        queues=self._queues,
                        concurrency=1,
                        install_signal_handlers=False,
                        delete_jobs="always",
                        fetch_job_polling_interval=POLL,
                        update_heartbeat_interval=HEARTBEAT,
                        stalled_worker_timeout=STALLED,
                        shutdown_graceful_timeout=FAREWELL,
                    )
            await asyncio.sleep(AGAIN)

    def start(self) -> None:
        """Begin to take."""
        self._serving = asyncio.create_task(self.serve())

    async def stop(self) -> None:
        """Take no more."""
        self._end()
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)

    async def _work(self, runs: list[int]) -> None:
        held = self._held = _Held(runs, self._size)
        self._here.set()
        try:
            await held.over.wait()
        finally:
            if self._held is held:
                self._held = None
                self._here.clear()

    def _end(self) -> None:
        if self._held is not None:
            self._held.over.set()
            self._held = None
            self._here.clear()


@asynccontextmanager
async def taking_shards(url: str, claim: Claim, size: int, *, urgent: bool) -> AsyncIterator[ShardTaker]:
    """A taker on the database of our `database_url`; an `urgent` one takes what a slot is reserved for, only."""
    taker = ShardTaker(App(connector=connector(url, 2)), claim, size, [URGENT] if urgent else [URGENT, OTHER])
    taker.start()
    try:
        yield taker
    finally:
        await taker.stop()
