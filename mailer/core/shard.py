"""Shards: shares of what is due, handed to several machines. Which are wanting is decided here, from counts alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

#: Shards that nobody has begun, of one priority or a higher one; what is more urgent always finds room.
WINDOW = 1_000

#: Shards of one run that lie ready at a time: far more than is sent between two looks.
OF_ONE_RUN = 200

#: Small runs (events: one delivery each) that one shard covers.
RUNS = 64


@dataclass(frozen=True, slots=True)
class Shard:
    """Leave to claim deliveries of these runs. Who has it looks at the rows: done twice, it does no harm."""

    runs: tuple[int, ...]  # one run, of which it is a share; or several, each whole
    priority: int
    urgent: bool  # an incident's or a service mail: a slot is kept for it


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run with deliveries that are due and nobody's."""

    id: int
    priority: int
    urgent: bool
    due: int  # counted up to OF_ONE_RUN shards


def wanting(runs: Sequence[OpenRun], waiting: Sequence[Shard], size: int) -> list[Shard]:
    """The shards to make ready beside those that are `waiting`. `runs` come the most urgent first.

    A shard is worth `size` deliveries. Small runs share one, so that they do not cost a shard a mail.
    """
    covered = Counter(run for shard in waiting for run in shard.runs)
    window = _Window(waiting)
    for run in runs:
        if run.due >= size:
            shares = min(-(-run.due // size), OF_ONE_RUN)
            for _ in range(shares - covered[run.id]):
                window.add(Shard((run.id,), run.priority, run.urgent))
        elif run.due and not covered[run.id]:
            window.pack(run, size)
    window.close()
    return sorted(window.added, key=lambda shard: -shard.priority)


class _Window:
    """Shards, as long as there is room for theirs; and small runs on their way into one."""

    def __init__(self, waiting: Sequence[Shard]) -> None:
        self.added: list[Shard] = []
        self._taken = Counter(shard.priority for shard in waiting)
        self._small: dict[tuple[int, bool], list[OpenRun]] = {}

    def add(self, shard: Shard) -> None:
        if sum(number for priority, number in self._taken.items() if priority >= shard.priority) < WINDOW:
            self._taken[shard.priority] += 1
            self.added.append(shard)

    def pack(self, run: OpenRun, size: int) -> None:
        together = self._small.setdefault((run.priority, run.urgent), [])
        together.append(run)
        if len(together) == RUNS or sum(each.due for each in together) >= size:
            self._close(run.priority, run.urgent)

    def close(self) -> None:
        for lane in list(self._small):
            self._close(*lane)

    def _close(self, priority: int, urgent: bool) -> None:
        runs = self._small.pop((priority, urgent))
        self.add(Shard(tuple(run.id for run in runs), priority, urgent))
