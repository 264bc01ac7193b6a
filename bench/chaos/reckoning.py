"""The reckoning: the ledger compared with what the oracle kept."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from mailer.store.engine import Database
from mailer.store.tables import coupon, delivery, delivery_event, run

if TYPE_CHECKING:
    from bench.chaos.field import Place

TERMINAL = {"sent", "failed", "skipped", "cancelled", "expired", "in_doubt"}


@dataclass
class Tally:
    """What a script prints: faults tried, and what they did to the mail. Counts of deliveries, but `faults`."""

    faults: int = 0
    deliveries: int = 0
    sent: int = 0
    in_doubt: int = 0  # commercial, held for a person
    resent: int = 0  # service, sent again with the same Message-ID
    lost: int = 0
    repeated: int = 0  # commercial, accepted more than once
    broken: list[str] = field(default_factory=list)
    at: Counter[str] = field(default_factory=Counter)  # faults by their kind

    def claim(self, holds: object, said: str) -> None:
        """What must hold."""
        if not holds:
            self.broken.append(said)

    def end(self, what: str, **more: object) -> None:
        """Print the line that docs/reliability.md quotes; never returns."""
        facts = asdict(self) | {"at": dict(sorted(self.at.items()))}
        facts["broken"] = self.broken[:20]
        print(json.dumps({"what": what, **facts, **more}))
        sys.exit(1 if self.broken or self.lost or self.repeated else 0)


async def _read(url: str) -> dict[str, list[Any]]:
    database = await Database.connect(url)
    try:
        async with database.read() as connection:
            return {
                table.name: list((await connection.execute(select(table))).all())
                for table in (delivery, delivery_event, run, coupon)
            }
    finally:
        await database.close()


async def ledger(url: str) -> list[Any]:
    """Every delivery: its state and reason."""
    database = await Database.connect(url)
    try:
        async with database.read() as connection:
            return list((await connection.execute(select(delivery.c.state, delivery.c.reason))).all())
    finally:
        await database.close()


def reckon(place: Place, tally: Tally, *, kills: int, most_in_flight: int | None = None) -> None:
    """Compare the ledger with the oracle. Everything must be over: call `finish` before.

    `most_in_flight` deliveries may be in doubt for each kill; the number of connections unless it is given.
    """
    rows = asyncio.run(_read(place.database_url))
    kept: Counter[str] = Counter()
    bodies: dict[str, str] = {}
    for note in place.oracle.kept():
        kept[note["message_id"]] += 1
        bodies[note["message_id"]] = note["recipient"]
    doubts: Counter[int] = Counter()
    story: defaultdict[int, list[str]] = defaultdict(list)
    for fact in rows["delivery_event"]:
        story[fact.delivery_id].append(f"{fact.kind} at {fact.at:%H:%M:%S} {fact.detail or ''}".rstrip())
        if fact.kind == "in_doubt" and fact.detail and fact.detail.get("cause"):
            doubts[fact.delivery_id] += 1
    named = {row.message_id: row for row in rows["delivery"] if row.message_id}
    tally.claim(set(kept) <= set(named), "the oracle knows a message that is in no ledger")
    tally.claim(
        all(named[name].email == to for name, to in bodies.items() if name in named),
        "a message to somebody else",
    )
    resent = 0
    for row in rows["delivery"]:
        copies = kept[row.message_id] if row.message_id else 0
        tally.deliveries += 1
        tally.sent += row.state == "sent"
        tally.claim(
            row.state in TERMINAL,
            f"{row.purpose} delivery {row.id} is {row.state} after {row.attempts} attempts: {story[row.id]}",
        )
        tally.claim(row.sender_id is None, f"delivery {row.id} is held by {row.sender_id}")
        tally.lost += row.state not in TERMINAL or (row.state == "sent" and not copies)
        tally.claim(not copies or row.state in {"sent", "in_doubt"}, f"{row.id} arrived and is {row.state}")
        if row.purpose == "commercial":
            tally.repeated += copies > 1
            tally.in_doubt += row.state == "in_doubt"
            tally.claim(
                (row.state == "in_doubt") == bool(doubts[row.id]), f"the doubt of {row.id} has no cause"
            )
        else:
            tally.claim(row.state != "in_doubt", f"service delivery {row.id} is held")
            tally.claim(
                copies <= 1 + doubts[row.id], f"{row.id} came {copies} times, doubts {doubts[row.id]}"
            )
            resent += doubts[row.id]
    tally.resent += resent
    bound = kills * (most_in_flight if most_in_flight is not None else place.connections)
    tally.claim(sum(doubts.values()) <= bound, f"{sum(doubts.values())} doubts after {kills} kills")
    tally.claim(
        Counter(row.purpose for row in rows["delivery"]) == place.audience, "the ledger is not the audience"
    )
    for each in rows["run"]:
        tally.claim(each.state == "finished", f"run {each.id} is {each.state}")
    _coupons(rows, tally)


def _coupons(rows: dict[str, list[Any]], tally: Tally) -> None:
    codes = [row.code for row in rows["coupon"]]
    tally.claim(len(set(codes)) == len(codes), "two coupons of one code")
    states = {row.id: row.state for row in rows["delivery"]}
    expected = {"sent": "issued", "in_doubt": "quarantined"}
    for row in rows["coupon"]:
        state = states.get(row.delivery_id, "")
        tally.claim(
            row.state == expected.get(state, "released"), f"a coupon is {row.state}, its mail {state}"
        )
