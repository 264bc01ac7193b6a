"""Several relays, rates and warm-up, through the commands."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.post import RelayProcess
from tests.acceptance.shop import ROOT, Shop, wait_until

BEFORE, NOW, LATER = "2027-01-01T00:00:00Z", "2027-01-15T08:00:00Z", "2027-01-15T10:00:00Z"
TOMORROW = "2027-01-16T08:00:00Z"


def a_letter(here: Shop, addresses: list[str]) -> None:
    here.campaign("letter", "purpose: commercial\ntrigger: manual\n")
    here.customers(
        *({"id": f"c{n}", "email": email, "consent": "yes"} for n, email in enumerate(addresses)), now=BEFORE
    )
    here.mailer("campaigns", "run", "letter", now=NOW)


def through(here: Shop, *posts: RelayProcess, **more: Any) -> None:
    here.set(relays=[{"host": "127.0.0.1", "port": post.port, "tls": "none"} | more for post in posts])


def moments(post: RelayProcess, domain: str = "") -> list[float]:
    return [note["at"] for note in post.dots if note["recipient"].endswith(domain)]


def test_one_of_two_relays_dies_and_everybody_gets_one_mail(shop: OpenShop, relay: StartRelay) -> None:
    here = shop()
    dies, stays = relay({"pause_after": 20}), relay({"pause_after": 40})
    through(here, dies, stays, connections=2)
    addresses = [f"c{n}@x.example" for n in range(300)]
    a_letter(here, addresses)
    running = here.start("run", "--until-idle", now=NOW)
    for post, dots in ((dies, 22), (stays, 42)):
        post.wait_for_dots(dots, running)  # all connections wait for its word
    dies.close()
    stays.tell()
    answer = running.end()
    assert f"The relay 127.0.0.1:{dies.port} does not answer" in answer.err
    rows = here.deliveries()
    doubted = {row["address"] for row in rows if row["state"] == "in_doubt"}
    assert len(doubted) <= 2  # the reply to the final dot was lost: nobody can know
    assert sum(row["state"] == "deferred" for row in rows) <= 2  # it had begun to take the mail
    here.run(LATER)
    (run,) = here.runs()
    assert (run["state"], run["sent"] + run["in_doubt"]) == ("finished", 300)
    got = Counter(dies.accepted) + Counter(stays.accepted)
    assert set(addresses) - set(got) <= doubted  # it may have died with the dot read and nothing kept
    assert max(got.values()) == 1
    assert len(stays.accepted) > len(dies.accepted) >= 20


@pytest.mark.parametrize("gone", [0, 1])
def test_a_few_mails_do_not_wait_for_a_relay_that_is_away(
    shop: OpenShop, relay: StartRelay, gone: int
) -> None:
    here, posts = shop(), [relay(), relay()]
    posts[gone].close()
    through(here, *posts, connections=4)
    a_letter(here, [f"c{n}@x.example" for n in range(3)])
    here.run(NOW)
    assert sorted(posts[1 - gone].accepted) == [f"c{n}@x.example" for n in range(3)]
    assert [row["state"] for row in here.deliveries()] == ["sent"] * 3


def test_weights_share_the_mails_and_a_relay_that_is_away_is_told(shop: OpenShop, relay: StartRelay) -> None:
    here, posts = shop(), [relay({"pause_after": 0}) for _ in range(3)]
    posts[2].close()
    through(here, *posts, connections=6)
    relays = here.settings["relays"]
    here.set(relays=[relays[0] | {"weight": 3}, relays[1], relays[2]])
    a_letter(here, [f"c{n}@x.example" for n in range(160)])
    running = here.start("run", "--until-idle", now=NOW)
    # Under way at the same time; connections of the one that is away may have come to either.
    wait_until(lambda: running.over() or (len(posts[0].dots) >= 6 and len(posts[1].dots) >= 2))
    assert len(posts[0].dots) > len(posts[1].dots)
    for post in posts:
        post.tell()
    answer = running.end()
    assert f"The relay 127.0.0.1:{posts[2].port} does not answer" in answer.err
    assert "the others take its mails" in answer.err
    (run,) = here.runs()
    assert (run["state"], run["sent"]) == ("finished", 160)
    assert len(posts[0].accepted) + len(posts[1].accepted) == 160


def test_a_relay_gets_no_more_than_its_rate(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay()
    here.relay(post.port, connections=4, rate=20)
    here.set(sender={"processes": 2})
    a_letter(here, [f"c{n}@x.example" for n in range(40)])
    here.run(NOW)
    when = moments(post)
    assert len(when) == 40
    # The promise: half a second's worth and two mails beyond it, and one of each connection that waited for a relay.
    assert 20 * (when[-1] - when[0] + 0.5) + 2 + 4 >= 40


def test_a_paced_domain_holds_up_no_other(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay({"to": {"*@slow.example": {"dot": "told|250 ok"}}})
    here.relay(post.port, connections=6)
    here.set(pacing={"domains": {"slow.example": {"rate": 10, "connections": 1}}})
    a_letter(here, [f"c{n}@{'slow' if n % 3 else 'fast'}.example" for n in range(45)])
    running = here.start("run", "--until-idle", now=NOW)
    post.wait_for_dots(16, running)  # one waits for the relay's word
    assert len(moments(post, "fast.example")) == 15
    post.tell()
    running.end()
    slow, fast = moments(post, "slow.example"), moments(post, "fast.example")
    assert (len(slow), len(fast)) == (30, 15)
    assert 10 * (slow[-1] - slow[0] + 0.5) + 2 + 1 >= 30


def test_a_warm_up_leaves_the_rest_for_tomorrow(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay()
    here.relay(post.port)
    here.set(pacing={"warm_up": {"start": "2027-01-15", "first_day": 10, "growth": 2}})
    a_letter(here, [f"c{n}@x.example" for n in range(35)])
    answer = here.run(NOW)
    assert "The warm-up's 10 commercial mails of 2027-01-15 are taken" in answer.err
    assert len(post.accepted) == 10
    here.run(TOMORROW)
    assert len(post.accepted) == len(set(post.accepted)) == 30
    (run,) = here.runs()
    assert (run["queued"], run["sent"]) == (5, 30)


def test_a_relay_of_an_authority_of_ones_own(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay({"tls": "starttls"})
    here.relay(post.port, tls="starttls")
    a_letter(here, ["a@x.example"])
    answer = here.run(NOW)
    assert "the certificate of 127.0.0.1 is not valid" in answer.err
    assert post.accepted == []
    here.write("ca.pem", (ROOT / "tests/tls/ca.pem").read_bytes())
    here.relay(post.port, tls="starttls", ca_file="ca.pem")
    assert here.run(LATER).err == ""
    assert post.accepted == ["a@x.example"]
