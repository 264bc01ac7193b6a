"""Faults that come to the whole program from outside; the long ones are in bench/chaos."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import time
from collections import Counter
from typing import Any

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.shop import Shop, balanced, wait_until

NOW = "2027-01-15T08:00:00Z"
LATER = "2027-01-15T13:00:00Z"
LONG_AGO = "2027-01-01T00:00:00Z"
GIFT = """
purpose: commercial
trigger: {at: 2027-01-15T11:00}
coupon: {kind: generated, prefix: GF, percent: 20}
"""
MORNING = 'purpose: commercial\ntrigger: {cron: "0 10 * * *"}\n'


def people(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"c{n}", "email": f"c{n}@x.example", "consent": "yes"} | more for n in range(count)]


def a_gift_for(here: Shop, count: int) -> None:
    here.campaign("gift", GIFT, body="{{ coupon.code }}")
    here.customers(*people(count), now=LONG_AGO)


def test_down_when_it_was_time_and_clocks_that_step(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay()
    here.relay(post.port)
    here.campaign("morning", MORNING)
    here.customers(*people(2), now="2027-01-14T12:00:00Z")
    here.run("2027-01-15T07:01:00Z")  # a minute late
    here.run("2027-01-16T08:00:00Z")  # an hour
    here.run("2027-01-16T06:59:00Z")  # the clock is set back over the fire time
    here.run("2027-01-16T07:30:00Z")
    here.run("2027-01-19T12:00:00Z")  # three days, of which one is within catch_up
    found = sorted((run["occurrence"], run["state"], run["sent"], run["skipped"]) for run in here.runs())
    assert found == [
        ("2027-01-15", "finished", 2, 0),
        ("2027-01-16", "finished", 2, 0),
        ("2027-01-17", "missed", 0, 2),
        ("2027-01-18", "missed", 0, 2),
        ("2027-01-19", "finished", 2, 0),
    ]
    assert Counter(post.accepted) == {"c0@x.example": 3, "c1@x.example": 3}


def test_with_few_files_open_it_sends_over_fewer_connections(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay({"dot": "wait 0.01|250 2.0.0 kept"})
    here.relay(post.port, connections=100)
    a_gift_for(here, 150)
    running = here.start("run", "--until-idle", now=NOW, before=("/usr/bin/env", "prlimit", "--nofile=64"))
    said = running.end().err
    assert "Too few files may be open for 100 connections; this sender uses 24." in said
    (run,) = here.runs()
    assert (run["state"], run["sent"]) == ("finished", 150)
    assert sum(note["phase"] == "connect" for note in post.notes) <= 24 + 1


def test_who_leaves_half_way_gets_nothing_more(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay({"dot": "wait 0.05|250 2.0.0 kept", "pause_after": 100})
    here.relay(post.port, connections=2)
    a_gift_for(here, 200)
    running = here.start("run", "--until-idle", now=NOW)
    post.wait_for_dots(102, running)  # both connections wait for its word
    here.customers(*people(200, consent="no", consent_at=NOW), now="2027-01-15T08:00:01Z")
    post.tell()
    running.end()
    assert len(post.dots) - 102 <= 2 * 20  # what a second of two connections takes: that much may be marked
    (run,) = here.runs()
    assert balanced(run)
    assert run["skipped"] == 200 - len(post.accepted) > 0
    assert {row["reason"] for row in here.deliveries() if row["state"] == "skipped"} == {"no_consent"}


def test_told_twice_it_does_not_wait(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay({"dot": "silence"})
    here.relay(post.port, connections=3)
    a_gift_for(here, 10)
    running = here.start("run", "--until-idle", now=NOW)
    post.wait_for_dots(3, running)
    running.ask_to_stop()
    time.sleep(0.5)
    assert not running.over(), "told once it waits for the relay's word"
    running.signal(signal.SIGTERM)
    wait_until(running.over)
    running.kill()
    assert running.status == -signal.SIGTERM
    post.close()
    again = relay(port=post.port)
    answer = here.run(NOW)
    (run,) = here.runs()
    assert balanced(run)
    assert (run["sent"], run["in_doubt"]) == (7, 3)
    assert (
        f"{run['campaign']}: 3 mails in doubt, as the relay's answer was lost; look into its log"
        in answer.err
    )
    assert "in doubt" not in here.run(NOW).err  # each is told of once
    assert len(set(again.accepted)) == len(again.accepted) == 7


def test_an_import_that_was_stopped_is_run_again(shop: OpenShop) -> None:
    here = shop()
    many, first = 6_000, 4_500
    lines = ["id,email\n", *(f"c{n},c{n}@x.example\n" for n in range(many))]
    file = here.folder / "many.csv"
    os.mkfifo(file)  # somebody is writing it still
    writing = os.open(file, os.O_RDWR)
    running = here.start("customers", "import", str(file), now=LONG_AGO)
    os.write(writing, "".join(lines[: first + 1]).encode())

    def there(what: str) -> int:
        with contextlib.closing(sqlite3.connect(here.folder / "var/mailer.db")) as database:
            return int(database.execute(f"select count(*) from {what}").fetchone()[0])

    wait_until(lambda: there("customer") == 4_000)  # two lots of it
    assert there("lease where name = 'import'") == 1
    running.signal(signal.SIGINT)
    wait_until(lambda: there("lease where name = 'import'") == 0)  # though it waits for the next line
    os.close(writing)
    said = running.end(130).err
    assert re.fullmatch(
        r"Stopped after [24]000 rows of many.csv, which are kept; import it again to take in the rest.\n",
        said,
    ), said  # the second lot may not be counted yet
    file.unlink()
    answer = here.mailer("customers", "import", str(here.write("many.csv", "".join(lines))), now=LONG_AGO)
    assert f"{many} created" not in answer.err
    assert len(here.mailer("customers", "list", "--json").rows) == many
