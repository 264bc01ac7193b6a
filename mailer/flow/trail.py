"""What those who get mails leave behind: clicks and openings, noted on disk first and booked a moment later.

To answer a click nobody is asked: the address stands in the link. What happened goes to the spool, where it waits for
the database however long that is away, and for the few seconds in which a machine may give itself away by its haste.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mailer.core.event import EventKind
from mailer.core.links import clicked, opened
from mailer.core.token import Keyring
from mailer.core.tracking import LOOKED, WINDOW, Hit, Judged, in_haste, judge, sign_of
from mailer.errors import StoreError

_written = json.JSONEncoder(separators=(",", ":")).encode

MOST_AGENT = 300  # letters kept of the name a program gives itself
MOST_OF_A_MAIL = 200  # hits booked of one mail in what is taken in at once
_PARTS = 2  # files taken in at a time: while a long row of them is, clicks are answered
_ALL = 100_000  # files
_FLUSH_SECONDS = 0.1  # a crash of the machine forgets what is younger
_LOOK_SECONDS = 0.5
_SLOW_SECONDS = 5.0  # between two tries while the database is away


class SpoolPort(Protocol):
    """What is appended to."""

    lost: int

    def put(self, line: str) -> None: ...
    def mark(self) -> str: ...
    @property
    def idle(self) -> bool: ...
    def flush(self, *, last: bool = False) -> None: ...


class PartPort(Protocol):
    """A stretch of the spool that is whole."""

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


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asked with."""

    method: str = "GET"
    agent: str = ""
    purpose: str = ""  # Sec-Purpose and its likes
    of_a_machine: bool = False  # from a network of machines


class Trail:
    """Reads links and pictures, and notes who asked for them."""

    def __init__(
        self,
        keys: Keyring,
        spool: SpoolPort,
        clock: Callable[[], datetime],
        seconds: Callable[[], float],
        tell: Callable[[str], None],
    ) -> None:
        self._keys = keys
        self._spool = spool
        self._clock = clock
        self._seconds = seconds
        self._tell = tell
        self._told_lost = 0

    @property
    def lost(self) -> int:
        """How many were let go by this process, because the spool was full."""
        return self._spool.lost

    def click(self, token: str, by: Request) -> str:
        """Where a link leads; that it was followed is noted.

        Raises:
            BadToken: it is not one of ours.
        """
        url, delivery_id = clicked(self._keys, token)
        self._note(EventKind.CLICKED, delivery_id, by, url)
        return url

    def open(self, token: str, by: Request) -> None:
        """A picture was asked for.

        Raises:
            BadToken: it is not one of ours.
        """
        self._note(EventKind.OPENED, opened(self._keys, token), by)

    def looked(self, delivery_id: int, page: str, by: Request) -> None:
        """A page of ours was asked for by a link of a mail: whoever does that in a rush is no person."""
        self._note(LOOKED, delivery_id, by, page)

    def _note(self, kind: str, delivery_id: int, by: Request, url: str = "") -> None:
        if delivery_id:
            sign = sign_of(by.method, by.purpose, of_a_machine=by.of_a_machine)
            at = self._clock().isoformat()
            seen = round(self._seconds(), 3)
            said = [self._spool.mark(), kind, delivery_id, at, seen, url, by.agent[:MOST_AGENT], sign]
            self._spool.put(_written(said))

    async def keep(self, stop: asyncio.Event) -> None:
        """Bring to disk what was noted, until told to stop, and the rest then."""
        told = ""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _FLUSH_SECONDS)
            told = await self._flush(told, last=stop.is_set())

    async def _flush(self, told: str, *, last: bool) -> str:
        if self._spool.lost > self._told_lost:
            self._tell(
                f"{self._spool.lost - self._told_lost:,} clicks and openings were not noted: the spool is full."
            )
            self._told_lost = self._spool.lost
        if self._spool.idle:
            return told
        try:
            await asyncio.to_thread(self._spool.flush, last=last)
        except OSError as trouble:
            if told != str(trouble):
                self._tell(f"Clicks and openings wait in memory: the spool cannot be written ({trouble}).")
            return str(trouble)
        return ""


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
            read = await asyncio.to_thread(lambda: [(part, hits_of(part.lines)) for part in found])
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
            # Judging takes a fifth of a millisecond for each program nobody saw before.
            judged = await asyncio.to_thread(
                self._judged, hits, [hit for _part, hits in read for hit in hits]
            )
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

    async def holds(self, deliveries: Collection[int]) -> bool:
        """Whether something of one of these deliveries waits on this machine's disk."""
        found = await asyncio.to_thread(lambda: [hits_of(part.lines) for part in self._shelf.parts(_ALL)])
        return any(hit.delivery_id in deliveries for hits in found for hit in hits)

    def _judged(self, hits: Sequence[Hit], around: Sequence[Hit]) -> list[tuple[Hit, Judged]]:
        hasty = in_haste((*self._before, *around))
        return [(hit, judge(hit, self._is_crawler, hasty)) for hit in hits if hit.kind != LOOKED]


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
        with contextlib.suppress(ValueError, TypeError, KeyError):
            key, kind, delivery_id, at, seen, url, agent, sign = json.loads(line)
            hit = Hit(
                str(key), str(kind), int(delivery_id), datetime.fromisoformat(at), float(seen), str(url), str(agent),
                str(sign),
            )  # fmt: skip
            found.append(hit)
    return found
