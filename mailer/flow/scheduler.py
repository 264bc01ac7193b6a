"""When the planner looks: every few seconds for what customers just did, every minute for everything."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler  # type: ignore[import-untyped]  # it ships no types

from mailer.core.campaign import Campaign
from mailer.errors import MailerError, StoreError, why
from mailer.flow.plan import Planner
from mailer.flow.plan_occasion import PlanReport

log = structlog.get_logger()

PLANNING, IMPORTING, LOOKING = "planner", "import", "looks"  # leases
LEASE_SECONDS = 30.0
RENEW_SECONDS = 10.0
WAIT_SECONDS = 0.25  # between two looks at a lease somebody else holds

EVENTS_EVERY = 2  # seconds
LOOKS_EVERY = 60  # seconds


class LeasesPort(Protocol):
    """Leases by name, on the database's clock."""

    async def acquire(self, name: str, owner: str, seconds: float) -> bool: ...
    async def renew(self, name: str, owner: str, seconds: float) -> bool: ...
    async def release(self, name: str, owner: str) -> None: ...
    async def holder(self, name: str) -> str | None: ...


class IncidentsPort(Protocol):
    """Incidents that are open and may have new recipients."""

    async def plan_open(self, now: datetime) -> Any: ...


class KeeperPort(Protocol):
    """What senders that died held."""

    async def recover(self, now: datetime) -> Any: ...


class WordsPort(Protocol):
    """Words on consent that were told before their time."""

    async def take(self, now: datetime) -> int: ...


class FinisherPort(Protocol):
    """Ends runs in which nothing is left to do."""

    async def finish_runs(self, now: datetime) -> list[int]: ...


class StockPort(Protocol):
    """Whether coupons will do."""

    async def ready(self, campaign: Campaign, now: datetime) -> None: ...
    async def alarms(self, now: datetime, *, taken: bool) -> Sequence[str]: ...


class LooksPort(Protocol):
    """What goes through all customers; see `flow.looks`."""

    async def take(self, now: datetime) -> bool: ...


class StandbyPort(Protocol):
    """What campaigns will need; see `flow.standby`."""

    async def look(self) -> None: ...


