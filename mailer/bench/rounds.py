"""The rounds: each sender in turn, again and again, so that a busy moment of the machine meets them all."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mailer.app import App, system_clock
from mailer.bench.databases import Databases, databases
from mailer.bench.engine import Command, EngineRun, measure
from mailer.bench.postfix import Sink, program, sink, source
from mailer.bench.shop import Mode, fill, samples, write_shop
from mailer.settings import forget_variables

SOURCE = "smtp-source"
ENGINE = "mailer"
#: Mails of smtp-source: enough to measure, and its rate is the same for more.
_FEWEST, _MOST = 20_000, 200_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    sizes: tuple[int, ...]
    rounds: int
    mode: Mode
    database_url: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """One sender in one round."""

    size: int
    round: int
    sender: str
    mails: int
    seconds: float
    ratio: float  # of its rate to that of smtp-source in this round
    cpu: float  # processor seconds of the sender's processes
    sink_cpu: float | None
    peak_mb: float
    engine: EngineRun | None = None

    @property
    def rate(self) -> float:
        """Mails a second."""
        return self.mails / self.seconds


Tell = Callable[[str], None]


async def play(plan: Plan, command: Command, tell: Tell) -> AsyncIterator[Result]:
    """Measure; every result as it comes.

    Raises:
        UsageError: a program of Postfix is missing.
    """
    program("smtp-sink")
    program("smtp-source")
    forget_variables()
    with TemporaryDirectory(prefix="mailer-bench-") as name:
        async with databases(Path(name), plan.database_url) as made, sink(Path(name)) as to:
            for size in plan.sizes:
                async for result in _size(plan, size, made, to, command, tell):
                    yield result


async def _size(
    plan: Plan, size: int, made: Databases, to: Sink, command: Command, tell: Tell
) -> AsyncIterator[Result]:
    tell(f"Taking {size:,} customers in ({made.kind}) …")
    filled = await made.empty()
    folder = made.folder / f"shop-{size}"
    folder.mkdir()
    settings = write_shop(folder, filled, to.port, plan.mode)
    async with App.open(settings, system_clock, tell, upgrade=True) as app:
        await fill(app, size)
        mails = samples(app)
    bytes_each = sum(len(mail.data) for mail in mails) // len(mails)
    tell(f"Each mail has about {bytes_each:,} bytes.")
    for number in range(1, plan.rounds + 1):
        count = min(max(size, _FEWEST), _MOST)
        earlier = await source(to, count, bytes_each)
        url = await made.copy(filled)
        place = folder.with_name(f"round-{size}-{number}")
        place.mkdir()
        run = await measure(write_shop(place, url, to.port, plan.mode), command, to)
        await made.drop(url)
        shutil.rmtree(place)
        later = await source(to, count, bytes_each)
        base = 2 * count / (earlier.seconds + later.seconds)
        yield Result(
            size, number, ENGINE, run.sent, run.seconds, run.sent / run.seconds / base, run.cpu, run.sink_cpu,
            run.peak_mb, run,
        )  # fmt: skip
        yield Result(
            size, number, SOURCE, 2 * count, earlier.seconds + later.seconds, 1.0,
            earlier.cpu_seconds + later.cpu_seconds, None, later.peak_mb,
        )  # fmt: skip
    await made.drop(filled)
    shutil.rmtree(folder)
