"""`kill -9`, again and again: at random instants and at every named point.

    python bench/chaos/kills.py --kills 200 [--database postgresql] [--seed N] [--only POINT]

A shop sends a commercial mail with a coupon to everybody and an outage notice to some, by `mailer run --until-idle`
with two sender processes. Each run is killed once; the next one recovers. Half of the kills come at a random instant
and take the whole process group, or one sender, the starter or the supervisor alone; the others come at a named point,
in turn: in the relay's conversation (`oracle.py`), or right before and right after the COMMIT that plans, claims,
marks, writes outcomes or recovers (`seam/`). When a shop's mail is out, the ledger is compared with the oracle, and
another opens.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from itertools import cycle
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.chaos.field import Ground, Place, end_of, ground, kill, parser
from bench.chaos.oracle import POINTS
from bench.chaos.reckoning import Tally, reckon

PLANS = ("plan:before", "plan:after")  # only while there is something to plan
COMMITS = [
    f"{kind}:{side}" for kind in ("claim", "mark", "outcome", "recover") for side in ("before", "after")
]
MOST = {"plan": 2, "claim": 2, "mark": 8, "outcome": 8, "recover": 1}  # which one of its kind
NAMED = 60.0  # seconds until a named point is reached; one killed while it planned holds up the next for 30
PAUSE = 0.03  # seconds the relay takes for each mail, so that a shop lasts for several kills


class Kills:
    """All kills of one call."""

    def __init__(self, seed: int, only: str | None) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - instants, not secrets
        named = [*POINTS, *COMMITS]
        self._named = cycle([only] if only not in (None, "named") else named)
        self._planning = cycle(PLANS)
        self._only = only
        self._turn = 0

    def one(self, place: Place, *, planned: bool) -> list[str]:
        """Start the program and kill it, or part of it first; what was done that it was still there for."""
        self._turn += 1
        if self._only == "random" or (self._only is None and self._turn % 2):
            return self._at_random(place)
        point = next(self._named if planned else self._planning)
        if ":" in point:
            number = self._chance.randint(1, MOST[point.partition(":")[0]])
            running = place.start("run", "--until-idle", seam=f"{point}:{number}")
        else:
            running = place.start("run", "--until-idle")
            place.oracle.trap(point, self._chance.randint(1, 30), running.pid)
        status = end_of(running, within=NAMED)
        place.oracle.trap("", 0, 0)
        if status is None:  # the point was not reached: nothing to recover, or less to plan than that
            running.kill()
            return ["random:group"]
        return [point] if status == -signal.SIGKILL else []

    def _at_random(self, place: Place) -> list[str]:
        before = place.oracle.count()
        running = place.start("run", "--until-idle")
        if self._chance.random() < 0.7:  # mail is going out; otherwise whatever it does by then
            end = time.monotonic() + NAMED
            while place.oracle.count() == before and not running.over() and time.monotonic() < end:
                time.sleep(0.005)
        if end_of(running, within=self._chance.uniform(0.0, 2.0)) is not None:
            return []
        whom = self._chance.choices(["group", "sender", "supervisor", "starter"], [6, 3, 1, 1])[0]
        victims = running.below(f"mailer-{whom}") if whom in {"sender", "starter"} else []
        if victims:
            kill(self._chance.choice(victims))
            # The supervisor recovers what a sender held, and goes on for a while.
            rest = (
                [] if end_of(running, within=self._chance.uniform(0.5, 4.0)) is not None else ["random:group"]
            )
            running.kill()
            return [f"random:{whom}", *rest]
        if whom == "supervisor":
            kill(running.pid)  # its senders notice; the next run may begin before they have ended
            return ["random:supervisor"]
        running.kill()
        return ["random:group"]


def one_shop(where: Ground, kills: Kills, tally: Tally, options: argparse.Namespace) -> None:
    """Kill until everything is sent, or often enough."""
    wanted, recipients = options.kills, options.recipients
    with where.place(recipients=recipients, hit=recipients // 3, pause=PAUSE) as place:
        mine = 0
        total = recipients + recipients // 3
        while tally.faults < wanted and place.oracle.count() < total - 20:
            points = kills.one(place, planned=mine > 0)
            mine += len(points)
            tally.faults += len(points)
            tally.at.update(points)
        place.finish()
        reckon(place, tally, kills=mine)


def main() -> None:
    made = parser("kill -9 at random instants and at named points.")
    made.add_argument("--kills", type=int, default=200)
    made.add_argument("--recipients", type=int, default=1500)
    made.add_argument("--only", help="random, named, or one point: " + ", ".join([*POINTS, *PLANS, *COMMITS]))
    options = made.parse_args()
    tally, kills = Tally(), Kills(options.seed, options.only)
    with ground(options) as where:
        while tally.faults < options.kills:
            one_shop(where, kills, tally, options)
            print(f"{tally.faults} kills, {len(tally.broken)} broken", file=sys.stderr)
    tally.end("kill -9", database=where.kind, seed=options.seed)


if __name__ == "__main__":
    main()
