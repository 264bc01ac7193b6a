"""The whole program killed: nothing is lost, nothing commercial goes out twice, and every doubt has its name."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.plays import Play, ledger, perform, rehearse
from tests.acceptance.shop import Running, balanced, wait_until

NOW = "2027-01-15T08:00:00Z"
REAL = ("/usr/bin/env",)  # what is killed is the console script itself; what prepares and looks need not be
GIFT = """
purpose: commercial
trigger: {at: 2027-01-15T11:00}
coupon: {kind: generated, prefix: GF, percent: 20}
"""


def test_case_12_killed_between_the_relays_answer_and_our_commit(shop: OpenShop, relay: StartRelay) -> None:
    # Two addresses get their 250 while the program is frozen, and two get no answer at all.
    slow = {"kept@*": {"dot": ["told|250 2.0.0 kept", "250 2.0.0 kept"]}}
    mute = {"mute@*": {"dot": ["keep|silence", "250 2.0.0 kept"]}}
    here, post = shop("offer", "outage"), relay({"to": slow | mute})
    here.relay(post.port, connections=4)
    here.customers(
        {"id": "k1", "email": "kept@shop.example", "consent": "yes"},
        {"id": "m1", "email": "mute@shop.example", "consent": "yes"},
        {"id": "k2", "email": "kept@home.example", "services": "fibre"},
        {"id": "m2", "email": "mute@home.example", "services": "fibre"},
        now="2027-01-01T00:00:00Z",
    )
    here.mailer("campaigns", "run", "offer", now=NOW)
    here.mailer("incidents", "open", "--title", "Kesinti", "--service", "fibre", now=NOW)
    foreseen = perform(Play([rehearse(NOW, "2027-01-15T08:00:01Z")], []), here)
    running = here.start("run", "--until-idle", now=NOW, before=REAL)
    post.wait_for_dots(4, running)
    running.signal_all(signal.SIGSTOP)
    post.tell()
    wait_until(lambda: sum(note["phase"] == "told" for note in post.notes) == 2)
    running.kill()  # the relay's 250 lies in our socket, unread
    first = {note["recipient"]: note for note in post.dots}

    here.run(NOW)
    rows = {row["address"]: row for row in here.deliveries() if row["state"] != "skipped"}
    assert {address: row["state"] for address, row in rows.items()} == {
        "kept@shop.example": "in_doubt",
        "mute@shop.example": "in_doubt",
        "kept@home.example": "sent",
        "mute@home.example": "sent",
    }
    assert [row[:4] for row in ledger(here)] == [row[:4] for row in foreseen]
    again = Counter(note["recipient"] for note in post.dots)
    assert again == {
        "kept@shop.example": 1,
        "mute@shop.example": 1,
        "kept@home.example": 2,
        "mute@home.example": 2,
    }
    for note in post.dots:
        assert (
            note["message_id"]
            == first[note["recipient"]]["message_id"]
            == rows[note["recipient"]]["message_id"]
        )
    coupons = here.mailer("coupons", "list", "--json").rows
    assert sorted((each["customer"], each["state"]) for each in coupons) == [
        ("k1", "quarantined"),
        ("m1", "quarantined"),
    ]
    assert all(balanced(run) for run in here.runs())


def test_killed_again_and_again_every_customer_is_accounted_for(shop: OpenShop, relay: StartRelay) -> None:
    chance = random.Random(20270115)  # noqa: S311 - instants, not secrets
    here, post = shop(), relay({"dot": "wait 0.03|250 2.0.0 kept"})
    here.campaign("gift", GIFT, body="{{ coupon.code }}")
    here.relay(post.port, connections=3)
    here.set(sender={"processes": 1, "claim_size": 10})  # the dead hold little, so one lease is waited for
    count = 120
    here.customers(
        *({"id": f"c{n}", "email": f"c{n}@x.example", "consent": "yes"} for n in range(count)),
        now="2027-01-01T00:00:00Z",
    )
    for kills in range(1, 4):
        running = here.start("run", "--until-idle", now=NOW)
        post.wait_for_dots(kills * 20, running)
        time.sleep(chance.random() / 20)
        running.kill()
    here.run(NOW)
    rows = here.deliveries()
    kept = Counter(post.accepted)
    assert set(kept.values()) == {1}  # commercial: never a second one
    state = {row["address"]: row["state"] for row in rows}
    assert set(state.values()) <= {"sent", "in_doubt"}
    assert {address for address, where in state.items() if where == "sent"} <= set(kept)
    doubtful = sum(where == "in_doubt" for where in state.values())
    assert doubtful <= 3 * 3  # what was in flight: connections, for every kill
    assert all(
        run["audience"] == count and balanced(run) and run["state"] == "finished" for run in here.runs()
    )
    coupons = here.mailer("coupons", "list", "--json").rows
    assert len({each["code"] for each in coupons}) == len(coupons) == count
    assert Counter(each["state"] for each in coupons) == {"issued": count - doubtful} | (
        {"quarantined": doubtful} if doubtful else {}
    )


@pytest.mark.parametrize("whom", ["sender", "starter", "supervisor"])
def test_one_of_its_processes_killed(shop: OpenShop, relay: StartRelay, whom: str) -> None:
    here, post = shop(), relay({"pause_after": 20})
    here.campaign("gift", GIFT, body="{{ coupon.code }}")
    here.relay(post.port, connections=4)
    here.set(sender={"processes": 2, "claim_size": 10})
    count = 240
    here.customers(
        *({"id": f"c{n}", "email": f"c{n}@x.example", "consent": "yes"} for n in range(count)),
        now="2027-01-01T00:00:00Z",
    )
    running = here.start("run", "--until-idle", now=NOW)
    post.wait_for_dots(24, running)  # all connections wait for its word
    starter, senders = running.below("mailer-starter"), running.below("mailer-sender")
    assert (len(starter), len(senders)) == (1, 2)
    os.kill({"sender": senders[0], "starter": starter[0], "supervisor": running.pid}[whom], signal.SIGKILL)
    post.tell()
    if whom == "supervisor":
        running.end(-signal.SIGKILL)  # it returns when nobody holds its streams: its senders have ended, too
        here.run(NOW)
    else:
        running.end()
    (run,) = here.runs()
    assert balanced(run)
    assert (run["audience"], run["state"]) == (count, "finished")
    assert run["in_doubt"] <= (2 if whom == "sender" else 0)  # connections of the one that died in the act
    kept = Counter(post.accepted)
    assert set(kept.values()) == {1}
    assert len(kept) >= run["sent"] == count - run["in_doubt"]


def test_a_sender_is_replaced_while_settings_cannot_be_read(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop("offer"), relay({"pause_after": 1})
    here.relay(post.port, connections=1)
    here.customers(
        *({"id": f"c{n}", "email": f"c{n}@x.example", "consent": "yes"} for n in range(3)),
        now="2027-01-01T00:00:00Z",
    )
    here.mailer("campaigns", "run", "offer", now=NOW)
    running = here.start("run", "--until-idle", now=NOW)
    post.wait_for_dots(2, running)
    (begun,) = running.below("mailer-sender")
    here.set(sender={"processes": 1, "claim_size": "many"})
    os.kill(begun, signal.SIGKILL)
    said = running.end(1).err
    assert re.search(r"settings\.yaml:\d+: sender\.claim_size: write a whole number\.", said), said
    assert "The senders keep failing; what was not sent stays queued." in said
    here.set(sender={"processes": 1})
    post.tell()
    here.run(NOW)
    assert sorted(row["state"] for row in here.deliveries()) == ["in_doubt", "sent", "sent"]


def told_alone(running: Running) -> None:
    running.signal(signal.SIGTERM)


def left_alone_by_its_terminal(running: Running) -> None:
    # The shell and the system may both tell of it.
    running.signal_all(signal.SIGHUP)
    time.sleep(0.2)
    running.signal_all(signal.SIGHUP)


def told_with_its_children(running: Running) -> None:
    # As Ctrl-C and service managers do it. The children hear it first, and once more from the command.
    running.signal(signal.SIGSTOP)
    running.signal_all(signal.SIGINT)
    time.sleep(0.3)
    running.signal(signal.SIGCONT)


@pytest.mark.parametrize("stop", [told_alone, left_alone_by_its_terminal, told_with_its_children])
def test_told_to_stop_it_finishes_what_was_begun(
    shop: OpenShop, relay: StartRelay, stop: Callable[[Running], None]
) -> None:
    here, post = shop(), relay({"dot": "wait 0.5|250 2.0.0 kept"})
    here.campaign("gift", GIFT, body="{{ coupon.code }}")
    here.relay(post.port, connections=4)
    count = 200  # half a minute of them: it ends long before, for it was told to
    here.customers(
        *({"id": f"c{n}", "email": f"c{n}@x.example", "consent": "yes"} for n in range(count)),
        now="2027-01-01T00:00:00Z",
    )
    running = here.start("run", "--until-idle", now=NOW, before=REAL)
    post.wait_for_dots(8, running)
    stop(running)
    running.end()
    rows = Counter(row["state"] for row in here.deliveries())
    assert set(rows) == {"sent", "queued"}
    assert rows["sent"] == len(post.accepted) < count
    quick = relay()
    here.relay(quick.port)
    here.run(NOW)
    assert Counter(post.accepted + quick.accepted) == {f"c{n}@x.example": 1 for n in range(count)}


def test_told_to_stop_while_it_asks_the_relay_it_begins_nothing(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay({"banner": "told|220 relay.test"})
    here.campaign("gift", GIFT, body="{{ coupon.code }}")
    here.relay(post.port)
    here.customers({"id": "1", "email": "one@x.example", "consent": "yes"}, now="2027-01-01T00:00:00Z")
    running = here.start("run", "--until-idle", now=NOW)
    wait_until(lambda: post.notes)
    running.ask_to_stop()
    post.tell()
    running.end()
    assert not post.dots
    assert [row["state"] for row in here.deliveries()] == ["queued"]
