"""SQLite kept by another writer for longer than we wait; and its files copied in the middle of everything.

    python bench/chaos/locked.py [--locks 2] [--copies 40] [--seed N]

Another program begins a write and holds it for 33 seconds while mail goes out: nothing may start, nothing is lost. Then
the database and its write-ahead log are copied as a backup program would, file by file, at random instants of a run:
each copy must open, be whole (`PRAGMA integrity_check`), and hold a ledger that the run later confirms.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.chaos.field import Ground, Place, end_of, ground, parser
from bench.chaos.reckoning import Tally, reckon

HELD = 33.0  # seconds; a writer of ours waits 30
SENT = "select id from delivery where state = 'sent'"


def locks(where: Ground, chance: random.Random, tally: Tally, count: int) -> None:
    with where.place(recipients=400, hit=100, pause=0.02) as place:
        for turn in range(count):
            running = place.start("run", "--until-idle")
            while place.oracle.count() < (turn + 1) * 100 and not running.over():
                time.sleep(0.01)
            time.sleep(chance.random() / 10)
            with closing(
                sqlite3.connect(place.shop.folder / "mailer.db", timeout=60, isolation_level=None)
            ) as other:
                other.execute("begin immediate")
                begun = place.oracle.count()
                time.sleep(HELD)
                meanwhile = place.oracle.count() - begun
                other.execute("rollback")
            # What was marked before may leave, nothing else: a fifth of a second of mail, and the connections' own.
            tally.claim(meanwhile <= 60, f"{meanwhile} messages left while nothing could be written")
            tally.at["lock"] += 1
            tally.faults += 1
            tally.claim(end_of(running, within=120) is not None, "it did not end")
            running.kill()
        place.finish()
        reckon(place, tally, kills=0)


def copies(where: Ground, chance: random.Random, tally: Tally, count: int) -> None:
    with where.place(recipients=1500, hit=500) as place:
        taken: list[Path] = []
        while len(taken) < count:
            running = place.start("run", "--until-idle")
            while len(taken) < count and end_of(running, within=chance.uniform(0.02, 0.3)) is None:
                taken.append(_copied(place, len(taken)))
            if place.oracle.count() >= 2000 - 20:
                break
            running.kill()
        place.finish()
        with closing(sqlite3.connect(place.shop.folder / "mailer.db")) as whole:
            in_the_end = {row[0] for row in whole.execute(SENT)}
        for folder in taken:
            with closing(sqlite3.connect(folder / "mailer.db")) as copy:
                said = copy.execute("pragma integrity_check").fetchone()[0]
                tally.claim(said == "ok", f"a copy is not whole: {said}")
                tally.claim({row[0] for row in copy.execute(SENT)} <= in_the_end, "a copy knows of more mail")
            tally.at["copy"] += 1
            tally.faults += 1
        reckon(place, tally, kills=count)


def _copied(place: Place, number: int) -> Path:
    folder = place.shop.folder / f"copy{number}"
    folder.mkdir()
    for name in ("mailer.db", "mailer.db-wal"):
        if (place.shop.folder / name).exists():
            shutil.copy(place.shop.folder / name, folder / name)
    return folder


def main() -> None:
    made = parser("SQLite kept by another writer, and copied in the middle of everything.")
    made.add_argument("--locks", type=int, default=2)
    made.add_argument("--copies", type=int, default=40)
    options = made.parse_args()
    options.database = "sqlite"
    tally, chance = Tally(), random.Random(options.seed)  # noqa: S311 - instants, not secrets
    with ground(options) as where:
        if options.locks:
            locks(where, chance, tally, options.locks)
        if options.copies:
            copies(where, chance, tally, options.copies)
    tally.end("SQLite locked and copied", seed=options.seed)


if __name__ == "__main__":
    main()
