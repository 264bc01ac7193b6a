"""An outage overtakes a newsletter to half a million, which completes all the same: none twice, none lost.

    python bench/chaos/overtake.py [--readers 500000] [--affected 6000] [--after 20000] [--database postgresql]

The stock newsletter is sent to everybody who agreed to it. When so many have left, `mailer incidents open` tells of an
outage those who live in one postal code; every third of them is a reader too. SQLite: `mailer run --until-idle`.
PostgreSQL: a `mailer scheduler` and two `mailer worker`. The oracle has every mail on disk before it answers.

Seconds are told from the start of that command to four instants: the incident stood in the database, published, with
none of its notices planned; the relay kept the first notice; it kept the last; the command ended, which counts whom it
told after they are planned. The first notice has five seconds from the publication.
"""

from __future__ import annotations

import argparse
import csv
import os
import signal
import sys
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from bench.chaos.field import Ground, Place, end_of, ground, parser
from bench.chaos.reckoning import Tally, reckon
from tests.acceptance import shop as acceptance
from tests.acceptance.plays import post
from tests.acceptance.shop import Running, balanced

WITHIN = 5.0  # seconds of the publication until the first notice is out
LONGEST = 3 * 3600.0  # seconds for any one step
STANDSTILL = 180.0  # seconds without a mail, planning the first included: nobody sends any more
EARLIER, MONDAY, TUESDAY = "2027-03-01T00:00:00Z", "2027-03-22T09:00:00Z", "2027-03-23T07:00:00Z"
POSTAL = "34710"
WORKERS = 2
NOTICE = "<incident."  # how their Message-IDs begin


@dataclass(frozen=True)
class People:
    """Who is there: readers, of whom some are affected, and others who are affected and read nothing."""

    readers: int
    affected: int

    @property
    def both(self) -> int:
        return self.affected // 3

    @property
    def customers(self) -> int:
        return self.readers + self.affected - self.both

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Id, address, postal code, consent."""
        for number in range(self.readers):
            # Spread over all readers: some have theirs by then, some wait for it.
            hit = number * self.both // self.readers != (number + 1) * self.both // self.readers
            yield f"n{number}", f"n{number}@x.example", POSTAL if hit else "", "yes"
        for number in range(self.affected - self.both):
            yield f"i{number}", f"i{number}@x.example", POSTAL, ""

    def expected(self) -> Counter[tuple[str, bool]]:
        """How many mails everybody gets: (address, whether it is the notice)."""
        told: Counter[tuple[str, bool]] = Counter()
        for _name, email, postal, consent in self.rows():
            told.update([(email, True)] * bool(postal) + [(email, False)] * bool(consent))
        return told


class Publication(threading.Thread):
    """Looks for an incident in the database; `at` is when it was there, in seconds of the epoch."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.at = inf
        driver = "postgresql+psycopg" if url.startswith("postgresql") else "sqlite"
        self._engine = create_engine(make_url(url).set(drivername=driver), isolation_level="AUTOCOMMIT")

    def run(self) -> None:
        with self._engine.connect() as connection:
            while not connection.scalar(text("select count(*) from incident")):
                time.sleep(0.02)
            self.at = time.time()
        self._engine.dispose()


def open_shop(kind: str, place: Place, people: People) -> None:
    """Everybody is imported, and there is a post to write about."""
    shop = place.shop
    # As many processes and claims as anybody has; workers share this machine.
    del shop.settings["sender"]
    if kind != "sqlite":
        shop.set(sender={"processes": 1})
    shop.set(secret_key="0123456789abcdef0123456789abcdef")  # noqa: S106 - of this shop only
    file = shop.folder / "everybody.csv"
    with file.open("w", newline="") as opened:
        out = csv.writer(opened)
        out.writerow(("id", "email", "postal_code", "consent"))
        out.writerows(people.rows())
    shop.mailer("customers", "import", str(file), now=EARLIER)
    shop.events(post("p", MONDAY), now=MONDAY)
    # Whoever has not agreed has a row of the newsletter too: skipped, with its reason.
    place.audience.update(commercial=people.customers, service=people.affected)


def begin(where: Ground, place: Place) -> list[Running]:
    """Whatever plans and sends."""
    if where.kind == "sqlite":
        return [place.start("run", "--until-idle", now=TUESDAY)]
    place.shop.mailer("migrate", now=TUESDAY)
    return [place.start(name, now=TUESDAY) for name in ("scheduler", *["worker"] * WORKERS)]


def wait_for(place: Place, count: int, running: list[Running]) -> None:
    """Until so many mails were kept, or nobody sends any more."""
    before, said, moved = 0, time.monotonic(), time.monotonic()
    while (kept := place.oracle.count()) < count and not all(each.over() for each in running):
        now = time.monotonic()
        before, moved = (kept, now) if kept > before else (before, moved)
        if now - moved > STANDSTILL:
            return
        if now - said > 30:
            said = now
            say(f"{kept} of {count} mails")
        time.sleep(0.05)


