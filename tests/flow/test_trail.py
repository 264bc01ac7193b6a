"""What is noted of clicks comes to disk, the last of it too."""

from __future__ import annotations

import asyncio

from mailer.core.token import Keyring, sign
from mailer.flow.trail import Request, Trail
from tests.store.rows import NOW

KEYS = Keyring.single("k" * 32)


class Spool:
    """In memory; `during` happens while a flush is on its way."""

    def __init__(self) -> None:
        self.lost = 0
        self.waiting: list[str] = []
        self.written: list[str] = []
        self.closed = False
        self.during: list[asyncio.Event] = []
        self.loop = asyncio.get_running_loop()

    def put(self, line: str) -> None:
        self.waiting.append(line)

    def mark(self) -> str:
        return f"x.{len(self.waiting)}"

    @property
    def idle(self) -> bool:
        return self.closed and not self.waiting

    def flush(self, *, last: bool = False) -> None:
        lines, self.waiting = self.waiting, []
        while self.during:  # told to stop, with one more click noted, while the disk is busy
            self.waiting.append("late")
            self.loop.call_soon_threadsafe(self.during.pop().set)
        self.written += lines
        self.closed = last


async def test_what_is_noted_while_the_disk_is_busy_with_the_rest_is_not_forgotten() -> None:
    spool, stop = Spool(), asyncio.Event()
    trail = Trail(KEYS, spool, lambda: NOW, lambda: 0.0, lambda _said: None)
    trail.open(sign(KEYS, "open", [7]), Request())
    spool.during.append(stop)
    async with asyncio.timeout(30):
        await trail.keep(stop)
    assert len(spool.written) == 2
    assert spool.closed
    assert spool.idle
