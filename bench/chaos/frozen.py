"""Senders stopped (SIGSTOP) for longer than their lease, and let go (SIGCONT) when others have taken over.

    python bench/chaos/frozen.py [--faults 6] [--database postgresql] [--seed N]

A run is frozen at a random instant, whole or one of its senders. Another starts; when the lease has run out it takes
over and finishes. Then the frozen one wakes: its fence holds, it starts no message. A frozen process lives, so its
journal is not gone by: whatever it had marked may leave still, and is in doubt, one wave ahead of the connections.
One that stood in a write of SQLite's keeps the others from it: who starts gives up after half a minute, and the rest
goes out once the frozen one wakes.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.chaos.field import Ground, end_of, ground, parser
from bench.chaos.reckoning import Tally, reckon
from mailer.flow.waves import MOST_AHEAD

RECIPIENTS = 600
TAKEN_OVER = 180.0  # seconds; PostgreSQL ends the transaction of one that froze in it after 60


def one(where: Ground, chance: random.Random, tally: Tally) -> None:
    with where.place(recipients=RECIPIENTS, hit=RECIPIENTS // 3, pause=0.02) as place:
        first = place.start("run", "--until-idle")
        wanted = chance.randint(20, 300)
        while place.oracle.count() < wanted and not first.over():
            time.sleep(0.01)
        sending = first.below("mailer-sender")
        whole = chance.random() < 0.5 or not sending
        victims = [first.pid, *sending] if whole else [chance.choice(sending)]
        for pid in victims:
            os.kill(pid, signal.SIGSTOP)
        frozen = place.oracle.count()
        tally.faults += 1
        tally.at["whole run" if whole else "one sender"] += 1
        second = place.start("run", "--until-idle")
        status = end_of(second, within=TAKEN_OVER)
        in_a_write = status != 0 and write_is_open(place.database_url)
        before = place.oracle.count()
        for pid in victims:
            os.kill(pid, signal.SIGCONT)
        tally.claim(end_of(first, within=60) is not None, "the woken run did not end")
        status = end_of(second, within=60)
        first.kill()
        if in_a_write:
            tally.at["in a write"] += 1
            tally.claim(status is not None, "the second run did not end")
        else:
            tally.claim(status == 0, "the second run did not finish")
            late = place.oracle.count() - before
            # What a connection had in hand when it was stopped: the relay may read its dot only now.
            tally.claim(late <= place.connections, f"{late} messages came after the sender woke")
            tally.at["came late"] += late
        tally.claim(frozen <= before, "the oracle forgot")
        place.finish()
        reckon(place, tally, kills=1, most_in_flight=place.connections + 2 * MOST_AHEAD)


def write_is_open(url: str) -> bool:
    """Whether somebody keeps the one writer's place of an SQLite file."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return False
    with closing(sqlite3.connect(parsed.database or "", timeout=5)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as trouble:
            return "locked" in str(trouble)
        return False


def main() -> None:
    made = parser("Senders stopped for longer than their lease.")
    made.add_argument("--faults", type=int, default=6)
    options = made.parse_args()
    tally, chance = Tally(), random.Random(options.seed)  # noqa: S311 - instants, not secrets
    with ground(options) as where:
        while tally.faults < options.faults:
            one(where, chance, tally)
    tally.end("SIGSTOP past the lease, then SIGCONT", database=where.kind, seed=options.seed)


if __name__ == "__main__":
    main()