def end_all(where: Ground, place: Place, running: list[Running], tally: Tally) -> None:
    """Each ends by itself, or is told to when all runs are finished."""
    if where.kind != "sqlite":
        end = time.monotonic() + 120
        while {run["state"] for run in place.shop.runs()} != {"finished"} and time.monotonic() < end:
            time.sleep(1)
        for each in running:
            each.signal(signal.SIGTERM)
    for each in running:
        status = end_of(each, within=LONGEST if where.kind == "sqlite" else 120)
        tally.claim(status == 0, f"one of them ended with {status}")
        if status is None:
            each.kill()
        else:
            each.end(status)


def one(where: Ground, tally: Tally, options: argparse.Namespace) -> dict[str, Any]:
    """The whole play; what is told of it besides the tally."""
    people = People(options.readers, options.affected)
    with where.place(connections=options.connections, campaigns=("newsletter", "outage")) as place:
        since = time.time()
        open_shop(where.kind, place, people)
        say(f"{people.readers} readers are there after {time.time() - since:.0f} s")
        begun = time.time()
        running = begin(where, place)
        wait_for(place, options.after, running)
        published = Publication(place.database_url)
        published.start()
        asked = time.time()
        place.shop.mailer("incidents", "open", "--title", "Kesinti", "--postal", POSTAL, now=TUESDAY)
        ended = time.time()
        tally.faults += 1
        load = os.getloadavg()[0]  # with few processors seconds say as much of these as of us
        say("the outage is published")
        wait_for(place, people.readers + people.affected, running)
        end_all(where, place, running, tally)
        tally.claim(
            all(balanced(run) and run["state"] == "finished" for run in place.shop.runs()),
            "a run is not whole",
        )
        kept = place.oracle.kept()
        reckon(place, tally, kills=0)
    told = Counter((note["recipient"], is_notice(note)) for note in kept)
    expected = people.expected()
    tally.claim(not told - expected, f"{(told - expected).total()} mails nobody expected, or once more")
    tally.claim(not expected - told, f"{(expected - told).total()} mails did not come")
    tally.claim(len({note["message_id"] for note in kept}) == len(kept), "two mails of one Message-ID")
    if not any(is_notice(note) for note in kept):
        return {}
    facts = figures(kept, begun, asked, published.at, ended)
    tally.claim(facts["seconds"]["published to first"] < WITHIN, "the first notice was late")
    tally.claim(facts["newsletters"]["after the last"], "the newsletter was over before the notices")
    return facts | {"load": round(load, 1), "processors": os.cpu_count()}


def figures(
    kept: list[dict[str, Any]], begun: float, asked: float, published: float, ended: float
) -> dict[str, Any]:
    """What the relay saw when."""
    notices = sorted(note["at"] for note in kept if is_notice(note))
    letters = sorted(note["at"] for note in kept if not is_notice(note))
    first, last = notices[0], notices[-1]

    def newsletters(start: float, end: float) -> int:
        return bisect_left(letters, end) - bisect_left(letters, start)

    return {
        "affected": len(notices),
        "seconds": {
            "published to first": round(first - published, 2),
            "start to published": round(published - asked, 2),
            "start to first": round(first - asked, 2),
            "start to last": round(last - asked, 2),
            "start to end": round(ended - asked, 2),
            "end to first": round(first - ended, 2),
            "end to last": round(last - ended, 2),
            "newsletter": round(letters[-1] - letters[0], 1),
            "begun to first newsletter": round(letters[0] - begun, 1),
        },
        "newsletters": {
            "before the start": newsletters(0, asked),
            "start to published": newsletters(asked, published),
            "published to first": newsletters(published, first),
            "first to last": newsletters(first, last),
            "after the last": newsletters(last, inf),
        },
        "a second": {
            "newsletters before": round(newsletters(0, asked) / (asked - letters[0])),
            "notices": round(len(notices) / (last - first)),
            "newsletters after": round(newsletters(last, inf) / max(letters[-1] - last, 0.001)),
        },
    }


def is_notice(note: Mapping[str, Any]) -> bool:
    return str(note["message_id"]).startswith(NOTICE)


def say(text: str) -> None:
    print(text, file=sys.stderr)


def main() -> None:
    made = parser("An outage overtakes a newsletter.")
    made.add_argument("--readers", type=int, default=500_000)
    made.add_argument("--affected", type=int, default=6_000)
    made.add_argument(
        "--after", type=int, help="mails out when the outage is opened; default a twentieth, at most 20000"
    )
    made.add_argument(
        "--connections", type=int, default=10, help="of each worker, or of all senders on SQLite"
    )
    options = made.parse_args()
    if options.after is None:
        options.after = min(20_000, options.readers // 20)
    acceptance.PATIENCE = LONGEST
    tally = Tally()
    with ground(options) as where:
        facts = one(where, tally, options)
    tally.end("an outage overtakes a newsletter", database=where.kind, readers=options.readers, **facts)


if __name__ == "__main__":
    main()
