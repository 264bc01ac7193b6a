"""Files come in: customers, events, lists, service points. Good rows are taken, the others are reported.

Rows are taken some thousand at a time, each lot in its own transaction, under a lease that makes planning
wait until the file is whole. Every step is idempotent, so an import that was cut off is simply run again.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from itertools import islice
from typing import Protocol, TypeVar

from mailer.core.customer_row import CustomerReader, CustomerRow
from mailer.core.event_row import EventReader, EventRow
from mailer.core.importing import ImportReport, Row, RowFault
from mailer.core.merge import Fate, Merged
from mailer.core.point_row import PointRow, read_point
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


class Merging(Protocol):
    """Where customer rows go."""

    async def merge(self, rows: Sequence[CustomerRow], now: datetime) -> Sequence[Merged]:
        """What became of each row."""


class CustomerStore(Merging, Protocol):
    """The same, and what only pretends."""

    def rehearsal(self) -> AbstractAsyncContextManager[Merging]:
        """Answers alike, writes nothing."""


class Adding(Protocol):
    """Where events go."""

    async def add(self, rows: Sequence[EventRow], now: datetime) -> Sequence[Fate | RowFault]:
        """What became of each row."""


class EventStore(Adding, Protocol):
    """The same, and what only pretends."""

    def rehearsal(self) -> AbstractAsyncContextManager[Adding]:
        """Answers alike, writes nothing."""


class PointStore(Protocol):
    """Where service points go."""

    async def put(self, rows: Sequence[PointRow], now: datetime) -> Sequence[Fate | RowFault]:
        """What became of each row."""


class ListStore(Protocol):
    """Where named lists are kept."""

    async def find(self, members: Sequence[str]) -> Sequence[Sequence[int]]:
        """The customers each id or address means."""

    async def begin(self, name: str, now: datetime) -> int:
        """An empty list beside `name`."""

    async def fill(self, list_id: int, customers: Sequence[int]) -> None:
        """Add members."""

    async def compare(self, list_id: int, name: str) -> tuple[int, int, int]:
        """How many are new, in both, gone."""

    async def swap(self, list_id: int, name: str) -> None:
        """Let it be `name`."""

    async def discard(self, list_id: int) -> None:
        """Take it away."""


class CustomerImport:
    """Customers from a file."""

    def __init__(self, store: CustomerStore, leases: Leases, reader: CustomerReader) -> None:
        self._store = store
        self._leases = leases
        self._reader = reader

    async def run(
        self, rows: Rows, *, now: datetime, dry_run: bool = False, progress: Progress | None = None
    ) -> ImportReport:
        """Take every row that can be taken; with `dry_run` say what would become of them."""
        report = ImportReport()
        if dry_run:
            async with self._store.rehearsal() as pretend:
                async for lot in _lots(rows, self._reader.read, report, progress):
                    self._count(lot, await pretend.merge(lot, now), report)
            return report
        async with _open_import(self._leases) as keep:
            async for lot in _lots(rows, self._reader.read, report, progress):
                await keep()
                self._count(lot, await self._store.merge(lot, now), report)
        return report

    def _count(self, lot: Sequence[CustomerRow], merged: Sequence[Merged], report: ImportReport) -> None:
        for row, one in zip(lot, merged, strict=True):
            _tally(report, one.fate)
            report.show(one.changes)
            report.warn(row.warnings)
            report.placeholders += row.placeholders


class EventImport:
    """Customer events from a file."""

    def __init__(self, store: EventStore, leases: Leases, reader: EventReader) -> None:
        self._store = store
        self._leases = leases
        self._reader = reader

    async def run(
        self, rows: Rows, *, now: datetime, dry_run: bool = False, progress: Progress | None = None
    ) -> ImportReport:
        """Take every event that can be taken, once by its id."""
        report = ImportReport()
        if dry_run:
            async with self._store.rehearsal() as pretend:
                async for lot in _lots(rows, self._reader.read, report, progress):
                    _settle(report, await pretend.add(lot, now))
            return report
        async with _open_import(self._leases) as keep:
            async for lot in _lots(rows, self._reader.read, report, progress):
                await keep()
                _settle(report, await self._store.add(lot, now))
        return report


class PointImport:
    """Service points from a file."""

    def __init__(self, store: PointStore, leases: Leases) -> None:
        self._store = store
        self._leases = leases

    async def run(self, rows: Rows, *, now: datetime, progress: Progress | None = None) -> ImportReport:
        """Take every point that can be taken; one that is known is brought up to date."""
        report = ImportReport()
        async with _open_import(self._leases) as keep:
            async for lot in _lots(rows, read_point, report, progress):
                await keep()
                _settle(report, await self._store.put(lot, now))
        return report


class ListLoad:
    """A named list from a file: its members are those of the file from then on, all at once."""

    def __init__(self, store: ListStore, leases: Leases) -> None:
        self._store = store
        self._leases = leases

    async def run(
        self, name: str, rows: Rows, *, now: datetime, progress: Progress | None = None
    ) -> ImportReport:
        """Replace the list `name`. In the report `unchanged` were members before, `removed` are none now."""
        report = ImportReport()
        async with _open_import(self._leases) as keep:
            fresh = await self._store.begin(name, now)
            try:
                async for lot in _lots(rows, _member, report, progress):
                    await keep()
                    found = await self._store.find([text for _, _, text in lot])
                    for (line, field, text), customers in zip(lot, found, strict=True):
                        if not customers:
                            report.rejected.append(
                                RowFault(line, field, f"No customer is known as {text!r}.")
                            )
                    await self._store.fill(fresh, [key for customers in found for key in customers])
                report.created, report.unchanged, report.removed = await self._store.compare(fresh, name)
            except BaseException:
                await self._store.discard(fresh)
                raise
            await self._store.swap(fresh, name)
        return report


def _member(row: Row) -> tuple[int, str, str] | RowFault:
    for field in ("id", "email"):
        value = row.values.get(field)
        if isinstance(value, (str, int)) and str(value).strip():
            return row.line, field, str(value).strip()
    return RowFault(row.line, "id", "The row names nobody.")


async def _lots(
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


def _tally(report: ImportReport, fate: Fate) -> None:
    report.created += fate is Fate.CREATED
    report.updated += fate is Fate.UPDATED
    report.unchanged += fate is Fate.UNCHANGED


def _settle(report: ImportReport, fates: Iterable[Fate | RowFault]) -> None:
    for fate in fates:
        if isinstance(fate, RowFault):
            report.rejected.append(fate)
        else:
            _tally(report, fate)


@asynccontextmanager
async def _open_import(leases: Leases) -> AsyncIterator[Keep]:
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
