"""Case 13 in small, and what is promised to whom: budgets and pools over retries, orders, scores."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.plays import (
    Play,
    both,
    did,
    do,
    event,
    look,
    people,
    played,
    rehearse,
    sent,
    shop_of,
    skipped,
    who,
)

LONG_AGO = "2027-01-01T00:00:00Z"
COMMERCIAL = {"purpose": "commercial"}
REWARD: dict[str, Any] = COMMERCIAL | {"trigger": {"event": "reward.due"}}
DAILY: dict[str, Any] = COMMERCIAL | {"trigger": {"cron": "0 10 5 4 *"}}
FIRST, LATER = "2027-04-05T07:00:00Z", "2027-04-05T09:00:00Z"


def order(customer: str, ref: str, at: str, net: int = 100) -> dict[str, Any]:
    return event(ref, customer, "order.placed", at, order=ref, net=net, currency="TRY")


def delivered(customer: str, ref: str, at: str) -> dict[str, Any]:
    return event(f"d{ref}", customer, "order.delivered", at, order=ref)


PLAYS = {
    "case 13, two coupons for three": Play(
        [people(LONG_AGO, *who("a", "b", "c")),
         rehearse("2027-04-05T00:00:00Z", "2027-04-06T00:00:00Z"), *look(FIRST, LATER)],
        [sent("scarce", "2027-04-05", "b", FIRST), skipped("scarce", "2027-04-05", "c", "budget")],
        own={"scarce": DAILY | {"coupon": {"kind": "generated", "prefix": "SS", "percent": 15, "budget": 2}}},
        unforeseen=[sent("scarce", "2027-04-05", "a", LATER)],
        only_foreseen=[sent("scarce", "2027-04-05", "a", FIRST)],
    ),
    "two uploaded codes for three": Play(
        [people(LONG_AGO, *who("a", "b", "c")),
         do(LONG_AGO, "coupons", "load", "codes", "codes.txt"),
         rehearse("2027-04-05T00:00:00Z", "2027-04-06T00:00:00Z"), *look(FIRST, LATER)],
        [sent("scarce", "2027-04-05", "b", FIRST), skipped("scarce", "2027-04-05", "c", "pool_empty")],
        own={"scarce": DAILY | {"coupon": {"kind": "pool", "pool": "codes", "percent": 15}}},
        unforeseen=[sent("scarce", "2027-04-05", "a", LATER)],
        only_foreseen=[sent("scarce", "2027-04-05", "a", FIRST)],
    ),
    "an order in the night": Play(
        [people(LONG_AGO, *who("x", "y")),
         did("2027-04-02T16:00:00Z", event("rx", "x", "reward.due", "2027-04-02T20:40:00Z"),
             event("ry", "y", "reward.due", "2027-04-02T20:40:00Z"), order("x", "o1", "2027-04-02T22:00:00Z")),
         rehearse("2027-04-02T17:00:00Z", "2027-04-03T00:00:00Z"),
         *look("2027-04-02T20:40:00Z", "2027-04-03T06:00:00Z")],
        [skipped("reward", "rx", "x", "not_eligible"), sent("reward", "ry", "y", "2027-04-03T06:00:00Z")],
        own={"reward": REWARD | {"audience": {"not": [{"segment": "just_bought"}]}}},
        segments={"just_bought": {"event": {"name": "order.placed", "count": "1..", "in": "24h"}}},
    ),
    "a goal that is met in the night, was met before, and will be met some day": Play(
        [people(LONG_AGO, *who("b", "n", "s")),
         did("2027-04-02T20:39:00Z", order("b", "o1", "2027-04-02T20:39:00Z")),
         do("2027-04-02T20:40:00Z", "campaigns", "run", "sale"),
         did("2027-04-02T23:00:00Z",
             order("n", "o2", "2027-04-02T22:00:00Z"), order("s", "o3", "2027-04-04T09:00:00Z")),
         rehearse("2027-04-02T20:40:00Z", "2027-04-02T20:41:00Z"),
         *look("2027-04-03T06:00:00Z")],
        [sent("sale", "2027-04-02", "b", "2027-04-03T06:00:00Z"), skipped("sale", "2027-04-02", "n", "goal_met"),
         sent("sale", "2027-04-02", "s", "2027-04-03T06:00:00Z")],
        own={"sale": COMMERCIAL | {"trigger": "manual", "goal": {"event": "order.placed", "within": "5d"}}},
    ),
    "only the delivery of a second order": Play(
        [people(LONG_AGO, *who("x", "y")),
         did("2027-03-08T00:00:00Z",
             order("x", "x1", "2027-03-01T20:00:00Z"), delivered("x", "x1", "2027-03-02T20:00:00Z"),
             order("x", "x2", "2027-03-04T09:00:00Z"), delivered("x", "x2", "2027-03-05T20:00:00Z"),
             order("y", "y1", "2027-03-01T20:00:00Z"), order("y", "y2", "2027-03-01T21:00:00Z"),
             delivered("y", "y2", "2027-03-02T20:00:00Z"),
             event("back", "y", "order.refunded", "2027-03-09T22:00:00Z", order="y2")),  # in the night before
         rehearse("2027-03-09T12:00:00Z", "2027-03-14T00:00:00Z"),
         *look("2027-03-09T20:00:00Z", "2027-03-10T06:00:00Z", "2027-03-12T20:00:00Z", "2027-03-13T06:00:00Z")],
        [sent("referral", "dx2", "x", "2027-03-13T06:00:00Z"), skipped("referral", "dy2", "y", "not_eligible")],
        stock=("referral",),
    ),
    "one of the best, after the night in which scores are made": Play(
        [people(LONG_AGO, *who(*(f"c{number}" for number in range(10)))),
         did("2027-05-08T00:00:00Z",
             *(order(f"c{number}", f"o{number}", f"2027-05-0{number // 2 + 1}T09:00:00Z", 10 + number)
               for number in range(10)),
             order("c3", "new", "2027-05-09T13:00:00Z", 1_000)),
         rehearse("2027-05-09T12:00:00Z", "2027-05-12T00:00:00Z"),
         *look("2027-05-09T12:00:00Z", "2027-05-09T23:59:00Z", "2027-05-10T00:00:00Z", "2027-05-11T00:00:00Z")],
        [sent("thanks", "2027-05-10", "c3", "2027-05-10T00:00:00Z")],
        own={"thanks": {"purpose": "service", "trigger": {"segment": "best"}, "once": "ever"}},
        segments={"best": {"rfm": {"r": 5, "m": 5}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAYS)
def test_rewards(shop: OpenShop, relay: StartRelay, name: str) -> None:
    here, post = shop_of(PLAYS[name], shop), relay({"to": {"a@*": {"rcpt": ["451 4.7.1 later", "250 ok"]}}})
    here.relay(post.port)
    here.write("codes.txt", "AAA-1\nAAA-2\n")
    assert played(PLAYS[name], here) == both(PLAYS[name])
    if any(told[3:5] == ("skip", "budget") or told[4] == "pool_empty" for told in PLAYS[name].expected):
        codes = {each["customer"]: each["code"] for each in here.mailer("coupons", "list", "--json").rows}
        assert set(codes) == {"a", "b"}
        assert codes["a"] != codes["b"]
