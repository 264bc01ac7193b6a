"""The rounds: each sender in turn, again and again, so that a busy moment of the machine meets them all."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mailer.app import App, system_clock
from mailer.bench import peers
from mailer.bench.databases import Databases, databases
from mailer.bench.engine import EngineRun, measure
from mailer.bench.postfix import SESSIONS, Sink, program, sink, source
from mailer.bench.shop import Mode, fill, make_key, samples, write_shop
from mailer.settings import forget_variables
from mailer.supervisor import Starter

ENGINE = "mailer"
SOURCE = f"smtp-source -s {SESSIONS}"
KEPT = f"{SOURCE} -d"  # keeps its connections; the wire's own speed

#: Mails of smtp-source: enough to measure, and its rate is the same for more.
_FEWEST, _MOST = 20_000, 200_000

_TOLD_EVERY = 100_000  # customers


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    sizes: tuple[int, ...]
    rounds: int
    mode: Mode
    database_url: str | None = None  # of a PostgreSQL server; none: SQLite


@dataclass(frozen=True, slots=True)
class Result:
    """One sender in one round."""

    size: int
    round: int
    sender: str
    mails: int
    seconds: float
    ratio: float  # of its rate to that of smtp-source in the same round
    cpu: float  # processor seconds of the sender's processes
    peak_mb: float  # of the largest of them
    engine: EngineRun | None = None

    @property
    def rate(self) -> float:
        """Mails a second."""
        return self.mails / self.seconds

    @property
    def cpu_us(self) -> float:
        """Processor microseconds a mail."""
        return self.cpu / self.mails * 1e6


Tell = Callable[[str], None]


class Bench:
    """A folder, a sink and databases of our own; all of it is gone when the block that opened it ends."""

    def __init__(self, plan: Plan, senders: Starter, tell: Tell, made: Databases, to: Sink) -> None:
        self._plan = plan
        self._senders = senders
        self._tell = tell
        self._databases = made
        self._sink = to
        self._folder = made.folder
        self._peers: tuple[peers.Peer, ...] = peers.LOOPS

    @classmethod
    @asynccontextmanager
    async def open(cls, plan: Plan, senders: Starter, tell: Tell) -> AsyncIterator[Bench]:
        """Get everything ready.

        Raises:
            UsageError: a program of Postfix is missing.
            StoreError: the server does not let us make a database.
        """
        program("smtp-sink")
        program("smtp-source")
        forget_variables()
        _heed_sigterm()
        with TemporaryDirectory(prefix="mailer-bench-") as name:
            folder = Path(name)
            await make_key(folder, plan.mode)
            async with databases(folder, plan.database_url) as made, sink(folder) as to:
                bench = cls(plan, senders, tell, made, to)
                await bench._find_nodemailer()
                yield bench

    @property
    def database(self) -> str:
        """SQLite or PostgreSQL."""
        return self._databases.kind

    async def _find_nodemailer(self) -> None:
        found = await peers.nodemailer()
        if found is None:
            self._tell("nodemailer is left out: node or nodemailer is not installed here.")
        else:
            self._peers = (*self._peers, found)

    async def results(self, size: int) -> AsyncIterator[Result]:
        """Measure one size; every result as it comes."""
        self._tell(f"Taking {size:,} customers in ({self.database}) …")
        filled = await self._databases.empty()
        settings = write_shop(self._folder / f"shop-{size}", filled, self._sink.port, self._plan.mode)
        async with App.open(settings, system_clock, self._tell, upgrade=True) as app:
            await fill(app, size, self._progress)
            mails = samples(app)
        each = sum(len(mail.data) for mail in mails) // len(mails)
        file = self._folder / "mails.json"
        peers.write_mails(file, mails)
        self._tell(f"Each mail has about {each:,} bytes.")
        for number in range(1, self._plan.rounds + 1):
            count = min(max(size, _FEWEST), _MOST)
            earlier = await source(self._sink, count, each, kept=False)
            run = await self._engine(size, number, filled)
            later = await source(self._sink, count, each, kept=False)
            seconds = earlier.seconds + later.seconds
            base = 2 * count / seconds
            yield Result(
                size, number, ENGINE, run.sent, run.seconds, run.sent / run.seconds / base, run.cpu,
                run.peak_mb, run,
            )  # fmt: skip
            cpu, peak = earlier.cpu_seconds + later.cpu_seconds, max(earlier.peak_mb, later.peak_mb)
            yield Result(size, number, SOURCE, 2 * count, seconds, 1.0, cpu, peak)
            wire = await source(self._sink, count, each, kept=True)
            ratio = count / wire.seconds / base
            yield Result(size, number, KEPT, count, wire.seconds, ratio, wire.cpu_seconds, wire.peak_mb)
            for peer in self._peers:
                said = await peers.play(peer, self._sink, file, size)
                ratio = said.mails / said.seconds / base
                yield Result(size, number, peer.name, said.mails, said.seconds, ratio, said.cpu, said.peak_mb)
        await self._databases.drop(filled)

    async def _engine(self, size: int, number: int, filled: str) -> EngineRun:
        url = await self._databases.copy(filled)
        place = self._folder / f"round-{size}-{number}"
        try:
            return await measure(
                write_shop(place, url, self._sink.port, self._plan.mode), self._senders, self._sink
            )
        finally:
            _heed_sigterm()  # while senders run, whoever keeps them running does
            await self._databases.drop(url)
            shutil.rmtree(place)

    def _progress(self, rows: int) -> None:
        if rows % _TOLD_EVERY == 0:
            self._tell(f"{rows:,} customers …")


def _heed_sigterm() -> None:
    """A wish to stop ends what runs and removes what was made, as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - we are a coroutine's
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
