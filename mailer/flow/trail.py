"""What those who get mails leave behind: clicks and openings, noted on disk first and booked a moment later.

To answer a click nobody is asked: the address stands in the link. What happened goes to the spool, where it waits for
the database however long that is away, and for the few seconds in which a machine may give itself away by its haste.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mailer.core.event import EventKind
from mailer.core.links import clicked, opened
from mailer.core.token import Keyring
from mailer.core.tracking import LOOKED, sign_of

_written = json.JSONEncoder(separators=(",", ":")).encode

MOST_AGENT = 300  # letters kept of the name a program gives itself
_FLUSH_SECONDS = 0.1  # a crash of the machine forgets what is younger


class SpoolPort(Protocol):
    """What is appended to."""

    lost: int

    def put(self, line: str) -> None: ...
    def mark(self) -> str: ...
    @property
    def idle(self) -> bool: ...
    def flush(self, *, last: bool = False) -> None: ...


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
        told, last = "", False
        while not last:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _FLUSH_SECONDS)
            last = stop.is_set()  # before the flush: what is noted during it is in the next one
            told = await self._flush(told, last=last)

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
