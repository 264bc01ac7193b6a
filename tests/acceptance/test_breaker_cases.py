"""A run that goes wrong pauses by itself, says so, and goes on when a person says so."""

from __future__ import annotations

import re
from typing import Any

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.shop import Shop, balanced

BEFORE, NOW = "2027-01-01T00:00:00Z", "2027-01-15T08:00:00Z"
LETTER = "purpose: {}\ntrigger: manual\n"


def a_letter(here: Shop, number: int, *, purpose: str = "commercial", body: str = "Merhaba!") -> None:
    here.campaign("letter", LETTER.format(purpose), body=body)
    here.customers(
        *({"id": f"c{n}", "email": f"c{n}@x.example", "consent": "yes"} for n in range(number)), now=BEFORE
    )
    here.mailer("campaigns", "run", "letter", now=NOW)


def only_run(here: Shop) -> dict[str, Any]:
    (run,) = here.runs()
    return run


def test_a_run_that_is_refused_pauses_and_goes_on_when_told_to(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay({"rcpt": "550 5.1.1 no such user"})
    here.relay(post.port, connections=2)
    a_letter(here, 400)
    answer = here.run(NOW)
    run = only_run(here)
    assert run["state"] == "paused"
    # Nothing begins behind the fiftieth but what the connections have in hand: a message, and an envelope behind it.
    counted = re.fullmatch(r"breaker: (\d+) of \1 attempts were refused", run["reason"])
    assert f"Run {run['id']} is paused by a {run['reason']}. `mailer runs resume" in here.mailer("runs").err
    assert counted
    assert 50 <= int(counted[1]) <= run["failed"] <= 50 + 2 * 2
    told, failed = answer.err.splitlines()
    assert failed.startswith(f"letter: {run['failed']} mails failed (refused); see mailer deliveries")
    assert (
        told
        == f"Run {run['id']} is paused by a {run['reason']}. `mailer runs resume {run['id']}` lets it go on."
    )

    here.relay(relay().port)
    here.mailer("campaigns", "resume", "letter")
    assert here.run(NOW).err == ""
    run = only_run(here)
    assert (run["state"], run["reason"]) == ("finished", None)
    assert run["sent"] + run["failed"] == 400
    assert balanced(run)


def test_a_notice_that_is_refused_goes_on(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay({"rcpt": "550 5.1.1 no such user"})
    here.relay(post.port, connections=2)
    a_letter(here, 60, purpose="service")
    assert here.run(NOW).err.startswith("letter: 60 mails failed (refused)")
    run = only_run(here)
    assert (run["state"], run["failed"]) == ("finished", 60)
