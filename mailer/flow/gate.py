"""Where deliveries of a paced domain wait for their turn, so that no other domain waits with them.

A domain's lane lets one go when it has a token and fewer are under way than may be at the same time. What waits is
bounded: a lane keeps about a minute's worth, and tells of the rest when their turn may come.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Sequence

from mailer.core.handoff import SendJob
from mailer.core.pacing import AHEAD, Grant, Limit, Want
from mailer.flow.purse import Purse

MINUTE = 60.0
LEAST, MOST = 20, 500  # deliveries that wait in a lane, at most
IN_ALL = 5_000  # and in all lanes

#: Mails a second that a connection is taken to carry, where a domain has no rate, until it is seen. Rather too many:
#: what comes back too early is put off again, what comes too late leaves a connection idle.
EACH_CARRIES = 50.0
AT_MOST_TIMES = 4.0  # what was seen

#: Seconds over which that is seen.
LOOK = 10.0

#: Lanes nothing waits in that are kept, so that a domain that comes again finds what it had.
IDLE_LANES = 1_000


class Lane:
    """One domain."""

    def __init__(self, key: str, limit: Limit) -> None:
        self.limit = limit
        self.purse = Purse(key, limit.rate)
        self.waiting: list[tuple[int, int, SendJob]] = []  # a heap: the most urgent first
        self.under_way = 0
        self.slots = 0
        self.later_at = 0.0  # monotonic: when the turn of the next one comes that does not wait here
        self._carried = (limit.connections or 0) * EACH_CARRIES
        self._since = 0.0
        self._ended = 0

    def pace(self, now: float) -> float:
        """About how many leave in a second, at best."""
        passed = now - self._since
        if self.limit.connections is not None and self.under_way and passed >= 1:
            self._carried = (self._ended + 1) / passed * AT_MOST_TIMES
        if passed >= LOOK or not self.under_way:
            self._since, self._ended = now, 0
        return min(self.purse.rate or math.inf, self._carried or math.inf)

    def over(self) -> None:
        """One is no longer under way."""
        self.under_way -= 1
        self._ended += 1

    def ready(self, now: float) -> int:
        """How many may go now."""
        most = len(self.waiting)
        if self.limit.connections is not None:
            most = min(most, self.slots - self.under_way)
        return self.purse.usable(now, most) if most > 0 else 0

    def want(self, now: float) -> Want | None:
        """What it lacks; None: nothing."""
        tokens = 0
        if self.waiting and self.limit.rate is not None and self.purse.ahead(now) < AHEAD / 2:
            tokens = min(len(self.waiting), math.ceil(self.limit.rate * AHEAD) + 1)
        slots = 0
        if self.limit.connections is not None:
            slots = min(self.limit.connections, len(self.waiting) + self.under_way)
        if not tokens and not slots and not self.slots:
            return None
        return Want(self.purse.key, self.limit, tokens, self.under_way, slots)

    def take(self, grant: Grant, now: float) -> None:
        """What it got."""
        self.purse.put(now + wait for wait in grant.tokens)
        if grant.rate is not None:
            self.purse.rate = grant.rate
        self.slots = grant.slots


class Gate:
    """The lanes of one sender."""

    def __init__(self, limit_of: Callable[[str], tuple[str, Limit] | None]) -> None:
        self._limit_of = limit_of
        self._lanes: dict[str, Lane] = {}
        self._open: dict[str, Lane] = {}  # lanes something waits in
        self._under_way: dict[int, Lane] = {}  # by delivery
        self._number = 0
        self.parked = 0  # deliveries that wait

    def admit(self, jobs: Sequence[SendJob]) -> tuple[list[SendJob], dict[int, float]]:
        """Those no limit holds; and those there is no room for, with the seconds until their turn."""
        now = time.monotonic()
        free: list[SendJob] = []
        late: dict[int, float] = {}
        for job in jobs:
            found = self._limit_of(job.email)
            if found is None:
                free.append(job)
                continue
            lane = self._lanes.get(found[0]) or self._new(*found)
            pace = lane.pace(now)
            if len(lane.waiting) >= max(LEAST, min(MOST, pace * MINUTE)) or self.parked >= IN_ALL:
                # Half of what waits leaves first, so that those which come back never find the lane empty.
                lane.later_at = max(lane.later_at, now + len(lane.waiting) / pace / 2) + 1 / pace
                if lane.limit.rate is None:  # it may well be quicker than it looks
                    lane.later_at = min(lane.later_at, now + MINUTE)
                late[job.delivery_id] = lane.later_at - now
                continue
            self._number += 1
            heapq.heappush(lane.waiting, (-job.priority, self._number, job))
            self._open[found[0]] = lane
            self.parked += 1
        return free, late

    def ready(self, enough: int) -> int:
        """How many may go now; it stops counting at `enough`."""
        now, number = time.monotonic(), 0
        for lane in self._open.values():
            number += lane.ready(now)
            if number >= enough:
                break
        return number

    def promote(self, most: int) -> list[SendJob]:
        """Up to `most` that may go, the most urgent first, a domain after the other."""
        now = time.monotonic()
        ready = [(lane.waiting[0][0], number, key) for number, (key, lane) in enumerate(self._open.items())
                 if lane.ready(now)]  # fmt: skip
        heapq.heapify(ready)
        going: list[SendJob] = []
        while ready and len(going) < most:
            _priority, number, key = heapq.heappop(ready)
            lane = self._open[key]
            lane.purse.spend(now)
            job = heapq.heappop(lane.waiting)[2]
            lane.under_way += 1
            self._under_way[job.delivery_id] = lane
            self.parked -= 1
            going.append(job)
            if not lane.waiting:
                del self._open[key]
            elif lane.ready(now):
                heapq.heappush(ready, (lane.waiting[0][0], number + len(self._open), key))
        return going

    def over(self, delivery_id: int) -> None:
        """A delivery is no longer under way, whatever became of it."""
        lane = self._under_way.pop(delivery_id, None)
        if lane is not None:
            lane.over()

    def clear(self) -> list[int]:
        """Nothing waits here any more; the deliveries that did."""
        ids = [job.delivery_id for lane in self._open.values() for _priority, _number, job in lane.waiting]
        for lane in self._open.values():
            lane.waiting.clear()
        self._open.clear()
        self.parked = 0
        return ids

    def slower(self, email: str) -> str | None:
        """This address's domain gets too much; the key of its limit, if it has one."""
        found = self._limit_of(email)
        if found is None:
            return None
        if found[0] in self._lanes:
            self._lanes[found[0]].purse.clear()
        return found[0]

    def wants(self, now: float) -> list[Want]:
        """What the lanes lack."""
        if len(self._lanes) > IDLE_LANES:
            self._lanes = {key: lane for key, lane in self._lanes.items() if _used(lane)}
        return [want for lane in self._lanes.values() if (want := lane.want(now)) is not None]

    def take(self, grants: dict[str, Grant], now: float) -> None:
        """What they got."""
        for key, grant in grants.items():
            if key in self._lanes:
                self._lanes[key].take(grant, now)

    def next_at(self, now: float) -> float | None:
        """When the next token is good that somebody waits for."""
        times = [lane.purse.next_at(now) for lane in self._open.values()]
        return min((each for each in times if each is not None), default=None)

    def _new(self, key: str, limit: Limit) -> Lane:
        self._lanes[key] = lane = Lane(key, limit)
        return lane


def _used(lane: Lane) -> bool:
    return bool(lane.waiting or lane.under_way or lane.slots)
