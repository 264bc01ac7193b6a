"""Customers who stand on every edge a rule can ask about, thrown together by a seed."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.customer import PartialDate
from mailer.store import tables

NOW = datetime(2027, 3, 1, 7, 0, tzinfo=UTC)  # with mar1 the day 29 February is celebrated on in 2027
SIZE = 40

WORDS = ["a", "A", "İzmir", "izmir", "a;b", "b; a", "%", "_", "a'b", '"', "\\", "5", "5.0", "05", "-5", "5.",
         "5.5.5", "true", "[]", "2027-03-01", "2027-03-01T09:00", "1e3", "12345678901234567", "a\nb", "5\n", "😀",
         "5x5", "350"]  # fmt: skip
NUMBERS = [0, 5, -5, 5.5, 0.1, 10**14, 350, True, False]
STRANGE = ["", None, [], {}, {"a": "a"}, 5.0, 10**20, 1e22, -(2**63), ["a"], ["5"], [5], [True, "b"], [["a"]]]
FIELDS = ["x", "y", "a.b ş'%s:x$[0]"]
CODES = ["", "35000", "35100", "34000", "SW1A 1AA", "sw1a 1aa"]
SERVICES = ["fibre", "tv", "a'b"]
NAMES = ["one", "two"]
ZONES = [None, "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/London"]
DATES = [
    "2000-02-29",
    "1990-03-01",
    "1990-03-02",
    "--02-28",
    "1970-01-01",
    "1985-03-07",
    "--12-31",
    "--05-10",
]
LAST_DAYS = [NOW.date() + timedelta(days=days) for days in (-3, -1, 0, 1, 2, 4)]
AGES = [timedelta(seconds=-1), timedelta(0), timedelta(hours=24), timedelta(days=7),
        timedelta(days=7, microseconds=-1), timedelta(days=7, hours=5), timedelta(days=30)]  # fmt: skip
ORDERS = ["order.placed", "order.placed", "order.refunded", "viewed", "viewed"]

Rows = dict[Table, list[dict[str, Any]]]


def a_base(seed: int) -> Rows:
    """Every table's rows for `SIZE` customers, numbered from 1."""
    dice = random.Random(seed)  # noqa: S311 (test data)
    rows: Rows = defaultdict(list)
    rows[tables.named_list] = [{"id": n, "name": name, "loaded_at": NOW} for n, name in enumerate(NAMES, 1)]
    rows[tables.incident] = [
        {"id": n, "title": "t", "state": state, "planned": False, "opened_at": NOW, "published_at": published,
         "services": [], "postal": [], "lists": [], "exclusions": []}
        for n, (state, published) in enumerate([("identified", NOW), ("resolved", NOW), ("identified", None)], 1)
    ]  # fmt: skip
    rows[tables.score_round] = [
        {"id": n, "scored_at": NOW, "last_event": 0, "customers": 0, "whole": n < 3} for n in (1, 2, 3)
    ]
    for key in range(1, SIZE + 1):
        rows[tables.customer].append(_customer(key, dice))
        _hang(key, rows, dice)
        _mark(key, rows, dice)
    return rows


def _customer(key: int, dice: random.Random) -> dict[str, Any]:
    return {
        "id": key, "ext_id": f"c{key}", "email_key": f"c{key}@x", "stored_at": NOW, "updated_at": NOW,
        "first_name": dice.choice(["", *WORDS]), "postal_code": dice.choice(CODES), "country": dice.choice(["", "TR"]),
        "zone": dice.choice(ZONES), "created_at": dice.choice([None, *_instants()]), "attributes": _object(dice),
        "services": dice.sample(SERVICES, dice.randrange(3)), "consent": dice.choice(["yes", "yes", "no", "unknown"]),
    }  # fmt: skip


def _object(dice: random.Random) -> dict[str, Any]:
    return {field: dice.choice(WORDS + NUMBERS + STRANGE) for field in FIELDS if dice.random() < 0.8}


def _instants() -> list[datetime]:
    return [NOW - age for age in AGES]


