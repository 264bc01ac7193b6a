"""Filling a run: its audience, page by page. Customers about whom the same is known are decided and written as one.

Few facts matter to a decision, and most customers share all of them: their zone, their consent, the days on which mails
left. Only those whom something sets apart - another record with their address, another mail that waits - are looked at
one by one. Both ways end in the same rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from mailer.core.audience import Page, Selection
from mailer.core.campaign import Campaign
from mailer.core.delivery import Skip
from mailer.flow.plan_ports import People, RunBook
from mailer.flow.plan_rows import Rows

PAGE = 10_000  # customers read, decided and written at a time
FIRST = 2_500  # at first: nobody writes before they are read


@dataclass(slots=True)
class Filled:
    """What was added to a run."""

    run_id: int | None  # none: nobody was found, and there was no run before
    grew: bool = False  # somebody was found
    added: int = 0
    missed: int = 0


@dataclass(frozen=True, slots=True)
class _Target:
    """One run being filled: the facts every page needs."""

    campaign: Campaign
    occurrence: str
    selection: Selection
    run_id: int
    due: datetime
    now: datetime
    moved: Sequence[str]  # addresses it was planned for, and whose customer has another one since


class Filling:
    """Adds everybody an audience has to a run."""

    def __init__(self, book: RunBook, people: People, rows: Rows) -> None:
        self._book = book
        self._people = people
        self._rows = rows

    async def fill(
        self,
        campaign: Campaign,
        occurrence: str,
        selection: Selection,
        due: datetime,
        now: datetime,
        standing: int | None,
        begin: Callable[[], Awaitable[int]],
    ) -> Filled:
        """Add everyone selected to the run that stands. Without one, `begin` writes it down once somebody is found."""
        watch = self._rows.watch(campaign, occurrence, await self._people.zones(), due, now)
        selection = replace(selection, run_id=standing)
        pages = await self._people.pages(selection, watch, now)
        page, size = await pages(0, FIRST), FIRST
        if page is None:
            return Filled(standing)
        run_id = await begin() if standing is None else standing
        await self._book.begin_planning(run_id)
        moved = await self._people.moved(run_id) if standing is not None and watch.shared else ()
        if moved:
            pages = await self._people.pages(selection, replace(watch, moved=moved), now)
            page = await pages(0, FIRST)
        target = _Target(campaign, occurrence, selection, run_id, due, now, moved)
        filled = Filled(run_id, grew=True)
        async with Abreast(self._book.abreast) as writing:
            while page is not None:
                # Whoever is odd may be a duplicate of somebody before; and where codes are few the first get them.
                if page.odd or (campaign.coupon is not None and campaign.coupon.scarce):
                    await writing.rest()
                writing.begin(self._add(target, page, filled))
                # The next page is read while this one is written: nothing asked there depends on what is written here.
                page, size = await pages(page.last, PAGE) if page.count == size else None, PAGE
                await writing.room()
        return filled

    async def _add(self, to: _Target, page: Page, filled: Filled) -> None:
        """Write a page. Nobody odd has an address that another of the page gets a mail at, so all are decided first."""
        batches = self._rows.batches(to.campaign, to.occurrence, page.alike, to.due, to.now)
        if page.odd:
            odd = replace(to.selection, keys=tuple(page.odd))
            chunk = await self._people.chunk(odd, to.now, 0, len(page.odd))
            rows = await self._rows.of(to.campaign, to.occurrence, chunk, to.run_id, to.due, to.now, to.moved)
            batches += self._rows.together(to.campaign, to.occurrence, chunk, rows, to.due)
        added = await self._book.add(to.run_id, [], to.now, batches)
        filled.added += added  # read after the wait: the page beside this one has counted meanwhile
        filled.missed += sum(len(each.customers) for each in batches if each.like.reason == Skip.MISSED)


class Abreast:
    """Up to `most` things at a time; whatever fails is told once everything begun has ended."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                await self.rest()
        finally:  # whatever they hold is given back first
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """One more; `room` was asked for before."""
        self._tasks.add(asyncio.create_task(work))

    async def room(self) -> None:
        """Returns when another may begin."""
        await self._until(self._most - 1)

    async def rest(self) -> None:
        """Returns when everything begun is done."""
        await self._until(0)

    async def _until(self, left: int) -> None:
        while len(self._tasks) > left:
            done, _others = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await task  # or its error
                self._tasks.discard(task)
