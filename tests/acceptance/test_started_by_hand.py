"""A campaign started by hand, whose command ends before its run is whole."""

from __future__ import annotations

import signal

import psycopg
import pytest

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.shop import Shop, balanced, wait_until

NOW, LATER = "2027-01-15T08:00:00Z", "2027-01-15T09:00:00Z"
ERASING = 7_021_004  # store.barred: nobody is written down while somebody holds it


@pytest.fixture
def here(shop: OpenShop, relay: StartRelay, postgresql_url: str) -> Shop:
    opened = shop("offer", database_url=postgresql_url)
    opened.relay(relay().port, connections=2)
    opened.mailer("migrate")
    opened.customers(
        *({"id": f"c{n}", "email": f"c{n}@x.example", "consent": "yes"} for n in range(5)),
        now="2027-01-01T00:00:00Z",
    )
    return opened


def cut_short(here: Shop, url: str, how: signal.Signals) -> str:
    """Start the campaign, and end the command by a signal while the first part is written; what it said."""
    with psycopg.connect(url) as other:
        other.execute("select pg_advisory_xact_lock(%s)", [ERASING])
        running = here.start("campaigns", "run", "offer", now=NOW)
        wait_until(lambda: [run["state"] for run in here.runs()] == ["planning"])
        running.signal(how)
        if how is signal.SIGKILL:
            return running.end(-how).err
    return running.end(130).err


def test_stopped_it_is_called_off(here: Shop, postgresql_url: str) -> None:
    said = cut_short(here, postgresql_url, signal.SIGINT)
    assert "Stopped; run 1 of offer (2027-01-15) is cancelled, nothing of it leaves." in said
    here.run(LATER)
    (run,) = here.runs()
    assert (run["state"], run["sent"]) == ("cancelled", 0)
    assert "2027-01-15.2" in here.mailer("campaigns", "run", "offer", now=LATER).out
    here.run(LATER)
    assert [(run["state"], run["sent"]) for run in here.runs()] == [("cancelled", 0), ("finished", 5)]


def test_killed_it_is_finished_by_whoever_plans_next(here: Shop, postgresql_url: str) -> None:
    cut_short(here, postgresql_url, signal.SIGKILL)
    with psycopg.connect(postgresql_url) as other:
        other.execute("delete from lease where name = 'planner'")  # it would run out within half a minute
    here.run(LATER)
    (run,) = here.runs()
    assert balanced(run)
    assert (run["occurrence"], run["state"], run["audience"], run["sent"]) == ("2027-01-15", "finished", 5, 5)