def _hang(key: int, rows: Rows, dice: random.Random) -> None:
    def some(most: int) -> range:
        return range(dice.randrange(most + 1))

    def when() -> datetime:
        return dice.choice(_instants())

    for attr in dice.sample(["birthday", "joined"], dice.randrange(3)):
        day = PartialDate.parse(dice.choice(DATES))
        assert day is not None
        rows[tables.customer_date].append({
            "customer_id": key, "attr": attr, "month": day.month, "day": day.day, "year": day.year,
            "set_at": when(), "placeholder": day.placeholder,
        })  # fmt: skip
    for n in some(6):
        rows[tables.customer_event].append({
            "ext_id": f"{key}:{n}", "customer_id": key, "name": dice.choice(ORDERS), "at": when(), "stored_at": NOW,
            "properties": _object(dice), "order_ref": dice.choice([None, "o1", "o1", "o2"]),
            "net_e4": dice.choice([None, 0, 1_000_000, 1_000_000, 4_000_000, -1_000_000]),
            "currency": dice.choice([None, "TRY", "TRY", "EUR"]),
        })  # fmt: skip
    for n in some(2):
        rows[tables.service_point].append({
            "customer_id": key, "ext_id": str(n), "service": dice.choice(SERVICES), "postal_code": dice.choice(CODES),
            "stored_at": NOW,
        })  # fmt: skip
    for n in some(2):
        number = len(rows[tables.run]) + 1
        campaign = dice.choice(NAMES)
        shared = {"campaign": campaign, "purpose": "service", "priority": 1, "due_at": NOW, "created_at": NOW}
        rows[tables.run].append(
            {**shared, "id": number, "occurrence": str(number), "state": "finished", "closes_at": NOW}
        )
        rows[tables.delivery].append({
            **shared, "id": number, "run_id": number, "customer_id": key, "once_key": f"{key}:{n}", "email": "",
            "email_key": "", "state": dice.choice(["sent", "sent", "failed"]), "not_before": NOW, "updated_at": NOW,
            "sent_at": when(),
        })  # fmt: skip
        for _ in some(2):
            rows[tables.delivery_event].append({
                "delivery_id": number, "kind": dice.choice(["clicked", "opened", "unsubscribed"]), "at": when(),
                "detail": dice.choice([None, {}, {"by": "human"}, {"by": "human"}, {"by": "machine"}, {"by": 1}]),
            })  # fmt: skip


def _mark(key: int, rows: Rows, dice: random.Random) -> None:
    for n in range(dice.randrange(3)):
        state = dice.choice(["issued", "reserved", "redeemed"])
        rows[tables.coupon].append({"code": f"{key}:{n}", "kind": "pool", "campaign": dice.choice(NAMES),
                                    "state": state, "customer_id": key, "created_at": NOW, "changed_at": NOW,
                                    "valid_until": dice.choice([None, *LAST_DAYS])})  # fmt: skip
    for number in dice.sample([1, 2, 3], dice.randrange(4)):
        scores = {letter: dice.randint(1, 5) for letter in "rfm"}
        rows[tables.customer_score].append({"round_id": number, "customer_id": key, **scores})
    for number in dice.sample([1, 2], dice.randrange(3)):
        rows[tables.list_member].append({"list_id": number, "customer_id": key})
    for scope in dice.sample(["all", "commercial"], dice.choice([0, 0, 1, 2])):
        rows[tables.suppression].append(
            {"email_key": f"c{key}@x", "scope": scope, "reason": "manual", "source": "test", "at": NOW}
        )
    for number in dice.sample([1, 2, 3], dice.choice([0, 1, 1, 2])):
        standing = dice.choice(["affected", "affected", "left", "unreachable"])
        rows[tables.incident_recipient].append({"incident_id": number, "customer_id": key, "state": standing,
                                                "points": [], "joined_at": NOW})  # fmt: skip


async def store(connection: AsyncConnection, rows: Rows) -> None:
    """Insert them all, those first that others refer to."""
    for table in tables.metadata.sorted_tables:
        if rows.get(table):
            await connection.execute(insert(table), rows[table])
