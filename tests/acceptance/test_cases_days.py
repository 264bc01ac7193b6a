"""Cases 6 to 11, 14 and 15: whose morning it is, what the night holds back, and which of two mails goes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.conftest import OpenShop
from tests.acceptance.plays import (
    Play,
    both,
    did,
    do,
    event,
    look,
    people,
    played,
    points,
    post,
    rehearse,
    sent,
    shop_of,
    skipped,
    who,
)

LONG_AGO = "2027-01-01T00:00:00Z"
REWARD: dict[str, Any] = {"purpose": "commercial", "trigger": {"event": "reward.due"}}
BY_HAND: dict[str, Any] = {"purpose": "commercial", "trigger": "manual"}
OPEN = ("incidents", "open", "--title", "Kesinti", "--postal")


def order(ref: str, at: str, net: int) -> dict[str, Any]:
    return event(ref, "a", "order.placed", at, order=ref, net=net, currency="TRY")


PLAYS = {
    "cases 6 and 15": Play(
        [people(LONG_AGO, {"id": "ist"}, {"id": "ldn", "timezone": "Europe/London"}, {"id": "late", "consent": ""}),
         rehearse("2027-03-15T12:00:00Z", "2027-03-17T00:00:00Z"),
         *look("2027-03-16T07:00:00Z", "2027-03-16T10:00:00Z"),  # nothing was published yet
         did("2027-03-22T10:00:00Z", post("a", "2027-03-22T09:00:00Z")),
         rehearse("2027-03-22T12:00:00Z", "2027-03-24T00:00:00Z"),
         *look("2027-03-23T07:00:00Z"),
         did("2027-03-23T07:05:00Z", event("c", "late", "consent.confirmed", "2027-03-23T07:05:00Z")),
         *look("2027-03-23T07:10:00Z", "2027-03-23T10:00:00Z"),
         did("2027-03-29T10:00:00Z", post("b", "2027-03-29T09:00:00Z")),
         rehearse("2027-03-29T12:00:00Z", "2027-03-31T00:00:00Z"),
         *look("2027-03-30T07:00:00Z", "2027-03-30T09:00:00Z")],
        [sent("newsletter", "2027-03-23", "ist", "2027-03-23T07:00:00Z"),
         sent("newsletter", "2027-03-23", "ldn", "2027-03-23T10:00:00Z"),
         skipped("newsletter", "2027-03-23", "late", "no_consent"),
         sent("newsletter", "2027-03-30", "ist", "2027-03-30T07:00:00Z"),
         sent("newsletter", "2027-03-30", "late", "2027-03-30T07:00:00Z"),
         sent("newsletter", "2027-03-30", "ldn", "2027-03-30T09:00:00Z")],
        stock=("newsletter",),
    ),
    "cases 7 and 8": Play(
        [people(LONG_AGO, *who("1", "3", "4", "5", "7"), {"id": "2", "consent": ""},
                {"id": "6", "timezone": "Europe/London"}),
         did("2027-04-02T16:00:00Z",
             event("f1", "1", "flash.begun", "2027-04-02T19:00:00Z"),  # 22:00
             event("t3", "3", "three.hours", "2027-04-02T20:00:00Z"),
             event("n4", "4", "nine.begun", "2027-04-02T20:00:00Z"),
             event("r1", "1", "reward.due", "2027-04-02T20:40:00Z"),
             event("r5", "5", "reward.due", "2027-04-02T17:59:59Z"),  # a second before nine in the evening
             event("r6", "6", "reward.due", "2027-04-02T20:40:00Z"),  # 21:40 in London
             event("u7", "7", "until.noon", "2027-04-02T21:30:00Z"),  # half past midnight
             event("w2", "2", "consent.confirmed", "2027-04-02T20:40:00Z")),
         rehearse("2027-04-02T17:00:00Z", "2027-04-03T00:00:00Z"),
         *look("2027-04-02T17:59:59Z", "2027-04-02T20:40:00Z", "2027-04-02T21:30:00Z", "2027-04-03T05:59:59Z",
               "2027-04-03T06:00:00Z", "2027-04-03T08:00:00Z")],
        [skipped("flash", "f1", "1", "expired"),
         skipped("short", "t3", "3", "expired"),
         sent("until_noon", "u7", "7", "2027-04-03T06:00:00Z"),
         skipped("nine", "n4", "4", "expired"),  # it ends at the first moment at which it might go
         sent("reward", "r1", "1", "2027-04-03T06:00:00Z"),
         sent("reward", "r5", "5", "2027-04-02T17:59:59Z"),
         sent("reward", "r6", "6", "2027-04-03T08:00:00Z"),
         sent("welcome", "w2", "2", "2027-04-02T20:40:00Z")],
        stock=("welcome",),
        own={"reward": REWARD,
             "flash": BY_HAND | {"trigger": {"event": "flash.begun"}, "ends_at": "2027-04-03T08:00"},
             "nine": BY_HAND | {"trigger": {"event": "nine.begun"}, "ends_at": "2027-04-03T09:00"},
             "until_noon": BY_HAND | {"trigger": {"event": "until.noon"}, "ends_at": "2027-04-03T12:00", "ttl": "9h"},
             "short": BY_HAND | {"trigger": {"event": "three.hours"}, "ttl": "3h"}},
    ),
    "who will have agreed by then": Play(
        [people(LONG_AGO, {"id": "a"}, {"id": "b"}, birthday="--05-10", consent=""),
         did("2027-04-01T10:00:00Z",
             event("wa", "a", "consent.confirmed", "2027-05-01T10:00:00Z"),
             event("wb", "b", "consent.confirmed", "2027-05-10T08:00:00Z"),
             event("ra", "a", "consent.revoked", "2027-05-11T08:00:00Z")),
         rehearse("2027-05-09T10:00:00Z", "2027-05-12T00:00:00Z"),
         *look("2027-05-10T07:00:00Z", "2027-05-10T08:00:00Z", "2027-05-11T09:00:00Z")],
        [sent("birthday", "2027-05-10", "a", "2027-05-10T07:00:00Z"),
         skipped("birthday", "2027-05-10", "b", "no_consent"),
         sent("agreed", "2027-05-10", "b", "2027-05-10T08:00:00Z"),  # who enters a segment by it
         skipped("daily", "2027-05-11", "a", "unsubscribed"),
         sent("daily", "2027-05-11", "b", "2027-05-11T09:00:00Z")],
        stock=("birthday",),
        own={"agreed": {"purpose": "commercial", "trigger": {"segment": "willing"}},
             "daily": {"purpose": "commercial", "trigger": {"at": "2027-05-11T12:00"}}},
        segments={"willing": {"consent": "commercial"}},
    ),
    # Whichever run is there first: on the islands that wake first it is the newsletter, or the birthday.
    **{f"case 9, the {first} begins": Play(
        [people(LONG_AGO, {"id": "a", "birthday": "--03-23", "postal_code": "34710"},
                {"id": "b", "postal_code": "34711"}, {"id": "early", "timezone": "Pacific/Kiritimati"} | more),
         did("2027-03-22T10:00:00Z", post("p", "2027-03-22T09:00:00Z")),
         rehearse("2027-03-22T12:00:00Z", "2027-03-24T00:00:00Z"),
         *look("2027-03-22T20:00:00Z"),
         do("2027-03-23T06:00:00Z", *OPEN, "3471*"),
         rehearse("2027-03-23T06:00:00Z", "2027-03-23T06:00:01Z"),
         *look("2027-03-23T06:00:00Z", "2027-03-23T07:00:00Z")],
        [*expected,
         sent("birthday", "2027-03-23", "a", "2027-03-23T07:00:00Z"),
         skipped("newsletter", "2027-03-23", "a", "capped"),
         sent("newsletter", "2027-03-23", "b", "2027-03-23T07:00:00Z"),
         sent("outage", "1:1", "a", "2027-03-23T06:00:00Z"),
         sent("outage", "1:1", "b", "2027-03-23T06:00:00Z")],
        stock=("birthday", "newsletter", "outage"),
    ) for first, more, expected in (
        ("newsletter", {}, [sent("newsletter", "2027-03-23", "early", "2027-03-22T20:00:00Z")]),
        ("birthday", {"birthday": "--03-23"},
         [sent("birthday", "2027-03-23", "early", "2027-03-22T20:00:00Z"),
          skipped("newsletter", "2027-03-23", "early", "capped")]),
    )},
    "one a day and three a week, ties by time and then by name": Play(
        [people(LONG_AGO, *who("a")),
         *(step for day, names in (("10", "low high"), ("12", "high low"), ("14", "beta alpha"), ("15", "high"),
                                   ("17", "high"))
           for step in (*(do(f"2027-05-{day}T09:00:00Z", "campaigns", "run", name) for name in names.split()),
                        rehearse(f"2027-05-{day}T09:00:00Z", f"2027-05-{day}T09:00:01Z"),
                        *look(f"2027-05-{day}T09:00:00Z"))),
         do("2027-05-20T19:00:00Z", "campaigns", "run", "beta"),  # ten in the evening, half an hour before the other
         do("2027-05-20T19:30:00Z", "campaigns", "run", "alpha"),
         rehearse("2027-05-20T19:00:00Z", "2027-05-20T20:00:00Z"),
         *look("2027-05-21T06:00:00Z")],
        [sent("high", "2027-05-10", "a", "2027-05-10T09:00:00Z"),
         skipped("low", "2027-05-10", "a", "capped"),
         sent("high", "2027-05-12", "a", "2027-05-12T09:00:00Z"),
         skipped("low", "2027-05-12", "a", "capped"),
         sent("alpha", "2027-05-14", "a", "2027-05-14T09:00:00Z"),
         skipped("beta", "2027-05-14", "a", "capped"),
         skipped("high", "2027-05-15", "a", "capped"),  # a fourth in seven days
         sent("high", "2027-05-17", "a", "2027-05-17T09:00:00Z"),
         sent("beta", "2027-05-20", "a", "2027-05-21T06:00:00Z"),
         skipped("alpha", "2027-05-20", "a", "capped")],
        own={"high": BY_HAND | {"priority": 80}, "low": BY_HAND, "alpha": BY_HAND, "beta": BY_HAND},
    ),
    "a mail that is paused is nothing to yield to": Play(
        [people(LONG_AGO, *who("a")),
         do("2027-05-10T05:00:00Z", "campaigns", "run", "high"),
         do("2027-05-10T05:00:00Z", "runs", "pause", "1"),
         do("2027-05-10T07:00:00Z", "campaigns", "run", "low"),
         rehearse("2027-05-10T07:00:00Z", "2027-05-10T07:00:01Z"), *look("2027-05-10T07:00:00Z"),
         do("2027-05-10T08:00:00Z", "runs", "resume", "1"), *look("2027-05-10T08:00:00Z")],
        [sent("low", "2027-05-10", "a", "2027-05-10T07:00:00Z")],
        own={"high": BY_HAND | {"priority": 80}, "low": BY_HAND},
        unforeseen=[skipped("high", "2027-05-10", "a", "capped")],
    ),
    "an issue without anything new is nothing to yield to": Play(
        [people(LONG_AGO, *who("a"), {"id": "far", "timezone": "America/New_York"}),
         *look("2027-03-20T10:00:00Z"),
         did("2027-03-22T10:00:00Z", post("p", "2027-03-22T09:00:00Z")),
         rehearse("2027-03-22T12:00:00Z", "2027-03-24T00:00:00Z"),
         *look("2027-03-23T06:30:00Z", "2027-03-23T07:00:00Z", "2027-03-23T14:00:00Z"),
         rehearse("2027-03-29T12:00:00Z", "2027-03-31T00:00:00Z"),
         *look("2027-03-30T06:30:00Z", "2027-03-30T07:00:00Z", "2027-03-30T13:00:00Z", "2027-03-30T14:00:00Z")],
        [skipped("low", "2027-03-23", "a", "capped"), skipped("low", "2027-03-23", "far", "capped"),
         sent("newsletter", "2027-03-23", "a", "2027-03-23T07:00:00Z"),
         sent("newsletter", "2027-03-23", "far", "2027-03-23T14:00:00Z"),
         sent("low", "2027-03-30", "a", "2027-03-30T06:30:00Z"),
         sent("low", "2027-03-30", "far", "2027-03-30T13:00:00Z")],
        stock=("newsletter",),
        own={"low": BY_HAND | {"trigger": {"cron": "30 9 * * tue"}, "priority": 10}},
    ),
    "case 10": Play(
        [people(LONG_AGO, {"id": "born", "birthday": "--04-05", "postal_code": "34710"}, *who("gone", "stays")),
         do("2027-04-04T19:00:00Z", "campaigns", "run", "offer"),  # waits for the morning
         did("2027-04-05T05:59:30Z", event("g", "gone", "consent.revoked", "2027-04-05T05:59:30Z"),
             event("b", "born", "consent.revoked", "2027-04-05T06:59:30Z")),
         rehearse("2027-04-04T12:00:00Z", "2027-04-05T12:00:00Z"),
         *look("2027-04-05T06:00:00Z", "2027-04-05T07:00:00Z"),
         do("2027-04-05T07:05:00Z", *OPEN, "34710"),
         rehearse("2027-04-05T07:05:00Z", "2027-04-05T07:05:01Z"),
         *look("2027-04-05T07:05:00Z")],
        [skipped("birthday", "2027-04-05", "born", "unsubscribed"),
         skipped("offer", "2027-04-04", "born", "capped"),  # it yielded to the birthday when it was planned
         skipped("offer", "2027-04-04", "gone", "unsubscribed"),
         sent("offer", "2027-04-04", "stays", "2027-04-05T06:00:00Z"),
         sent("outage", "1:1", "born", "2027-04-05T07:05:00Z")],
        stock=("birthday", "offer", "outage"),
    ),
    "case 11": Play(
        [people(LONG_AGO, {"id": "old", "email": "Same@a.example"}, {"id": "new", "email": "same@A.example"}),
         points(LONG_AGO, {"customer": "old", "id": "home", "service": "fibre", "postal_code": "34710"},
                {"customer": "old", "id": "shop", "service": "fibre", "postal_code": "34711"}),
         do("2027-04-05T07:00:00Z", "campaigns", "run", "offer"),
         do("2027-04-05T07:00:00Z", *OPEN, "3471*"),
         rehearse("2027-04-05T07:00:00Z", "2027-04-05T07:00:01Z"),
         *look("2027-04-05T07:00:00Z")],
        [skipped("offer", "2027-04-05", "new", "duplicate"),
         sent("offer", "2027-04-05", "old", "2027-04-05T07:00:00Z"),
         sent("outage", "1:1", "old", "2027-04-05T07:00:00Z")],
        stock=("offer", "outage"),
    ),
    "case 14": Play(
        [people("2027-08-31T00:00:00Z", *who("a")),
         *look("2027-08-31T10:00:00Z"),  # who is in the segment by now is its baseline
         did("2027-09-02T10:00:00Z",
             order("o1", "2027-09-01T09:00:00Z", 600), order("o2", "2027-09-02T09:00:00Z", 450)),
         did("2027-09-10T10:00:00Z", event("r2", "a", "order.refunded", "2027-09-10T09:00:00Z", order="o2")),
         rehearse("2027-09-15T00:00:00Z", "2027-09-18T00:00:00Z"),
         *look("2027-09-16T09:00:00Z", "2027-09-17T09:00:00Z"),
         did("2027-09-20T10:00:00Z", order("o3", "2027-09-20T09:00:00Z", 500)),
         did("2027-09-21T10:00:00Z", order("o3", "2027-09-20T09:00:00Z", 500)),  # the webhook comes again
         rehearse("2027-10-03T00:00:00Z", "2027-10-06T00:00:00Z"),
         *look("2027-10-04T08:59:00Z", "2027-10-04T09:00:00Z"),
         did("2027-10-04T10:00:00Z", order("o3", "2027-09-20T09:00:00Z", 500)),
         *look("2027-10-05T09:00:00Z")],
        [sent("reward", "2027-10-04", "a", "2027-10-04T09:00:00Z")],
        own={"reward": BY_HAND | {"trigger": {"segment": "spent_1000"}, "once": "ever", "priority": 70}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAYS)
def test_days(shop: OpenShop, name: str) -> None:
    assert played(PLAYS[name], shop_of(PLAYS[name], shop)) == both(PLAYS[name])
