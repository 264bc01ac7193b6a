"""Rows of a file in lots, each written in a transaction of its own, under the lease of an open import."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Protocol, TypeVar

from mailer.core.importing import ImportReport, Row, RowFault
from mailer.core.merge import Fate, Noted
from mailer.errors import UsageError

LOT = 2_000  # rows of one transaction, and
LOT_CHARACTERS = 8_000_000  # of the file at most, so that long rows do not fill the memory
LEASE = "import"
LEASE_SECONDS = 30.0
RENEW_SECONDS = 5.0
PATIENCE_SECONDS = 45.0  # longer than a lease: one left by an import that died runs out first

Progress = Callable[[int], None]  # told how many rows are done
Keep = Callable[[], Awaitable[None]]
Rows = Iterable[Row | RowFault]
T = TypeVar("T")


class Leases(Protocol):
    """Leases by name, on the database's clock."""

    async def acquire(self, name: str, owner: str, seconds: float) -> bool:
        """Take it, or keep it when it is ours."""

    async def release(self, name: str, owner: str) -> None:
        """Give it back."""


async def lots(
    rows: Rows, read: Callable[[Row], T | RowFault], report: ImportReport, progress: Progress | None
) -> AsyncIterator[list[T]]:
    """What was read of `rows`, in lots; faults go into the report."""
    source = iter(rows)
    while True:
        taken = await asyncio.to_thread(_take, source)
        if not taken:
            return
        lot: list[T] = []
        for row in taken:
            found = row if isinstance(row, RowFault) else read(row)
            if isinstance(found, RowFault):
                report.rejected.append(found)
            else:
                lot.append(found)
        if lot:
            yield lot
        report.rejected.sort(key=lambda fault: fault.line)
        if progress is not None:
            progress(report.rows)


def _take(source: Iterator[Row | RowFault]) -> list[Row | RowFault]:
    taken: list[Row | RowFault] = []
    room = LOT_CHARACTERS
    for row in islice(source, LOT):
        taken.append(row)
        room -= row.size if isinstance(row, Row) else 0
        if room < 0:
            break
    return taken


def tally(report: ImportReport, fate: Fate) -> None:
    """Count what became of a row."""
    report.created += fate is Fate.CREATED
    report.updated += fate is Fate.UPDATED
    report.unchanged += fate is Fate.UNCHANGED


def settle(report: ImportReport, fates: Iterable[Fate | Noted | RowFault]) -> None:
    """Count what became of a lot; faults and warnings are kept."""
    for fate in fates:
        if isinstance(fate, RowFault):
            report.rejected.append(fate)
        elif isinstance(fate, Noted):
            report.warn([fate.warning], taken=fate.fate is not Fate.UNCHANGED)
            tally(report, fate.fate)
        else:
            tally(report, fate)


@asynccontextmanager
async def open_import(leases: Leases) -> AsyncIterator[Keep]:
    """Hold the lease; what is given is to be awaited before each lot, to keep it."""
    owner = uuid.uuid4().hex
    loop = asyncio.get_running_loop()
    give_up = loop.time() + PATIENCE_SECONDS
    while not await leases.acquire(LEASE, owner, LEASE_SECONDS):
        if loop.time() > give_up:
            raise UsageError("Another import is running; wait until it has finished and try again.")
        await asyncio.sleep(0.5)
    renewed = loop.time()

    async def keep() -> None:
        nonlocal renewed
        if loop.time() - renewed < RENEW_SECONDS:
            return
        if not await leases.acquire(LEASE, owner, LEASE_SECONDS):
            raise UsageError("Another import began while this one was held up; run this one again.")
        renewed = loop.time()

    try:
        yield keep
    finally:
        await leases.release(LEASE, owner)
