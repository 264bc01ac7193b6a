"""One measured run of this program: a supervisor and its senders are up and idle, then a campaign is published."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass

from sqlalchemy import select

from mailer.app import App, system_clock
from mailer.bench.postfix import Sink
from mailer.bench.process import Memory, cpu_seconds, memory, parent, peak_mb
from mailer.bench.shop import CAMPAIGN
from mailer.cluster.processes import shares
from mailer.errors import MailerError
from mailer.settings import Settings, cores
from mailer.store.tables import sender
from mailer.supervisor import Starter, keep_running

_FIRST_LOOK = 0.005  # seconds between two looks at the sink's counter for the first mail, and
_LOOK = 0.02  # for the last
_MEMORY_LOOK = 1.0
_SETTLED_LOOK = 1.0  # seconds between two looks at the ledger while mails are missing at the sink


@dataclass(frozen=True, slots=True)
class EngineRun:
    """What one run took. The clock starts when publishing begins, after every process is up."""

    start_up: float  # seconds until every sender had signed on; in no other figure
    planning: float  # seconds from publishing until every delivery was written and released
    first: float  # seconds from publishing until the first mail had reached the sink
    seconds: float  # seconds from publishing until the last result was durable
    sent: int  # deliveries the ledger calls sent
    arrived: int  # mails the sink counted
    planner_cpu: float  # processor seconds of the process that plans
    sender_cpu: float  # of all senders together
    sink_cpu: float
    peak_mb: float  # of the largest sender, with all that it shares
    sender: Memory  # of the largest sender, at most
    whole_mb: float  # of all processes: who plans, the starter, the senders; a shared page counts once
    senders: int

    @property
    def cpu(self) -> float:
        """Processor seconds of this program."""
        return self.planner_cpu + self.sender_cpu


async def measure(settings: Settings, senders: Starter, to: Sink) -> EngineRun:
    """Send the campaign to everybody in the database of these settings.

    Raises:
        KeyboardInterrupt: somebody stopped it.
        MailerError: no mail arrived.
    """
    found: list[EngineRun] = []
    begun = time.perf_counter()
    async with App.open(settings, system_clock, _silent) as app:

        async def watch(stop: asyncio.Event) -> None:
            pids = await _signed_on(app, stop)
            if pids:
                run = await _published(app, pids, to, stop, time.perf_counter() - begun)
                if run is not None:
                    found.append(run)

        await keep_running(app, senders, {"settings": str(settings.file)}, also=watch)
    if not found:
        raise KeyboardInterrupt
    return found[0]


async def _signed_on(app: App, stop: asyncio.Event) -> list[int]:
    """The process ids of the senders once all are there, and planning has had its first look."""
    most = app.settings.sender.processes or cores()
    wanted = len(shares(app.settings.connections, most))
    while not stop.is_set():
        async with app.db.read() as connection:
            pids = list(await connection.scalars(select(sender.c.pid)))
        if len(pids) == wanted and await app.leases.holder("planner") is None:
            return pids
        await asyncio.sleep(_LOOK)
    return []


async def _published(
    app: App, pids: list[int], to: Sink, stop: asyncio.Event, start_up: float
) -> EngineRun | None:
    before, sink_before = to.mails(), cpu_seconds([to.pid])
    sender_cpu, planner_cpu = cpu_seconds(pids), time.process_time()
    begun = time.perf_counter()
    first = asyncio.create_task(_first(to, before))
    looks: list[tuple[Memory, float]] = []
    looking = asyncio.create_task(_look(pids, looks))
    try:
        _occurrence, added = await app.scheduler().run_by_hand(app.campaign(CAMPAIGN))
        planning = time.perf_counter() - begun
        await _settled(app, to, before + added, stop)
        seconds = time.perf_counter() - begun
        sender_cpu = cpu_seconds(pids) - sender_cpu
        planner_cpu = time.process_time() - planner_cpu
        if stop.is_set():
            return None
        tallies = await app.ledger.tallies()
        if to.mails() == before:
            raise MailerError("No mail has reached smtp-sink.")
        return EngineRun(
            start_up=start_up,
            planning=planning,
            first=await first - begun,
            seconds=seconds,
            sent=sum(each.sent for each in tallies.values()),
            arrived=to.mails() - before,
            planner_cpu=planner_cpu,
            sender_cpu=sender_cpu,
            sink_cpu=cpu_seconds([to.pid]) - sink_before,
            peak_mb=peak_mb(pids),
            sender=Memory(
                max(each.private for each, _ in looks), max(each.proportional for each, _ in looks)
            ),
            whole_mb=max(whole for _, whole in looks),
            senders=len(pids),
        )
    finally:
        first.cancel()
        looking.cancel()


async def _look(pids: list[int], looks: list[tuple[Memory, float]]) -> None:
    """Look again and again what the senders, and all of our processes, have of memory."""
    others = {os.getpid(), *map(parent, pids)}
    while True:
        # In a thread: Linux walks through all of their pages, and meanwhile this process has to plan.
        mine, theirs = await asyncio.to_thread(lambda: (memory(pids), memory(others)))
        looks.append((mine, mine.together + theirs.together))
        await asyncio.sleep(_MEMORY_LOOK)


async def _first(to: Sink, before: int) -> float:
    """When the sink's counter was first seen to have moved."""
    while to.mails() == before:  # noqa: ASYNC110 - another program's counter wakes nobody
        await asyncio.sleep(_FIRST_LOOK)
    return time.perf_counter()


async def _settled(app: App, to: Sink, wanted: int, stop: asyncio.Event) -> None:
    """Returns when nothing is due and no sender holds anything: every result is durable."""
    looked = time.perf_counter()
    while not stop.is_set():
        await asyncio.sleep(_LOOK)
        now = time.perf_counter()
        if to.mails() < wanted and now - looked < _SETTLED_LOOK:
            continue  # asking the database all the time would take from what is measured
        looked = now
        if not await app.ledger.pending(app.clock()) and not await app.senders.others_hold():
            return


def _silent(_sentence: str) -> None:
    """What the program tells its operator is not wanted between figures."""
