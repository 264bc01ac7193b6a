"""What the connections of one sender share: deliveries on their way to them, what became of them, why to stop.

A delivery is `claimed` (ours), then `marked` (`sending`, durably: it may leave), then in a connection's hands,
then `over` until its outcome is written down.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from itertools import islice
from typing import Protocol

from mailer.core.delivery import TryLater
from mailer.core.handoff import Finish, SendJob
from mailer.errors import RelayError
from mailer.flow.mark import Marked
from mailer.flow.suspects import Suspects

TURN_LOOK = 1.0  # seconds after which a connection asks again for its turn, whatever happened


class GatePort(Protocol):
    """Where paced deliveries wait; see `flow.gate`."""

    parked: int

    def ready(self, enough: int) -> int: ...
    def promote(self, most: int) -> list[SendJob]: ...
    def over(self, delivery_id: int) -> None: ...
    def clear(self) -> list[int]: ...


class Work:
    """What the connections of a sender share."""

    def __init__(self, connections: int) -> None:
        self.connections = connections
        self.claimed: deque[SendJob] = deque()
        self.marked: deque[Marked] = deque()
        self.over: list[Finish] = []
        self.deadline = 0.0  # monotonic seconds: no DATA starts after it
        self.ended = False
        self.relay_down: TryLater | None = None
        self.refused: RelayError | None = None
        self.served: set[object] = set()  # connections the relay has let in
        self.resting = 0  # connections with nothing in hand
        self.gate: GatePort | None = None  # where what is paced waits; none: nothing is
        self.drawn = 0  # deliveries at the front of `claimed` that waited there
        self._by_turns = False
        self.overtaken = False  # whether something more urgent is due than what is claimed
        self.suspects = Suspects()
        self.watched = False  # whether somebody looks at them
        self.held = False  # nothing begins before that
        self.writing = False  # whether a wave is on its way to the database
        self.low = 0  # when so few marked deliveries are left, the next wave is due
        self.starved = 0.0  # seconds, of all connections together, in which one waited for a mark
        self._coming = 0  # connections on their way to ask
        self._asking: deque[asyncio.Future[Marked | None]] = deque()
        self._changed = asyncio.Event()  # something a part of the sender may wait for

    # What connections do

    def take(self) -> Marked | None:
        """The next delivery, if one is ready to leave and more shall."""
        if not self.marked or self.held or self.stalled or self.ended or not self.marked[0].fresh:
            return None
        if len(self.marked) == self.low + 1:
            self._changed.set()
        return self.marked.popleft()

    def soon(self, most: int) -> Iterator[Marked]:
        """Those that will be taken next."""
        return islice(self.marked, most)

    async def next(self) -> Marked | None:
        """The next delivery; none when there will be no more, or when the relay is away."""
        ready = self.take()
        if ready is not None or self.ended:
            return ready
        asked: asyncio.Future[Marked | None] = asyncio.get_running_loop().create_future()
        self._asking.append(asked)
        since = time.monotonic()
        with self._at_rest():
            try:
                return await asked
            except asyncio.CancelledError:
                if asked.done() and not asked.cancelled() and (given := asked.result()) is not None:
                    self.marked.appendleft(given)
                raise
            finally:
                self.starved += time.monotonic() - since

    async def wanted(self) -> bool:
        """Wait until there is something to send for one more connection; False when there will be no more."""
        with self._at_rest():
            await self.until(lambda: self.ended or self._more_than_hands())
        return not self.ended

    async def turn(self, mine: Callable[[], bool]) -> bool:
        """Wait until it is a connection's turn; False when there will be no more work."""
        while not mine() and not self.ended:
            with self._at_rest(), contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TURN_LOOK):
                    await self.until(lambda: self.ended or mine())
        return not self.ended

    @contextlib.contextmanager
    def coming(self) -> Iterator[None]:
        """A connection gets ready to ask."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1

    async def rest(self, seconds: float) -> None:
        """Take no work for a while."""
        with self._at_rest(), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.until(lambda: self.ended)

    def others_served(self, mine: object) -> bool:
        """Whether the relay, that does not let this connection in, serves another."""
        self.served.discard(mine)
        return bool(self.served)

    def finish(self, end: Finish) -> None:
        """A delivery's outcome, to be written down with the next wave."""
        self.over.append(end)
        if self.gate is not None:
            self.gate.over(end.delivery_id)  # with the wave that writes this down another may take its place
        if len(self.over) == 1 or self._asking:
            self._changed.set()

    def suspect(self, run_id: int) -> None:
        """A mail of this run was refused, or could not be made: is the run to go on?"""
        if self.suspects.add(run_id):
            self.held = self.watched

    def let_go(self) -> None:
        """What was held may begin."""
        self.held = False
        while self._asking and (ready := self.take()) is not None:
            self.give(ready)
        self._changed.set()

    def may_start(self) -> bool:
        """Whether the lease still holds, so that nobody else can have what we hold."""
        return time.monotonic() < self.deadline

    # What the feeder and the waves do

    @property
    def asking(self) -> int:
        """Connections that wait for a delivery."""
        return len(self._asking)

    def add(self, jobs: Sequence[SendJob]) -> None:
        """More claimed deliveries."""
        self.claimed.extend(jobs)
        self._changed.set()

    def give(self, marked: Marked) -> None:
        """One more that may leave: to the connection that asked first, or to whichever asks next."""
        while self._asking and not self.held:
            asked = self._asking.popleft()
            if not asked.done():
                asked.set_result(marked)
                return
        self.marked.append(marked)

    def take_back(self) -> list[SendJob]:
        """The claimed deliveries that were not marked."""
        left = list(self.claimed)
        self.claimed.clear()
        self.drawn = 0
        return left

    def withdraw(self, older_than: float = 0.0) -> list[SendJob]:
        """Marked deliveries no connection has begun, that were marked so many seconds ago or earlier."""
        late = time.monotonic() - older_than
        back = []
        while self.marked and self.marked[0].since <= late:
            back.append(self.marked.popleft().job)
        return back

    def withdraw_runs(self, runs: Container[int]) -> list[SendJob]:
        """Marked deliveries of these runs no connection has begun."""
        marked = list(self.marked)
        self.marked.clear()
        self.marked.extend(each for each in marked if each.job.run_id not in runs)
        return [each.job for each in marked if each.job.run_id in runs]

    def stall(self, *, down: TryLater | None = None, refused: RelayError | None = None) -> None:
        """Nothing more leaves: the relay is away, or does not want us."""
        self.relay_down = down or self.relay_down
        self.refused = refused or self.refused
        self._send_home()

    def end(self) -> None:
        """There will be no more work."""
        self.ended = True
        self._send_home()

    @property
    def stalled(self) -> bool:
        """Whether nothing may begin for now."""
        return self.relay_down is not None or self.refused is not None

    @property
    def idle(self) -> bool:
        """Whether every connection has finished what it had, and nothing is being marked for one."""
        return self.resting >= self.connections and not self.writing

    @property
    def settled(self) -> bool:
        """Whether every outcome so far is durable."""
        return not self.over and not self.writing

    @property
    def quiet(self) -> bool:
        """Whether nothing is left of what was claimed."""
        parked = self.gate.parked if self.gate is not None else 0
        return self.idle and self.settled and not self.claimed and not self.marked and not parked

    def draw(self, room: int) -> None:
        """What is paced and may go now comes to the front, by turns with what is not: half of the room is for each."""
        if self.gate is None:
            return
        if len(self.claimed) > self.drawn:
            self._by_turns = not self._by_turns
            room = (room + self._by_turns) // 2
        if room > self.drawn:
            going = self.gate.promote(room - self.drawn)
            self.claimed.extendleft(reversed(going))
            self.drawn += len(going)

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for `reached`, which is asked whenever something changed."""
        while not reached():
            await self.change()

    async def change(self) -> None:
        """Wait until something changes."""
        changed = self._changed
        await changed.wait()
        if changed is self._changed:  # the first to see it puts up a new sign
            self._changed = asyncio.Event()

    def tell(self) -> None:
        """Something changed."""
        self._changed.set()

    def _more_than_hands(self) -> bool:
        hands = self._coming + self.asking
        if self.stalled or len(self.claimed) + len(self.marked) > hands:
            return not self.stalled
        return (
            self.gate is not None
            and len(self.claimed) + len(self.marked) + self.gate.ready(hands + 1) > hands
        )

    def _send_home(self) -> None:
        while self._asking:
            asked = self._asking.popleft()
            if not asked.done():
                asked.set_result(None)
        self._changed.set()

    @contextlib.contextmanager
    def _at_rest(self) -> Iterator[None]:
        self.resting += 1
        self.tell()
        try:
            yield
        finally:
            self.resting -= 1
