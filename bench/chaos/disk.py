"""The disk is full while mail goes out: no intent can be written, so nothing may start; with room again all goes on.

    python bench/chaos/disk.py [--faults 12] [--seed N] [--only tmpfs|limit]

`tmpfs` (needs root): the shop, its SQLite database and its journals lie on a file system of 48 MB that is filled to the
last byte at random instants and emptied again. `limit`: the processes that run may write no file beyond its size of now
(RLIMIT_FSIZE), for a second or two.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.chaos.field import Ground, Place, end_of, ground, parser
from bench.chaos.reckoning import Tally, reckon
from tests import started

ROOM = 48  # megabytes
RECIPIENTS = 1000


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of its own, for as long as the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="mailer-chaos-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


def fill(folder: Path) -> Path:
    """Leave no room."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return ballast


def tmpfs(place: Place, _group: list[int], chance: random.Random) -> None:
    ballast = fill(place.shop.folder)
    time.sleep(chance.uniform(0.3, 2.0))
    ballast.unlink()


def limit(place: Place, group: list[int], chance: random.Random) -> None:
    size = min(
        path.stat().st_size for path in place.shop.folder.glob("mailer.db*") if not path.name.endswith("shm")
    )
    for pid in group:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    time.sleep(chance.uniform(0.3, 2.0))
    for pid in group:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def one_shop(where: Ground, chance: random.Random, kinds: Iterator[str], tally: Tally, wanted: int) -> None:
    with where.place(recipients=RECIPIENTS, hit=RECIPIENTS // 3, pause=0.02) as place:
        while tally.faults < wanted and place.oracle.count() < RECIPIENTS:
            running = place.start("run", "--until-idle")
            while end_of(running, within=chance.uniform(0.5, 2.0)) is None and tally.faults < wanted:
                kind = next(kinds)
                {"tmpfs": tmpfs, "limit": limit}[kind](
                    place, [running.pid, *running.below("mailer-sender")], chance
                )
                tally.faults += 1
                tally.at[kind] += 1
            tally.claim(end_of(running, within=120) is not None, "it did not end after the last fault")
            running.kill()
        place.finish()
        reckon(place, tally, kills=0)


def main() -> None:
    made = parser("The disk is full while mail goes out.")
    made.add_argument("--faults", type=int, default=12)
    made.add_argument("--only", choices=["tmpfs", "limit"])
    options = made.parse_args()
    options.database = "sqlite"
    started.place()  # what starts commands is there for all of them, so not on a disk of one
    tally, chance = Tally(), random.Random(options.seed)  # noqa: S311 - instants, not secrets
    every = ["tmpfs", "limit"] if os.geteuid() == 0 else ["limit"]
    for kind in [options.only] if options.only else every:
        wanted = tally.faults + options.faults // (1 if options.only else len(every))
        with ground(options) as where:
            while tally.faults < wanted:
                if kind == "tmpfs":
                    with small_disk() as folder:
                        tempfile.tempdir = str(folder)
                        one_shop(where, chance, cycle([kind]), tally, wanted)
                        tempfile.tempdir = None
                else:
                    one_shop(where, chance, cycle([kind]), tally, wanted)
    tally.end("disk full", seed=options.seed)


if __name__ == "__main__":
    main()
