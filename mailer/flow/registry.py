"""Telling the state's registry of consent, and taking its answers in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from mailer.core.importing import ImportReport
from mailer.core.registry import Answered, Due, deadline, read_answer, record, summary, told_from
from mailer.flow.lots import Rows, lots


class RegistryPort(Protocol):
    """The way to a registry: files today, its own service some day."""

    def send(self, records: Iterable[Mapping[str, str]], now: datetime) -> str:
        """Hand records over, durably; where they are."""


class LedgerPort(Protocol):
    """The consent ledger, as a registry sees it."""

    async def due(self) -> Sequence[Due]: ...
    async def told(self, entries: Sequence[int]) -> None: ...
    async def answer(self, answers: Sequence[Answered], now: datetime) -> Sequence[bool]: ...
    async def lapse(self, ends: Callable[[datetime], datetime], now: datetime) -> int: ...
    async def counted(self) -> dict[str, int]: ...


@dataclass(frozen=True, slots=True)
class Law:
    """What the settings say of the registry."""

    since: date
    source: str
    holidays: frozenset[date] = frozenset()

    def ends(self, at: datetime) -> datetime:
        """By when the registry has to know what was said at `at`."""
        return deadline(told_from(at, self.since), self.holidays)


class RegistryDesk:
    """What people do with the registry."""

    def __init__(self, ledger: LedgerPort, registry: RegistryPort, law: Law) -> None:
        self._ledger = ledger
        self._registry = registry
        self._law = law

    async def upload(self, now: datetime) -> tuple[int, str]:
        """Hand over what the registry was not told of; how many, and where they are.

        Handed over first and marked then: after a crash between the two they are handed over twice, which a registry
        takes as the same.
        """
        due = await self._ledger.due()
        if not due:
            return 0, ""
        records = [record(each, self._law.source) for each in due]
        place = await asyncio.to_thread(self._registry.send, records, now)
        await self._ledger.told([each.entry for each in due])
        return len(due), place

    async def take(self, rows: Rows, now: datetime) -> ImportReport:
        """Take answers in; `updated` are news, `unchanged` were known or are of nobody here."""
        report = ImportReport()
        async for lot in lots(rows, lambda row: read_answer(row, now), report, None):
            for news in await self._ledger.answer(lot, now):
                report.updated += news
                report.unchanged += not news
        return report

    async def lapse(self, now: datetime) -> int:
        """Let consent go that was not confirmed in time; of how many customers."""
        return await self._ledger.lapse(self._law.ends, now)

    async def status(self, now: datetime) -> dict[str, Any]:
        """What waits to be told and by when, and what the registry said."""
        due = await self._ledger.due()
        waiting = summary(due, self._law.since, self._law.holidays, now)
        return {**waiting, "entries": await self._ledger.counted()}
