"""Scheduler, workers and web as programs of their own, against one PostgreSQL."""

from __future__ import annotations

import signal
import urllib.request
from collections import Counter

import pytest

from tests import ports
from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.shop import Shop, balanced, wait_until

NOW = "2027-01-15T08:00:00Z"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def here(shop: OpenShop, postgresql_url: str) -> Shop:
    opened = shop("offer", "outage", database_url=postgresql_url)
    opened.set(secret_key=KEY, sender={"processes": 1, "claim_size": 10})
    opened.mailer("migrate")
    opened.mailer("migrate")  # the second time there is nothing to do
    return opened


def a_letter_to(here: Shop, many: int) -> None:
    here.customers(
        *({"id": f"c{n}", "email": f"c{n}@slow.example", "consent": "yes"} for n in range(many)),
        {"id": "hit", "email": "hit@fast.example", "services": "fibre"},
        now="2027-01-01T00:00:00Z",
    )
    here.mailer("campaigns", "run", "offer", now=NOW)


def test_an_incident_finds_a_free_slot_while_a_letter_holds_all_others(here: Shop, relay: StartRelay) -> None:
    post = relay({"to": {"*@slow.example": {"dot": "silence"}}})
    here.relay(post.port, connections=3)
    a_letter_to(here, 10)
    scheduler, worker = (here.start(part, now=NOW) for part in ("scheduler", "worker"))
    post.wait_for_dots(2, worker)
    here.mailer("incidents", "open", "--title", "Kesinti", "--service", "fibre", now=NOW)
    wait_until(lambda: "hit@fast.example" in post.accepted)
    assert len(post.dots) == 3, "the letter's slots are busy still"
    worker.kill()
    scheduler.signal(signal.SIGTERM)
    scheduler.end()


def test_what_a_killed_worker_had_begun_is_finished_by_another(here: Shop, relay: StartRelay) -> None:
    post = relay({"pause_after": 8})
    here.relay(post.port, connections=4)
    first = here.start("worker", now=NOW)
    a_letter_to(here, 60)
    scheduler = here.start("scheduler", now=NOW)
    post.wait_for_dots(8, first)
    second = here.start("worker", now=NOW)
    first.kill()
    post.tell()

    def over() -> bool:
        (run,) = here.runs()
        return bool(run["sent"] + run["in_doubt"] == 60)

    wait_until(over)
    for running in (second, scheduler):
        running.signal(signal.SIGTERM)
        running.end()
    (run,) = here.runs()
    assert balanced(run)
    assert run["in_doubt"] <= 4  # one a connection of the one that was killed
    assert set(Counter(post.accepted).values()) == {1}
    assert len(post.accepted) >= run["sent"]


def test_the_web_alone_and_what_it_asks_for(here: Shop) -> None:
    with ports.held() as port:
        here.set(listen=f"127.0.0.1:{port}", secret_key=None)
        assert (
            "secret_key: mailer web needs one, the same on every machine" in here.mailer("web", status=2).err
        )
        here.set(secret_key=KEY)
        web = here.start("web")

        def answers() -> bool:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        wait_until(answers)
        web.signal(signal.SIGTERM)
        web.end()


@pytest.mark.parametrize("verb", ["scheduler", "worker", "web"])
def test_on_sqlite_each_part_says_what_it_needs(shop: OpenShop, verb: str) -> None:
    answer = shop().mailer(verb, status=2)
    assert f"mailer {verb} needs PostgreSQL" in answer.err
    assert answer.err.count("\n") == 1
