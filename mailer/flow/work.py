"""What the connections of one sender share: claimed deliveries, and why to stop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence

from mailer.core.delivery import TryLater
from mailer.core.handoff import SendJob
from mailer.errors import RelayError


class Work:
    """What the connections of a sender share: claimed deliveries, and why to stop."""

    def __init__(self, connections: int) -> None:
        self.jobs: deque[SendJob] = deque()
        self.changed = asyncio.Condition()
        self.connections = connections
        self.resting = 0
        self.over = False
        self.relay_down: TryLater | None = None
        self.refused: RelayError | None = None
        self.served: set[object] = set()  # connections the relay has let in
        self.deadline = 0.0  # monotonic seconds: no DATA starts after it

    def take(self) -> SendJob | None:
        """The next delivery if one is here."""
        return self.jobs.popleft() if self.jobs else None

    async def next(self) -> SendJob | None:
        """The next delivery; none when there will be no more."""
        async with self.changed:
            if not self.jobs and not self.over:
                self.resting += 1
                self.changed.notify_all()  # once: connections at rest must not wake one another for ever
                try:
                    await self.changed.wait_for(lambda: self.jobs or self.over)
                finally:
                    self.resting -= 1
            return self.jobs.popleft() if self.jobs else None

    async def add(self, jobs: Sequence[SendJob]) -> None:
        async with self.changed:
            self.jobs.extend(jobs)
            self.changed.notify_all()

    async def take_back(self) -> list[int]:
        """The deliveries no connection has begun."""
        async with self.changed:
            left = [job.delivery_id for job in self.jobs]
            self.jobs.clear()
            return left

    async def give_back(self, job: SendJob) -> None:
        """Let another connection have it, next."""
        async with self.changed:
            self.jobs.appendleft(job)
            self.changed.notify_all()

    def others_served(self, mine: object) -> bool:
        """Whether the relay, that does not let this connection in, serves another."""
        self.served.discard(mine)
        return bool(self.served)

    async def rest(self, seconds: float) -> None:
        """Take no work for a while."""
        async with self.changed:
            self.resting += 1
            self.changed.notify_all()
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        while not self.over:
                            await self.changed.wait()
            finally:
                self.resting -= 1

    async def end(self) -> None:
        async with self.changed:
            self.over = True
            self.changed.notify_all()

    async def at_rest(self) -> None:
        """Returns when every connection has finished what it had."""
        async with self.changed:
            while (self.jobs or self.resting < self.connections) and not self.stalled:
                await self.changed.wait()

    async def at_a_stop(self) -> None:
        """Returns when no connection has anything in hand, whatever the relay does."""
        async with self.changed:
            while self.resting < self.connections and self.refused is None:
                await self.changed.wait()

    async def running_low(self) -> None:
        """Returns when hardly any claimed delivery still waits for a connection."""
        async with self.changed:
            while len(self.jobs) > self.connections // 2 and not self.stalled:
                await self.changed.wait()

    @property
    def stalled(self) -> bool:
        return self.relay_down is not None or self.refused is not None

    async def stall(self, *, down: TryLater | None = None, refused: RelayError | None = None) -> None:
        async with self.changed:
            self.relay_down = down or self.relay_down
            self.refused = refused or self.refused
            self.changed.notify_all()

    def may_start(self) -> bool:
        return time.monotonic() < self.deadline
