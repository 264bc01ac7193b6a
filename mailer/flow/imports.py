"""Files come in: customers, events, lists, service points. Good rows are taken, the others are reported.

Rows are taken some thousand at a time, each lot in its own transaction, under a lease that makes planning
wait until the file is whole. Every step is idempotent, so an import that was cut off is simply run again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Protocol, TypeVar

from mailer.core.customer_row import CustomerReader, CustomerRow
from mailer.core.event_row import EventReader, EventRow
from mailer.core.importing import ImportReport, Row, RowFault
from mailer.core.merge import Fate, Merged, Noted
from mailer.core.point_row import PointRow, read_point
from mailer.flow.lots import Keep, Leases, Progress, Rows, lots, open_import, settle, tally

#: New rows in one import after which the database looks at its tables.
MANY = 1_000

OTHER_CONTENT = "An event of this id was taken before with other content; nothing was changed."

T = TypeVar("T")


class Merging(Protocol):
    """Where customer rows go."""

    async def merge(self, rows: Sequence[CustomerRow], now: datetime) -> Sequence[Merged]:
        """What became of each row."""


class CustomerStore(Merging, Protocol):
    """The same, and what only pretends."""

    def rehearsal(self) -> AbstractAsyncContextManager[Merging]:
        """Answers alike, writes nothing."""

    async def survey(self) -> None:
        """Many rows came at once: let the database look what it has, before it is asked."""


class Adding(Protocol):
    """Where events go."""

    async def add(self, rows: Sequence[EventRow], now: datetime) -> Sequence[Fate | Noted | RowFault]:
        """What became of each row."""

    async def different(self, rows: Sequence[EventRow]) -> set[int]:
        """The lines of those that were taken before with other content."""


class EventStore(Adding, Protocol):
    """The same, and what only pretends."""

    def rehearsal(self) -> AbstractAsyncContextManager[Adding]:
        """Answers alike, writes nothing."""

    async def survey(self) -> None:
        """The same as for customers."""


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
        real: Merging = self._store
        async with _writing(real, self._store.rehearsal if dry_run else None, self._leases) as (store, keep):
            async for lot in lots(rows, self._reader.read, report, progress):
                await keep()
                self._count(lot, await store.merge(lot, now), report)
            if report.created >= MANY and not dry_run:
                await self._store.survey()
        return report

    def _count(self, lot: Sequence[CustomerRow], merged: Sequence[Merged], report: ImportReport) -> None:
        for row, one in zip(lot, merged, strict=True):
            tally(report, one.fate)
            report.show(one.changes)
            report.warn((*row.warnings, *one.warnings))
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
        """Take every event that can be taken, once by its id; with `dry_run` say what would become of them."""
        report = ImportReport()
        real: Adding = self._store
        async with _writing(real, self._store.rehearsal if dry_run else None, self._leases) as (store, keep):
            async for lot in lots(rows, self._reader.read, report, progress):
                await keep()
                settle(report, await add_events(store, lot, now))
            if report.created >= MANY and not dry_run:
                await self._store.survey()
        return report


async def add_events(store: Adding, rows: Sequence[EventRow], now: datetime) -> list[Fate | Noted | RowFault]:
    """What became of each row; of one whose id is known with other content it is said that nothing did."""
    fates = await store.add(rows, now)
    again = [row for row, fate in zip(rows, fates, strict=True) if fate is Fate.UNCHANGED]
    different = await store.different(again) if again else set()
    return [
        Noted(Fate.UNCHANGED, RowFault(row.line, "id", OTHER_CONTENT)) if row.line in different else fate
        for row, fate in zip(rows, fates, strict=True)
    ]


class PointImport:
    """Service points from a file."""

    def __init__(self, store: PointStore, leases: Leases) -> None:
        self._store = store
        self._leases = leases

    async def run(self, rows: Rows, *, now: datetime, progress: Progress | None = None) -> ImportReport:
        """Take every point that can be taken; one that is known is brought up to date."""
        report = ImportReport()
        async with open_import(self._leases) as keep:
            async for lot in lots(rows, read_point, report, progress):
                await keep()
                settle(report, await self._store.put(lot, now))
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
        async with open_import(self._leases) as keep:
            fresh = await self._store.begin(name, now)
            try:
                async for lot in lots(rows, _member, report, progress):
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


@asynccontextmanager
async def _writing(
    store: T, rehearsal: Callable[[], AbstractAsyncContextManager[T]] | None, leases: Leases
) -> AsyncIterator[tuple[T, Keep]]:
    """Where rows go: to the store while an import is open, or to what only pretends."""
    if rehearsal is None:
        async with open_import(leases) as keep:
            yield store, keep
    else:
        async with rehearsal() as pretend:
            yield pretend, _nothing_to_keep


async def _nothing_to_keep() -> None: ...


def _member(row: Row) -> tuple[int, str, str] | RowFault:
    for field in ("id", "email"):
        value = row.values.get(field)
        if isinstance(value, (str, int)) and str(value).strip():
            return row.line, field, str(value).strip()
    return RowFault(row.line, "id", "The row names nobody.")
