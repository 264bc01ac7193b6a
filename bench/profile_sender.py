"""Where a sender process spends its time: one sender, in this process, over N deliveries into Postfix's smtp-sink.

    python bench/profile_sender.py [--mails N] [--cprofile] [--database URL] [--coupon] [--links] [--dkim KIND]

By itself it samples: every other millisecond it looks what each thread is at, which slows little. `own` is time in
the function itself (and in C code it called), `with callees` all below it. With --cprofile it counts every call,
which makes small functions look dearer than they are. The first line, measured without either, is the true cost.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import pstats
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType

from mailer.app import App, system_clock
from mailer.bench.databases import Databases, databases
from mailer.bench.postfix import SESSIONS, Sink, sink
from mailer.bench.process import peak_mb
from mailer.bench.shop import CAMPAIGN, Mode, fill, make_key, write_shop
from mailer.settings import forget_variables

EVERY = 0.002  # seconds

#: A thread whose innermost function is one of these waits.
IDLE = {
    ("selectors.py", "select"),
    ("threading.py", "wait"),
    ("thread.py", "_worker"),
    ("core.py", "_connection_worker_thread"),
    ("core.py", "run"),
}


class Samples:
    """What the threads were at, each time the clock rang."""

    def __init__(self) -> None:
        self.own: Counter[CodeType] = Counter()
        self.below: Counter[CodeType] = Counter()
        self.lines: Counter[tuple[CodeType, int]] = Counter()
        self.taken = self.busy = 0
        self._idle: dict[CodeType, bool] = {}

    def take(self, _number: int, interrupted: FrameType | None) -> None:
        self.taken += 1
        this = sys._getframe()  # noqa: SLF001 (a sampler reads frames)
        for top in sys._current_frames().values():  # noqa: SLF001
            frame: FrameType | None = interrupted if top is this else top
            if frame is None or self._waits(frame.f_code):
                continue
            self.busy += 1
            self.own[frame.f_code] += 1
            self.lines[frame.f_code, frame.f_lineno] += 1
            seen = set()
            while frame is not None:
                seen.add(frame.f_code)
                frame = frame.f_back
            self.below.update(seen)

    def _waits(self, code: CodeType) -> bool:
        known = self._idle.get(code)
        if known is None:
            known = self._idle[code] = (Path(code.co_filename).name, code.co_name) in IDLE
        return known

    def start(self) -> None:
        signal.signal(signal.SIGALRM, self.take)
        signal.setitimer(signal.ITIMER_REAL, EVERY, EVERY)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def show(self, top: int, cpu_us: float) -> None:
        print(f"{self.taken} looks, {self.busy} times a thread was at work")
        own = [(named(code), count) for code, count in self.own.most_common(top)]
        below = [(named(code), count) for code, count in self.below.most_common(top)]
        lines = [(f"{named(code)}:{line}", count) for (code, line), count in self.lines.most_common(top)]
        for title, rows in (("own", own), ("with callees", below), ("own, by line", lines)):
            print(f"\n{'share':>7} {'µs/mail':>9}  {title}")
            for name, count in rows:
                share = count / max(1, self.busy)
                print(f"{share:7.1%} {share * cpu_us:9.1f}  {name}")


def named(code: CodeType) -> str:
    return f"{'/'.join(Path(code.co_filename).parts[-3:])}:{code.co_qualname}"


def mode(chosen: argparse.Namespace) -> Mode:
    return Mode(links=chosen.links, coupon=chosen.coupon, dkim=chosen.dkim)


async def send(
    chosen: argparse.Namespace,
    made: Databases,
    filled: str,
    to: Sink,
    start: Callable[[], None],
    stop: Callable[[], None],
) -> float:
    """Send everything as one sender; processor microseconds a mail."""
    url = await made.copy(filled)
    with TemporaryDirectory(dir=made.folder) as place:
        settings = write_shop(Path(place), url, to.port, mode(chosen))
        async with App.open(settings, system_clock, print) as app:
            await app.scheduler().run_by_hand(app.campaign(CAMPAIGN))
            gc.collect()
            gc.freeze()  # as the program does when it starts
            before, begun, cpu = to.mails(), time.perf_counter(), time.process_time()
            start()
            await app.send(chosen.connections, until_idle=True, stop=asyncio.Event())
            stop()
            seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
            arrived = to.mails() - before
    await made.drop(url)
    cpu_us = cpu / max(1, arrived) * 1e6
    print(
        f"{arrived:,} mails in {seconds:.2f} s: {arrived / seconds:,.0f} a second, {cpu_us:.0f} µs of processor "
        f"time each, {peak_mb(['self']):.0f} MB at most",
        flush=True,
    )
    return cpu_us


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mails", type=int, default=5_000)
    parser.add_argument("--connections", type=int, default=SESSIONS // 2)
    parser.add_argument("--database", help="a PostgreSQL server; default: SQLite")
    parser.add_argument("--links", action="store_true")
    parser.add_argument("--coupon", action="store_true")
    parser.add_argument("--dkim", choices=["ed25519", "rsa"])
    parser.add_argument("--cprofile", action="store_true", help="count calls instead of sampling")
    parser.add_argument("--top", type=int, default=40)
    chosen = parser.parse_args()
    forget_variables()
    with TemporaryDirectory(prefix="mailer-profile-") as name:
        async with databases(Path(name), chosen.database) as made, sink(Path(name)) as to:
            filled = await made.empty()
            place = Path(name) / "shop"
            await make_key(made.folder, mode(chosen))
            settings = write_shop(place, filled, to.port, mode(chosen))
            async with App.open(settings, system_clock, print, upgrade=True) as app:
                await fill(app, chosen.mails)
            cpu_us = await send(chosen, made, filled, to, lambda: None, lambda: None)
            if chosen.cprofile:
                profile = cProfile.Profile(time.thread_time)
                await send(chosen, made, filled, to, profile.enable, profile.disable)
                statistics = pstats.Stats(profile)
                statistics.sort_stats("tottime").print_stats(chosen.top)
                statistics.sort_stats("cumulative").print_stats(chosen.top)
            else:
                samples = Samples()
                await send(chosen, made, filled, to, samples.start, samples.stop)
                samples.show(chosen.top, cpu_us)


if __name__ == "__main__":
    asyncio.run(main())