class Scheduler:
    """Plans under a lease, so that of many schedulers one plans at a time; the others find it done."""

    def __init__(
        self,
        *,
        planner: Planner,
        words: WordsPort,
        incidents: IncidentsPort,
        senders: KeeperPort,
        ledger: FinisherPort,
        leases: LeasesPort,
        owner: str,
        clock: Callable[[], datetime],
        reload: Callable[[], Awaitable[None]],
        tell: Callable[[str], None],
        stock: StockPort | None = None,
        looks: LooksPort | None = None,
        standby: StandbyPort | None = None,
    ) -> None:
        self._planner = planner
        self._words = words
        self._incidents = incidents
        self._senders = senders
        self._ledger = ledger
        self._leases = leases
        self._owner = owner
        self._clock = clock
        self._reload = reload
        self._tell = tell
        self._stock = stock
        self._looks = looks
        self._standby = standby
        self._told: set[str] = set()

    async def plan_once(self, *, events_only: bool = False, looks: bool = True) -> PlanReport:
        """One pass at the clock's time, after the `looks` it stands on unless it is one of events alone.

        Waits for another planner and for an open import to end.
        """
        if looks and not events_only:
            await self.look_once()
        async with self._alone(PLANNING):
            await self._reload()
            now = self._clock()
            await self._words.take(now)
            report = await self._planner.plan(now, events_only=events_only)
            await self._senders.recover(now)
            if not events_only:
                planned = await self._incidents.plan_open(now)
                report.added += planned.notices
                report.faults.extend(str(fault) for fault in planned.faults)
                for alarm in planned.alarms:
                    self._tell(alarm)
                await self._ledger.finish_runs(now)
                if self._stock is not None:
                    report.faults.extend(await self._stock.alarms(now, taken=bool(report.added)))
        for fault in report.faults:
            if fault not in self._told:
                self._tell(fault)
        self._told = set(report.faults) if not events_only else self._told | set(report.faults)
        return report

    async def look_once(self) -> bool:
        """Take the looks, while planning may go on; whether there may be something to plan now.

        Of many who would, one looks at a time, and the others find little left to do.
        """
        if self._looks is None:
            return False
        async with self._alone(LOOKING):
            now = self._clock()
            await self._words.take(now)  # whoever agrees may enter a segment by it
            return await self._looks.take(now)

    async def run_by_hand(self, campaign: Campaign) -> tuple[str, int]:
        """Start a campaign now, when nobody else plans and no import is open; see `Planner.run_by_hand`."""
        async with self._alone(PLANNING):
            now = self._clock()
            await self._words.take(now)
            if self._stock is not None:
                await self._stock.ready(campaign, now)
            started = await self._planner.run_by_hand(campaign, now)
            if self._stock is not None:
                for alarm in await self._stock.alarms(now, taken=True):
                    self._tell(alarm)
            return started

    async def keep(self, stop: asyncio.Event) -> None:
        """Plan until told to stop. Trouble with the database, and a fault of ours, is told and tried again."""
        due, whole, told = asyncio.Event(), True, ""
        due.set()

        def wake(events_only: bool) -> None:
            nonlocal whole
            whole = whole or not events_only  # a whole pass that waits is never made a quick one
            due.set()

        waker = AsyncIOScheduler(timezone=UTC)
        always = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        waker.add_job(wake, "cron", second=0, args=[False], **always)
        waker.add_job(wake, "interval", seconds=EVENTS_EVERY, args=[True], **always)
        waker.start()
        stopped = asyncio.create_task(stop.wait())
        beside = [asyncio.create_task(each) for each in self._beside(wake)]
        try:
            while not stop.is_set():
                asked = asyncio.create_task(due.wait())
                await asyncio.wait({asked, stopped}, return_when=asyncio.FIRST_COMPLETED)
                asked.cancel()
                if stop.is_set():
                    break
                due.clear()
                wanted, whole = whole, False
                try:
                    await self.plan_once(events_only=not wanted, looks=False)
                    if told:
                        self._tell("Planning goes on.")
                    told = ""
                except Exception as trouble:
                    if isinstance(trouble, MailerError) and not isinstance(trouble, StoreError):
                        raise
                    if why(trouble) != told:  # once, however long it lasts
                        told = why(trouble)
                        log.debug("planning_failed", exc_info=trouble)
                        self._tell(f"Planning waits: {told}")
                    wake(not wanted)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), EVENTS_EVERY)
        finally:
            stopped.cancel()
            for each in beside:
                each.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            waker.shutdown(wait=False)

    def _beside(self, wake: Callable[[bool], None]) -> Iterator[Coroutine[Any, Any, None]]:
        """What goes on beside planning."""

        async def look() -> None:
            if await self.look_once():  # what may have been found is planned at once
                wake(False)

        if self._looks is not None:
            yield self._again_and_again(look, "Who entered a segment cannot be seen")
        if self._standby is not None:
            yield self._again_and_again(self._standby.look, "Templates cannot be tried before they are due")

    async def _again_and_again(self, take: Callable[[], Awaitable[Any]], cannot: str) -> None:
        told = ""
        while True:
            try:
                await take()
                told = ""
            except StoreError:
                pass  # planning tells of it
            except Exception as trouble:  # nobody waits for us: we would just be gone
                if why(trouble) != told:
                    told = why(trouble)
                    log.debug("beside_failed", exc_info=trouble)
                    self._tell(f"{cannot}: {told}")
            await asyncio.sleep(LOOKS_EVERY)

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        # Leases are held by other processes: there is no event of ours to wait for.
        while not await self._leases.acquire(name, self._owner, LEASE_SECONDS):  # noqa: ASYNC110
            await asyncio.sleep(WAIT_SECONDS)
        keeper = asyncio.create_task(self._hold(name))
        try:
            while await self._leases.holder(IMPORTING) is not None:  # noqa: ASYNC110
                await asyncio.sleep(WAIT_SECONDS)
            yield
        finally:
            keeper.cancel()
            with contextlib.suppress(StoreError):  # it runs out by itself
                await self._leases.release(name, self._owner)

    async def _hold(self, name: str) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with contextlib.suppress(StoreError):
                await self._leases.renew(name, self._owner, LEASE_SECONDS)
