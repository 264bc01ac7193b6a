"""SQLite's statements in the event loop's own thread, for a process whose statements are all short: a sender.

The driver hands every statement to a thread. In a process that is always busy that costs more than the statements:
the thread waits for the interpreter's lock and the loop for the thread, some forty times a transaction, and all the
while the database's one writer's place is taken. So here only what has to wait does so in the thread: for another
process that writes (a BEGIN IMMEDIATE that finds the place taken), and for the disk (COMMIT).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from mailer.store.dialect import LOCK_SECONDS
from mailer.store.threaded import Threaded

#: Seconds between two looks whether a lock is free. SQLite's own, that it does not wait with here, grow to a tenth of a
#: second, and a sender that finds the place taken then as well gets no turn for seconds.
_LOOK = 0.002


class Inline(Threaded):
    """A connection of the driver that runs short statements where they are asked for."""

    _writes = False  # whether it has the one writer's place

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        raw = self._connection
        if not self._running or raw is None:
            raise ValueError("Connection closed")
        begins = args[:1] == ("BEGIN IMMEDIATE",)
        waits = fn == raw.close or (self._writes and fn == raw.commit)
        if not waits:
            try:
                done = fn(*args, **kwargs)
            except sqlite3.OperationalError as error:  # while somebody repairs the log, even reading waits
                waits = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
                if not waits:
                    raise
        if waits:
            done = await super()._execute(partial(_patiently, fn), *args, **kwargs)  # type: ignore[no-untyped-call]  # the driver types none of it
        self._writes = begins or (self._writes and raw.in_transaction)
        return done


def _patiently(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    give_up = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fn(*args, **kwargs)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
        time.sleep(_LOOK)


def inline(file: str, **options: Any) -> Inline:
    """A connection to open with `await`, as the driver's `connect` gives one."""
    return Inline.make(file, **(options | {"check_same_thread": False}))
