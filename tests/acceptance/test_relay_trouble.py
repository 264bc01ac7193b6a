"""A relay in every kind of trouble: each delivery ends as its reply says, and a later run completes the rest."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.shop import Shop, balanced

NOW = "2027-01-15T08:00:00Z"
GIFT = """
purpose: commercial
trigger: {at: 2027-01-15T11:00}
coupon: {kind: generated, prefix: GF, percent: 20}
"""
LATER = "2027-01-15T10:00:00Z"
LATER_STILL = "2027-01-15T14:00:00Z"


def a_gift(here: Shop, *names: str) -> None:
    here.campaign("gift", GIFT, body="{{ coupon.code }}")
    here.customers(
        *({"id": name, "email": f"{name}@x.example", "consent": "yes"} for name in names),
        now="2027-01-01T00:00:00Z",
    )


def only_run(here: Shop) -> dict[str, Any]:
    (run,) = here.runs()
    return run


def test_every_answer_has_its_state_and_a_rerun_completes(shop: OpenShop, relay: StartRelay) -> None:
    once = "250 2.0.0 kept"
    answers = {
        "busy": {"rcpt": ["421 4.3.2 shutting down|close", "250 ok"]},
        "grey": {"rcpt": ["451 4.7.1 greylisted", "451 4.7.1 greylisted", "250 ok"]},
        "full": {"dot": ["452 4.2.2 mailbox full", once]},
        "nobody": {"rcpt": "550 5.1.1 no such user"},
        "spam": {"dot": "554 5.7.1 looks like spam"},
        "cut": {"dot": "keep|cut"},
        "half": {"data": ["cut", "354 go on"]},
        "fine": {},
    }
    tries = dict.fromkeys(answers, 1) | dict.fromkeys(("busy", "full", "half"), 2) | {"grey": 3}
    here, post = shop(), relay({"to": {f"{name}@*": steps for name, steps in answers.items()}})
    here.relay(post.port, connections=2)
    a_gift(here, *answers)
    here.run(NOW)
    first = {row["customer"]: row for row in here.deliveries()}
    assert {name: (row["state"], row["reason"]) for name, row in first.items()} == {
        "busy": ("deferred", None),
        "grey": ("deferred", None),
        "full": ("deferred", None),
        "nobody": ("failed", "refused"),
        "spam": ("failed", "refused"),
        "cut": ("in_doubt", None),
        "half": ("deferred", None),
        "fine": ("sent", None),
    }
    assert first["nobody"]["reply"] == "550 5.1.1 no such user"
    codes = {each["customer"]: each for each in here.mailer("coupons", "list", "--json").rows}
    assert {name: each["state"] for name, each in codes.items()} == {
        **dict.fromkeys(("busy", "grey", "full", "half"), "reserved"),
        **dict.fromkeys(("nobody", "spam"), "released"),
        "cut": "quarantined",
        "fine": "issued",
    }
    here.run(LATER)
    here.run(LATER_STILL)
    run = only_run(here)
    assert balanced(run)
    assert run["state"] == "finished"
    assert (run["sent"], run["failed"], run["in_doubt"]) == (5, 2, 1)
    second = {row["customer"]: row for row in here.deliveries()}
    for name, row in second.items():
        assert row["message_id"] == first[name]["message_id"]
        assert row["attempts"] == tries[name]
    assert Counter(post.accepted) == {
        f"{name}@x.example": 1 for name in ("busy", "grey", "full", "cut", "half", "fine")
    }
    for mail in post.mails():  # the same code on every try, and only in its owner's mail
        name = mail["To"].addresses[0].username
        text = mail.get_body(("plain",)).get_content()
        assert codes[name]["code"] in text
        assert not any(each["code"] in text for other, each in codes.items() if other != name)


def test_a_relay_killed_in_the_middle(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay({"pause_after": 20})
    here.relay(post.port, connections=2)
    names = [f"c{n}" for n in range(60)]
    a_gift(here, *names)
    running = here.start("run", "--until-idle", now=NOW)
    post.wait_for_dots(22, running)  # both connections wait for its word
    post.close()
    answer = running.end()
    rows = here.deliveries()
    counted = Counter(row["state"] for row in rows)
    assert counted == {"sent": 20, "in_doubt": 2, "deferred": 38}
    assert len(answer.err.splitlines()) <= 2
    kept = {row["address"] for row in rows if row["state"] in ("sent", "in_doubt")}
    assert set(post.accepted) <= kept

    again = relay(port=post.port)
    here.run(LATER)
    run = only_run(here)
    assert (run["state"], run["sent"] + run["in_doubt"]) == ("finished", 60)
    assert set(again.accepted) == {f"{name}@x.example" for name in names} - kept
    assert len(again.accepted) == len(set(again.accepted))


def test_a_relay_that_is_away_is_waited_for(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay()
    post.close()
    here.relay(post.port)
    a_gift(here, "a", "b", "c")
    answer = here.run(NOW)
    assert len(answer.err.splitlines()) == 1
    assert f"The relay 127.0.0.1:{post.port} does not answer" in answer.err
    rows = here.deliveries()
    assert {(row["state"], row["attempts"]) for row in rows} == {("deferred", 0)}
    assert "refused" in rows[0]["reply"]
    again = relay(port=post.port)
    here.run(LATER)
    run = only_run(here)
    assert (run["state"], run["sent"], run["deferred"]) == ("finished", 3, 0)
    assert sorted(again.accepted) == ["a@x.example", "b@x.example", "c@x.example"]
