"""An import killed again and again, and run again: in the end the same customers as from one that was left alone.

    python bench/chaos/imports.py [--rows 100000] [--kills 10] [--database postgresql] [--seed N]

SIGKILL, SIGTERM and SIGINT in turn, at random instants. A killed import leaves its lease for half a minute, which the
next one waits for; one that was stopped by Ctrl-C gives it back. Consent, events of consent and attributes must not be
there twice.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import time
from itertools import cycle
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sqlalchemy import text

from bench.chaos.field import IMPORTED, Ground, Place, end_of, ground, parser
from bench.chaos.reckoning import Tally
from mailer.store.engine import Database

COUNTED = ("customer", "consent_entry")


async def counted(url: str) -> dict[str, object]:
    """Rows of each table, and a sum over what they say."""
    database = await Database.connect(url)
    try:
        async with database.read() as connection:
            found: dict[str, object] = {}
            for table in COUNTED:
                found[table] = await connection.scalar(text(f"select count(*) from {table}"))
            wanted = text(
                "select count(distinct ext_id), count(distinct email_key), min(consent) from customer"
            )
            found["distinct"] = tuple((await connection.execute(wanted)).one())
            return found
    finally:
        await database.close()


def write(place: Place, rows: int) -> Path:
    lines = (f"c{n},c{n}@x.example,Ad{n},İstanbul,yes\n" for n in range(rows))
    return place.shop.write("many.csv", "id,email,first_name,city,consent\n" + "".join(lines))


def alone(where: Ground, rows: int) -> tuple[dict[str, object], float]:
    """What an import that is left alone makes, and how long it takes."""
    with where.place() as place:
        file = write(place, rows)
        begun = time.monotonic()
        place.shop.mailer("customers", "import", str(file), now=IMPORTED)
        return asyncio.run(counted(place.database_url)), time.monotonic() - begun


def disturbed(where: Ground, options: argparse.Namespace, tally: Tally, seconds: float) -> dict[str, object]:
    rows, kills, seed = options.rows, options.kills, options.seed
    chance = random.Random(seed)  # noqa: S311 - instants, not secrets
    with where.place() as place:
        file = write(place, rows)
        signals = cycle([signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGINT])
        for _ in range(kills):
            running = place.start("customers", "import", str(file), now=IMPORTED)
            # One before may have left its lease.
            if end_of(running, within=chance.uniform(0.5, seconds + 5)) is None:
                number = next(signals)
                running.signal(number)
                tally.faults += 1
                tally.at[number.name] += 1
            tally.claim(end_of(running, within=30) is not None, "it did not end")
            running.kill()
        place.shop.mailer("customers", "import", str(file), now=IMPORTED)
        return asyncio.run(counted(place.database_url))


def main() -> None:
    made = parser("An import killed and run again.")
    made.add_argument("--rows", type=int, default=100_000)
    made.add_argument("--kills", type=int, default=10)
    options = made.parse_args()
    tally = Tally()
    with ground(options) as where:
        expected, seconds = alone(where, options.rows)
        found = disturbed(where, options, tally, seconds)
    tally.claim(found == expected, f"{found} instead of {expected}")
    tally.end("an import killed and run again", database=where.kind, seed=options.seed, rows=options.rows)


if __name__ == "__main__":
    main()
