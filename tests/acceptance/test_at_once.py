"""Eight senders and two schedulers, each a process, on one PostgreSQL: caps, budgets and pools are exact."""

from __future__ import annotations

import signal
from collections import Counter
from typing import Any

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.plays import Play, ledger, people, perform, rehearse, shop_of
from tests.acceptance.shop import Shop, balanced, wait_until

NOW = "2027-01-15T09:00:00Z"
BY_HAND: dict[str, Any] = {
    "purpose": "commercial",
    "trigger": "manual",
    "audience": {"attr": {"group": "capped"}},
}
NOON: dict[str, Any] = {"purpose": "commercial", "trigger": {"at": "2027-01-15T12:00"}}
CAMPAIGNS: dict[str, dict[str, Any]] = {
    **{rank: BY_HAND | {"priority": priority} for rank, priority in (("high", 80), ("low", 20), ("mid", 50))},
    "before": BY_HAND | {"audience": {"attr": {"often": "yes"}}},
    "budget": NOON | {"audience": {"attr": {"group": "budget"}},
                      "coupon": {"kind": "generated", "prefix": "BU", "percent": 20, "budget": 100}},
    "pool": NOON | {"audience": {"attr": {"group": "pool"}},
                    "coupon": {"kind": "pool", "pool": "codes", "percent": 20}},
}  # fmt: skip
ZONES = ("Europe/Istanbul", "Europe/Berlin", "Europe/London")
CUSTOMERS = [
    *({"id": f"c{n}", "group": "capped", "often": "yes" if n % 2 else "no", "timezone": ZONES[n % 3]}
      for n in range(60)),
    *({"id": f"b{n}", "group": "budget"} for n in range(150)),
    *({"id": f"p{n}", "group": "pool"} for n in range(120)),
]  # fmt: skip
MAILS = (
    2 * 30 + 60 + 30 + 100 + 80
)  # those before; the highest, and what the week leaves; the budget, the pool
CODES = [f"CODE-{n}" for n in range(80)]


def opened(shop: OpenShop, url: str, port: int) -> Shop:
    """Half of the capped have had two mails this week; all three by hand wait when the senders begin."""
    settings = {"policy": {"cap": {"day": 2, "week": 3}}, "sender": {"processes": 4, "claim_size": 10}}
    play = Play([people("2027-01-01T00:00:00Z", *CUSTOMERS)], [], own=CAMPAIGNS, settings=settings)
    here = shop_of(play, shop, database_url=url)
    here.relay(port, connections=8)
    perform(play, here)
    here.mailer("coupons", "load", "codes", str(here.write("codes.txt", "\n".join(CODES))), now=NOW)
    for day in ("2027-01-12", "2027-01-13"):
        here.mailer("campaigns", "run", "before", now=f"{day}T09:00:00Z")
        here.run(f"{day}T09:00:00Z")
    for rank in ("low", "mid", "high"):
        here.mailer("campaigns", "run", rank, now=NOW)
    return here


def test_case_13_and_caps_with_eight_senders_and_two_schedulers(
    shop: OpenShop, relay: StartRelay, postgresql_url: str
) -> None:
    post = relay({"dot": "wait 0.005|250 2.0.0 kept"})
    here = opened(shop, postgresql_url, post.port)
    foreseen = perform(Play([rehearse("2027-01-15T00:00:00Z", "2027-01-16T00:00:00Z")], []), here)
    both = [here.start("run", now=NOW) for _ in range(2)]
    wait_until(lambda: len(list(post.keep.iterdir())) >= MAILS)
    for each in both:
        each.signal(signal.SIGTERM)
    told = "".join(each.end().err for each in both)
    assert "The coupon budget of budget, 100, is used up" in told
    assert "The coupon pool codes of pool is empty" in told
    here.run(NOW)

    came = [row for row in ledger(here) if row[0] != "before"]
    assert came == foreseen
    assert Counter((row[0], row[4]) for row in came) == {
        ("high", None): 60, ("mid", None): 30, ("mid", "capped"): 30, ("low", "capped"): 60,
        ("budget", None): 100, ("budget", "budget"): 50, ("pool", None): 80, ("pool", "pool_empty"): 40,
    }  # fmt: skip
    assert {row[2] for row in came if row[0] == "mid" and row[3] == "send"} == {
        f"c{n}" for n in range(0, 60, 2)
    }
    assert Counter(post.accepted).total() == len({note["message_id"] for note in post.dots}) == MAILS
    coupons = here.mailer("coupons", "list", "--json").rows
    assert (
        len({each["code"] for each in coupons})
        == len({each["customer"] for each in coupons})
        == len(coupons)
        == 180
    )
    assert {each["code"] for each in coupons if each["campaign"] == "pool"} == set(CODES)
    assert {each["state"] for each in coupons} == {"issued"}
    assert all(balanced(run) for run in here.runs())
