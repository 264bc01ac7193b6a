"""Taking the spool into the database: in small portions, and late enough to tell machines by their haste.

It shares its process with what answers clicks, so it works a little at a time and half of the time at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from mailer.core.tracking import LOOKED, WINDOW, Hit, Judged, in_haste, judge
from mailer.errors import StoreError

_MOST_ID = 1 << 63  # what databases keep
A = TypeVar("A")
B = TypeVar("B")

MOST_OF_A_MAIL = 200  # hits booked of one mail in what is taken in at once
_PARTS = 2  # files taken in at a time: while a long row of them is, clicks are answered
_ALL = 100_000  # files
_SLICE = 100  # hits read or judged before the next request has its turn: a millisecond's worth
_LOOK_SECONDS = 0.5
_SLOW_SECONDS = 5.0  # between two tries while the database is away


class PartPort(Protocol):
    """A stretch of the spool that is whole."""

    @property
    def name(self) -> str: ...
    @property
    def lines(self) -> Sequence[str]: ...


class ShelfPort(Protocol):
    """The stretches that are whole, oldest first."""

    def parts(self, most: int) -> Sequence[PartPort]: ...
    def remove(self, part: PartPort) -> None: ...
    def turn(self) -> contextlib.AbstractContextManager[bool]: ...


class HitsPort(Protocol):
    """Where they are booked."""

    async def book(self, hits: Sequence[tuple[Hit, Judged]]) -> int: ...


class Replay:
    """Takes the spool into the database."""

    def __init__(
        self,
        shelf: ShelfPort,
        book: HitsPort,
        is_crawler: Callable[[str], bool],
        seconds: Callable[[], float],
        tell: Callable[[str], None],
    ) -> None:
        self._shelf = shelf
        self._book = book
        self._is_crawler = is_crawler
        self._seconds = seconds
        self._tell = tell
        self._before: list[Hit] = []  # what was taken in last: a rush may go on
        self._known: dict[str, list[Hit]] = {}  # by stretch: each is looked at until it is ripe

    async def keep(self, stop: asyncio.Event) -> None:
        """Take in what is ripe, again and again, until told to stop. While the database is away it waits."""
        away = False
        while not stop.is_set():
            took, begun = 0, self._seconds()
            try:
                took = await self.once()
                away = False
            except (StoreError, OSError) as trouble:
                if not away:
                    self._tell(f"Clicks and openings wait on disk: {trouble}")
                away = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), rest(took, self._seconds() - begun, away=away))

    async def once(self, *, ripe: bool = True) -> int:
        """Take in the oldest stretches; how many hits they held. Without `ripe`, even what may be part of a rush.

        Raises:
            StoreError: the database is away; everything stays where it is.
        """
        with self._shelf.turn() as ours:
            if not ours:
                return 0
            found = await asyncio.to_thread(self._shelf.parts, 4 * _PARTS)
            read = await self._read(found)
            now = self._seconds()
            taken = [
                (part, hits)
                for part, hits in read[:_PARTS]
                if not ripe
                or not any(now - WINDOW <= hit.seen <= now for hit in hits)  # a clock set back: take it
            ]
            if not taken:
                return 0
            hits = [hit for _part, hits in taken for hit in hits]
            judged = await self._judged(hits, [hit for _part, hits in read for hit in hits])
            booked = bounded(judged)
            if len(booked) < len(judged):
                self._tell(
                    f"{len(judged) - len(booked):,} requests for links of one mail within seconds are not booked:"
                    f" somebody asks again and again, and {MOST_OF_A_MAIL} are enough."
                )
            await self._book.book(booked)
            for part, _hits in taken:
                self._shelf.remove(part)
            last = max((hit.seen for hit in hits), default=0.0)
            self._before = [hit for hit in (*self._before, *hits) if hit.seen >= last - WINDOW]
            return len(hits)

    async def _read(self, parts: Sequence[PartPort]) -> list[tuple[PartPort, list[Hit]]]:
        known = self._known
        self._known = {
            part.name: known.get(part.name)
            or await _in_slices(hits_of, await asyncio.to_thread(lambda each: each.lines, part))
            for part in parts
        }
        return [(part, self._known[part.name]) for part in parts]

    async def holds(self, deliveries: Collection[int]) -> bool:
        """Whether something of one of these deliveries waits on this machine's disk."""
        found = await asyncio.to_thread(lambda: [hits_of(part.lines) for part in self._shelf.parts(_ALL)])
        return any(hit.delivery_id in deliveries for hits in found for hit in hits)

    async def _judged(self, hits: Sequence[Hit], around: Sequence[Hit]) -> list[tuple[Hit, Judged]]:
        hasty = await _in_haste({hit.delivery_id for hit in hits}, (*self._before, *around))

        def judged(some: Sequence[Hit]) -> list[tuple[Hit, Judged]]:
            return [(hit, judge(hit, self._is_crawler, hasty)) for hit in some if hit.kind != LOOKED]

        return await _in_slices(judged, hits)


async def _in_haste(mails: Collection[int], hits: Sequence[Hit]) -> set[str]:
    """The same as `in_haste`, of these mails alone and a little at a time."""
    grouped: dict[int, list[Hit]] = {}

    def gather(some: Sequence[Hit]) -> list[None]:
        for hit in some:
            if hit.delivery_id in mails:
                grouped.setdefault(hit.delivery_id, []).append(hit)
        return []

    await _in_slices(gather, hits, 10 * _SLICE)
    several = [each for each in grouped.values() if len(each) > 1]
    return set(await _in_slices(lambda some: [ident for each in some for ident in in_haste(each)], several))


async def _in_slices(
    work: Callable[[Sequence[A]], list[B]], over: Sequence[A], most: int = _SLICE
) -> list[B]:
    """What comes of it, a little at a time.

    A thread that computes is no help to whoever waits for an answer: the loop gives the interpreter up with every send
    and receive, and has it back only when the thread is made to, five milliseconds later.
    """
    found: list[B] = []
    for begin in range(0, len(over), most):
        found += work(over[begin : begin + most])
        await asyncio.sleep(0)
    return found


def bounded(judged: Sequence[tuple[Hit, Judged]]) -> Sequence[tuple[Hit, Judged]]:
    """The first few of each mail: a link that is asked for in a loop must not fill the database."""
    seen: Counter[int] = Counter()
    found = []
    for hit, judgement in judged:
        seen[hit.delivery_id] += 1
        if seen[hit.delivery_id] <= MOST_OF_A_MAIL:
            found.append((hit, judgement))
    return found


def rest(took: int, spent: float, *, away: bool) -> float:
    """Seconds until the next look, after `took` hits were taken in within `spent` seconds.

    As long as the work lasted: it has half of the time at most, and whoever follows a link meanwhile waits for nobody.
    """
    if away:
        return _SLOW_SECONDS
    return min(max(0.0, spent), _SLOW_SECONDS) if took else _LOOK_SECONDS  # clocks step


def hits_of(lines: Sequence[str]) -> list[Hit]:
    """What lines of the spool say; one that says nothing is left out."""
    found = []
    for line in lines:
        with contextlib.suppress(ValueError, TypeError, KeyError, OverflowError, RecursionError):
            key, kind, delivery_id, at, seen, url, agent, sign = json.loads(line)
            hit = Hit(
                str(key), str(kind), int(delivery_id), datetime.fromisoformat(at), float(seen), str(url), str(agent),
                str(sign),
            )  # fmt: skip
            if 0 < hit.delivery_id < _MOST_ID:
                found.append(hit)
    return found
