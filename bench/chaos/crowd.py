"""Many of everything at once: schedulers, workers, runs, imports and identical triggers.

    python bench/chaos/crowd.py [--rounds 3] [--database postgresql]

SQLite: eight `mailer run --until-idle` at once. PostgreSQL: two `mailer scheduler` and eight `mailer worker`. They
all plan and send one gift and one outage; four imports bring the same event a thousand times each: one mail follows.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.chaos.field import SOON, Ground, Place, end_of, ground, parser
from bench.chaos.reckoning import Tally, reckon
from tests.acceptance.shop import Running

THANKS = """
purpose: service
trigger: {event: thanked}
"""
ALIKE = 1000
SENDERS, IMPORTS = 8, 4


def one(where: Ground, tally: Tally, recipients: int) -> None:
    with where.place(recipients=recipients, hit=recipients // 2, connections=2, processes=1) as place:
        place.shop.campaign("thanks", THANKS)
        place.shop.set(secret_key="0123456789abcdef0123456789abcdef")  # noqa: S106 - of this shop only
        event = {"customer": "c1", "name": "thanked", "id": "once", "at": SOON}
        file = place.shop.write("alike.jsonl", (json.dumps(event) + "\n") * ALIKE)
        place.audience["service"] += 1
        place.shop.mailer("migrate", now=SOON)
        place.shop.mailer("check", now=SOON)
        imports = [place.start("events", "import", str(file)) for _ in range(IMPORTS)]
        if where.kind == "sqlite":
            running = [place.start("run", "--until-idle") for _ in range(SENDERS)]
        else:
            running = [place.start("scheduler") for _ in range(2)]
            running += [place.start("worker") for _ in range(SENDERS)]
        for each in imports:
            tally.claim(end_of(each, within=120) == 0, "an import failed")
        if where.kind != "sqlite":
            _until_sent(place, sum(place.audience.values()))
            for each in running:
                each.signal(signal.SIGTERM)
        _all_well(running, tally)
        tally.faults += 1
        tally.at["at once"] += len(running) + len(imports)
        place.finish()
        reckon(place, tally, kills=0)


def _until_sent(place: Place, wanted: int) -> None:
    end = time.monotonic() + 180
    while place.oracle.count() < wanted and time.monotonic() < end:
        time.sleep(0.1)


def _all_well(running: list[Running], tally: Tally) -> None:
    for each in running:
        status = end_of(each, within=120)
        tally.claim(status == 0, f"one of them ended with {status}")
        each.kill()


def main() -> None:
    made = parser("Many of everything at once.")
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--recipients", type=int, default=600)
    options = made.parse_args()
    tally = Tally()
    with ground(options) as where:
        for _ in range(options.rounds):
            one(where, tally, options.recipients)
    tally.end("many at once", database=where.kind)


if __name__ == "__main__":
    main()
