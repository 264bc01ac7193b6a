"""The cases of the domain: a rehearsal answers what sending answers. One more case is one more row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.played import Case, Step, played, rehearsed

LONG_AGO = "2027-01-01T00:00:00Z"

BIRTHDAY: dict[str, Any] = {
    "purpose": "commercial", "trigger": {"anniversary": "birthday", "at": "10:00", "set_before": "30d"},
    "once": {"per": "year", "gap": "330d"}, "priority": 80, "catch_up": "72h",
    "coupon": {"kind": "generated", "prefix": "DG", "percent": 20, "valid": "30d"},
}  # fmt: skip
NEWSLETTER: dict[str, Any] = {
    "purpose": "commercial", "trigger": {"cron": "0 10 * * tue", "timezone": "customer"},
    "content": {"events": "post.published"}, "catch_up": "12h", "priority": 20,
}  # fmt: skip
WELCOME: dict[str, Any] = {
    "purpose": "commercial", "trigger": {"event": "consent.confirmed"}, "once": "ever", "priority": 90,
}  # fmt: skip
REWARD: dict[str, Any] = {
    "purpose": "commercial", "trigger": {"event": "reward.due"}, "audience": {"consent": "commercial"},
}  # fmt: skip
REFERRAL: dict[str, Any] = {
    "purpose": "commercial", "trigger": {"event": "order.delivered", "after": "7d"}, "once": "quarter",
    "audience": {"orders": {"count": "2..", "until": "event"}},
}  # fmt: skip
FLASH = REWARD | {"trigger": {"event": "flash.begun"}, "ends_at": "2027-04-03T08:00"}
OFFER: dict[str, Any] = {"purpose": "commercial", "trigger": "manual"}
OUTAGE: dict[str, Any] = {"purpose": "service", "trigger": {"incident": "any"}}
SPENDERS: dict[str, Any] = {
    "purpose": "commercial", "trigger": {"segment": "spent_1000"}, "once": "ever", "priority": 70,
}  # fmt: skip


def people(at: str, *who: str, **more: Any) -> Step:
    """Customers who agreed; `name=value` is the same for all of them."""
    rows = [{"id": name, "email": f"{name}@a.example", "consent": "yes", **more} for name in who]
    return Step(at, "customers", rows)


def did(at: str, who: str | None, name: str, key: str = "", **properties: Any) -> Step:
    row = {
        "id": key or f"{name}-{who}-{at}",
        "customer": who,
        "name": name,
        "at": at,
        "properties": properties,
    }
    return Step(at, "events", [row])


def order(at: str, who: str, ref: str, net: int) -> Step:
    return did(at, who, "order.placed", ref, order=ref, net=net, currency="TRY")


CASES = {
    "1-born-on-29-february": Case(
        {"birthday": BIRTHDAY},
        [people(LONG_AGO, "leap", birthday="1992-02-29")],
        ["2027-02-28T07:00:00Z", "2027-03-01T07:00:00Z", "2028-02-29T07:00:00Z"],
        ("2027-01-02T00:00:00Z", "2028-03-02T00:00:00Z"),
        [("birthday", "2027-02-28", "leap", "send", None, "2027-02-28T07:00:00Z"),
         ("birthday", "2028-02-29", "leap", "send", None, "2028-02-29T07:00:00Z")],
    ),
    "2-first-and-last-zone": Case(
        {"birthday": BIRTHDAY},
        [people(LONG_AGO, "first", birthday="--05-10", timezone="Pacific/Kiritimati"),
         people(LONG_AGO, "last", birthday="--05-10", timezone="Pacific/Pago_Pago")],
        ["2027-05-09T20:00:00Z", "2027-05-10T21:00:00Z"],
        ("2027-05-01T00:00:00Z", "2027-06-01T00:00:00Z"),
        [("birthday", "2027-05-10", "first", "send", None, "2027-05-09T20:00:00Z"),
         ("birthday", "2027-05-10", "last", "send", None, "2027-05-10T21:00:00Z")],
    ),
    "3-date-entered-ten-days-before": Case(
        {"birthday": BIRTHDAY},
        [people("2027-08-01T12:00:00Z", "late", birthday="1985-08-11")],
        ["2027-08-11T07:00:00Z", "2028-08-11T07:00:00Z"],
        ("2027-08-02T00:00:00Z", "2028-08-12T00:00:00Z"),
        [("birthday", "2027-08-11", "late", "skip", "too_soon", None),
         ("birthday", "2028-08-11", "late", "send", None, "2028-08-11T07:00:00Z")],
    ),
    "4-an-epoch-zero": Case(
        {"birthday": BIRTHDAY},
        [people("2026-11-25T00:00:00Z", "epoch", birthday="1970-01-01")],
        ["2027-01-01T07:00:00Z"],
        ("2026-12-01T00:00:00Z", "2027-02-01T00:00:00Z"),
        [("birthday", "2027-01-01", "epoch", "skip", "unconfirmed_date", None)],
    ),
    "5-nobody-is-down": Case(
        {"birthday": BIRTHDAY},
        [people(LONG_AGO, day, birthday=f"1990-{day}") for day in ("05-10", "05-08", "05-06")],
        [f"2027-05-{day}T07:00:00Z" for day in ("06", "08", "10")],
        ("2027-05-05T00:00:00Z", "2027-05-11T06:00:00Z"),
        [("birthday", f"2027-{day}", day, "send", None, f"2027-{day}T07:00:00Z")
         for day in ("05-06", "05-08", "05-10")],
    ),
    "6-two-tuesdays-in-london": Case(
        {"newsletter": NEWSLETTER},
        [people(LONG_AGO, "ist"), people(LONG_AGO, "ldn", timezone="Europe/London"),
         did("2027-03-22T09:00:00Z", None, "post.published", title="A", url="https://k.example/a"),
         did("2027-03-29T09:00:00Z", None, "post.published", title="B", url="https://k.example/b")],
        ["2027-03-23T07:00:00Z", "2027-03-23T10:00:00Z", "2027-03-30T07:00:00Z", "2027-03-30T09:00:00Z"],
        ("2027-03-22T00:00:00Z", "2027-04-01T00:00:00Z"),
        [("newsletter", "2027-03-23", "ist", "send", None, "2027-03-23T07:00:00Z"),
         ("newsletter", "2027-03-23", "ldn", "send", None, "2027-03-23T10:00:00Z"),
         ("newsletter", "2027-03-30", "ist", "send", None, "2027-03-30T07:00:00Z"),
         ("newsletter", "2027-03-30", "ldn", "send", None, "2027-03-30T09:00:00Z")],
    ),
    "7-and-8-the-night": Case(
        {"reward": REWARD, "flash": FLASH, "welcome": WELCOME},
        [people(LONG_AGO, "1"), people(LONG_AGO, "2", consent=""),
         did("2027-04-02T19:00:00Z", "1", "flash.begun", "f1"),
         did("2027-04-02T20:40:00Z", "1", "reward.due", "r1"),
         did("2027-04-02T20:40:00Z", "2", "consent.confirmed", "w1")],
        ["2027-04-02T19:00:00Z", "2027-04-02T20:40:00Z", "2027-04-03T06:00:00Z"],
        ("2027-04-02T00:00:00Z", "2027-04-03T00:00:00Z"),
        [("flash", "f1", "1", "skip", "expired", None),
         ("reward", "r1", "1", "send", None, "2027-04-03T06:00:00Z"),
         ("welcome", "w1", "2", "send", None, "2027-04-02T20:40:00Z")],
    ),
    "9-birthday-newsletter-and-outage": Case(
        {"birthday": BIRTHDAY, "newsletter": NEWSLETTER, "outage": OUTAGE},
        [people(LONG_AGO, "a", birthday="1990-03-23", postal_code="34710"), people(LONG_AGO, "b"),
         did("2027-03-22T09:00:00Z", None, "post.published", title="A", url="https://k.example/a"),
         Step("2027-03-23T08:00:00Z", "incident", name="34710")],
        ["2027-03-23T07:00:00Z", "2027-03-23T08:00:00Z"],
        ("2027-03-22T00:00:00Z", "2027-03-24T00:00:00Z"),
        [("birthday", "2027-03-23", "a", "send", None, "2027-03-23T07:00:00Z"),
         ("newsletter", "2027-03-23", "a", "skip", "capped", None),
         ("newsletter", "2027-03-23", "b", "send", None, "2027-03-23T07:00:00Z"),
         ("outage", "1:1", "a", "send", None, "2027-03-23T08:00:00Z")],
    ),
    "10-unsubscribed-half-a-minute-before": Case(
        {"birthday": BIRTHDAY, "offer": OFFER, "outage": OUTAGE},
        [people(LONG_AGO, "born", birthday="--04-05", postal_code="34710"), people(LONG_AGO, "gone", "stays"),
         Step("2027-04-04T19:00:00Z", "by_hand", name="offer"),
         did("2027-04-05T05:59:30Z", "gone", "consent.revoked"),
         did("2027-04-05T06:59:30Z", "born", "consent.revoked"),
         Step("2027-04-05T07:05:00Z", "incident", name="34710")],
        ["2027-04-05T06:00:00Z", "2027-04-05T07:00:00Z", "2027-04-05T07:05:00Z"],
        ("2027-04-04T00:00:00Z", "2027-04-06T00:00:00Z"),
        [("birthday", "2027-04-05", "born", "skip", "unsubscribed", None),
         ("offer", "2027-04-04", "born", "skip", "capped", None),
         ("offer", "2027-04-04", "gone", "skip", "unsubscribed", None),
         ("offer", "2027-04-04", "stays", "send", None, "2027-04-05T06:00:00Z"),
         ("outage", "1:1", "born", "send", None, "2027-04-05T07:05:00Z")],
    ),
    "11-one-address-and-two-points": Case(
        {"offer": OFFER | {"trigger": {"at": "2027-04-05T10:00"}}, "outage": OUTAGE},
        [people(LONG_AGO, "old", email="same@a.example"), people(LONG_AGO, "new", email="Same@a.example"),
         Step(LONG_AGO, "points", [
             {"customer": "old", "id": "home", "service": "fibre", "postal_code": "34710"},
             {"customer": "old", "id": "shop", "service": "fibre", "postal_code": "34711"}]),
         Step("2027-04-05T08:00:00Z", "incident", name="3471*")],
        ["2027-04-05T07:00:00Z", "2027-04-05T08:00:00Z"],
        ("2027-04-05T00:00:00Z", "2027-04-06T00:00:00Z"),
        [("offer", "2027-04-05", "new", "skip", "duplicate", None),
         ("offer", "2027-04-05", "old", "send", None, "2027-04-05T07:00:00Z"),
         ("outage", "1:1", "old", "send", None, "2027-04-05T08:00:00Z")],
    ),
    "13-two-coupons-for-three": Case(
        {"offer": OFFER | {"trigger": {"at": "2027-04-05T10:00"}, "coupon": {
            "kind": "generated", "prefix": "SS", "percent": 15, "budget": 2}}},
        [people(LONG_AGO, "a", "b", "c")],
        ["2027-04-05T07:00:00Z"],
        ("2027-04-05T00:00:00Z", "2027-04-06T00:00:00Z"),
        [("offer", "2027-04-05", "a", "send", None, "2027-04-05T07:00:00Z"),
         ("offer", "2027-04-05", "b", "send", None, "2027-04-05T07:00:00Z"),
         ("offer", "2027-04-05", "c", "skip", "budget", None)],
    ),
    "14-a-thousand-lira-after-the-return-window": Case(
        {"reward": SPENDERS},
        [people(LONG_AGO, "a"),
         order("2027-09-01T09:00:00Z", "a", "o1", 600), order("2027-09-02T09:00:00Z", "a", "o2", 450),
         did("2027-09-10T09:00:00Z", "a", "order.refunded", order="o2", net=450, currency="TRY"),
         order("2027-09-20T09:00:00Z", "a", "o3", 500), order("2027-09-20T09:00:00Z", "a", "o3", 500)],
        ["2027-09-01T08:00:00Z", "2027-09-16T09:00:00Z", "2027-10-04T08:59:00Z", "2027-10-04T09:00:00Z"],
        ("2027-09-01T00:00:00Z", "2027-10-10T00:00:00Z"),
        [("reward", "2027-10-04", "a", "send", None, "2027-10-04T09:00:00Z")],
        {"spent_1000": {"spend": {"net": "1000..", "currency": "TRY", "settled": "14d"}}},
    ),
    "one-of-the-best-after-the-night": Case(
        {"thanks": SPENDERS | {"trigger": {"segment": "best"}, "purpose": "service"}},
        [people(LONG_AGO, *(f"c{number}" for number in range(10))),
         *(order(f"2027-05-0{number // 2 + 1}T09:00:00Z", f"c{number}", f"o{number}", 10 + number)
           for number in range(10)),
         order("2027-05-09T13:00:00Z", "c3", "new", 1_000)],
        ["2027-05-09T12:00:00Z", "2027-05-09T23:59:00Z", "2027-05-10T00:00:00Z", "2027-05-11T00:00:00Z"],
        ("2027-05-09T12:00:00Z", "2027-05-12T00:00:00Z"),
        [("thanks", "2027-05-10", "c3", "send", None, "2027-05-10T00:00:00Z")],
        {"best": {"rfm": {"r": 5, "m": 5}}},
    ),
    "15-no-post-and-somebody-late": Case(
        {"newsletter": NEWSLETTER},
        [people(LONG_AGO, "a"), people(LONG_AGO, "late", consent=""),
         did("2027-03-22T09:00:00Z", None, "post.published", title="A", url="https://k.example/a"),
         did("2027-03-23T07:05:00Z", "late", "consent.confirmed")],
        ["2027-03-16T07:00:00Z", "2027-03-23T07:00:00Z", "2027-03-30T07:00:00Z"],
        ("2027-03-15T00:00:00Z", "2027-04-01T00:00:00Z"),
        [("newsletter", "2027-03-23", "a", "send", None, "2027-03-23T07:00:00Z"),
         ("newsletter", "2027-03-23", "late", "skip", "no_consent", None)],
    ),
    "18-announced-and-recalled": Case(
        {"outage": OUTAGE},
        [people(LONG_AGO, "a", postal_code="34710"),
         people(LONG_AGO, "ldn", postal_code="34710", timezone="Europe/London"),
         Step("2027-02-05T09:00:00Z", "incident", name="34710", rows=[
             {"starts_at": "2027-02-09T23:00:00Z", "ends_at": "2027-02-10T01:00:00Z"}])],
        [f"2027-02-0{day}T{hour}:00:00Z" for day in (7, 9) for hour in ("07", "10")] + ["2027-02-10T01:00:00Z"],
        ("2027-02-06T00:00:00Z", "2027-02-11T00:00:00Z"),
        [("outage", "1:1", "a", "send", None, "2027-02-07T07:00:00Z"),
         ("outage", "1:1", "ldn", "send", None, "2027-02-07T10:00:00Z"),
         ("outage", "1:2", "a", "send", None, "2027-02-09T07:00:00Z"),
         ("outage", "1:2", "ldn", "send", None, "2027-02-09T10:00:00Z")],
    ),
    "an-order-in-the-night": Case(
        {"reward": REWARD | {"audience": {"not": [{"event": {"name": "order.placed", "count": "1..", "in": "24h"}}]}}},
        [people(LONG_AGO, "a", "b"),
         did("2027-04-02T20:40:00Z", "a", "reward.due", "ra"), did("2027-04-02T20:40:00Z", "b", "reward.due", "rb"),
         order("2027-04-02T22:00:00Z", "a", "o1", 100)],
        ["2027-04-02T20:40:00Z", "2027-04-03T06:00:00Z"],
        ("2027-04-02T12:00:00Z", "2027-04-03T00:00:00Z"),
        [("reward", "ra", "a", "skip", "not_eligible", None),
         ("reward", "rb", "b", "send", None, "2027-04-03T06:00:00Z")],
    ),
    "only-the-delivery-of-a-second-order": Case(
        {"referral": REFERRAL},
        [people(LONG_AGO, "a", "b"),
         order("2027-03-01T20:00:00Z", "a", "a1", 100), did("2027-03-02T20:00:00Z", "a", "order.delivered", "da1"),
         order("2027-03-04T09:00:00Z", "a", "a2", 100), did("2027-03-05T20:00:00Z", "a", "order.delivered", "da2"),
         order("2027-03-01T20:00:00Z", "b", "b1", 100), order("2027-03-01T21:00:00Z", "b", "b2", 100),
         did("2027-03-02T20:00:00Z", "b", "order.delivered", "db2"),
         did("2027-03-09T22:00:00Z", "b", "order.refunded", order="b2")],  # planned, and held over the night
        ["2027-03-09T20:00:00Z", "2027-03-10T06:00:00Z", "2027-03-12T20:00:00Z", "2027-03-13T06:00:00Z"],
        ("2027-03-09T12:00:00Z", "2027-03-14T00:00:00Z"),
        [("referral", "da2", "a", "send", None, "2027-03-13T06:00:00Z"),
         ("referral", "db2", "b", "skip", "not_eligible", None)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_rehearsal_answers_what_sending_answers(case: Case, tmp_path: Path) -> None:
    expected = sorted(case.expected)
    assert await rehearsed(case, tmp_path / "rehearsed") == expected
    assert await played(case, tmp_path / "real") == expected


@pytest.mark.parametrize(
    "name", ["2-first-and-last-zone", "7-and-8-the-night", "9-birthday-newsletter-and-outage"]
)
async def test_the_same_from_postgresql(name: str, tmp_path: Path, postgresql_url: str) -> None:
    assert await rehearsed(CASES[name], tmp_path / "shop", postgresql_url) == sorted(CASES[name].expected)
