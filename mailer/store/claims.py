"""Which deliveries a sender may take now, and taking them: the hot statements of the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ScalarResult,
    Select,
    bindparam,
    select,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.delivery import State
from mailer.core.run import RunState
from mailer.errors import Fenced
from mailer.store.changes import Changing, Marking
from mailer.store.due import first_runs, is_free, open_runs
from mailer.store.statements import Asking, Step, numbers, together
from mailer.store.tables import delivery, run

_CLAIM_LOCK = 7_021_002  # our number among PostgreSQL's advisory locks: one claim at a time

#: So many runs are looked into by one statement; a few sizes only, so that statements are compiled once.
_WIDTHS = (1, 8, 64)

_NO_RUN = -1  # fills a statement up to its width


# The row is the fence: recovering removes it, in one transaction with what the sender held.
_LEASE = Asking(
    "select claim.deliveries from sender left join claim on claim.sender_id = sender.id where sender.id = :mine",
    locking="for share of sender",
)
_TURN = Asking("select pg_advisory_xact_lock(:key)")
_MINE = Asking("select deliveries from claim where sender_id = :mine")

# Each changes the row as it is at that moment: one sender's claims and hand-offs are transactions that meet there.
_ADD = Marking("update claim set deliveries = {with these} where sender_id = :mine")
_TAKE_OUT = Marking("update claim set deliveries = {without these} where sender_id = :mine")


def lease(sender_id: int) -> Step:
    """Hold this sender's place for the transaction: nobody recovers what it holds before we commit; see `leased`.

    A lease that ran out while the database was away, and that nobody recovered, is still this sender's.
    """
    return _LEASE.by(mine=sender_id)


def leased(found: Sequence[Any], sender_id: int) -> list[int]:
    """What this sender claimed and has not begun, by what `lease` found.

    Raises:
        Fenced: its deliveries were given to others.
    """
    if not found:
        raise Fenced(f"The lease of sender {sender_id} ran out; its deliveries were given to others.")
    return numbers(found[0][0])


async def claimed_by(connection: AsyncConnection, sender_id: int) -> list[int]:
    """What this sender claimed and has not begun."""
    (found,) = await together(connection, _MINE.by(mine=sender_id))
    return numbers(found[0][0]) if found else []


async def hold(connection: AsyncConnection, sender_id: int, ids: Sequence[int]) -> None:
    """This sender has claimed these, too. What a person cancels from now on never starts: the hand-off looks."""
    await _ADD.run(connection, ids, mine=sender_id)


def letting_go(sender_id: int, ids: Sequence[int]) -> Step:
    """Of what this sender claimed, it holds these no longer."""
    return _TAKE_OUT.of(ids, mine=sender_id)


async def let_go(connection: AsyncConnection, sender_id: int, ids: Sequence[int]) -> None:
    """Of what this sender claimed, it holds these no longer."""
    await together(connection, letting_go(sender_id, ids))


async def claim(
    connection: AsyncConnection,
    sender_id: int,
    now: datetime,
    limit: int,
    *,
    runs: Sequence[int] | None = None,
    urgent: bool = False,
) -> list[int]:
    """Take up to `limit` deliveries for this sender, the most urgent first; of these `runs` only, `urgent` only."""
    # A claim takes milliseconds and serves for seconds: taking turns is cheaper than meeting on the rows.
    turn = [_TURN.by(key=_CLAIM_LOCK)] if connection.dialect.name == "postgresql" else []
    found, *_ = await together(connection, lease(sender_id), *turn)
    leased(found, sender_id)
    left = await first_runs(connection, now, limit, runs=runs, urgent=urgent)
    chosen: list[int] = []
    touched: set[int] = set()
    while left and len(chosen) < limit:
        width = next((width for width in _WIDTHS if width >= len(left)), _WIDTHS[-1])
        part, left = left[:width], left[width:]
        rows = (await connection.execute(*_candidates(width, part, now, limit - len(chosen)))).all()
        chosen += [row.id for row in rows]
        touched.update(row.run_id for row in rows)
    if not chosen:
        return []
    await hold(connection, sender_id, chosen)
    await connection.execute(
        update(run)
        .where(run.c.id.in_(touched), run.c.state == RunState.QUEUED)
        .values(state=RunState.RUNNING)
    )
    return chosen


def _candidates(
    width: int, runs: Sequence[Any], now: datetime, limit: int
) -> tuple[Select[Any], dict[str, Any]]:
    values: dict[str, Any] = {"now": now, "limit": limit}
    for place in range(width):
        wanted = runs[place] if place < len(runs) else None
        values[f"run_{place}"] = wanted.id if wanted else _NO_RUN
        values[f"priority_{place}"] = wanted.priority if wanted else 0
    return _statement(width), values


@cache
def _statement(width: int) -> Select[Any]:
    """The first deliveries of each of `width` runs, merged: never more rows read than runs times limit."""
    limit = bindparam("limit", type_=delivery.c.attempts.type)
    parts = []
    for place in range(width):
        first = (
            select(
                delivery.c.id,
                delivery.c.run_id,
                delivery.c.not_before,
                bindparam(f"priority_{place}", type_=delivery.c.priority.type).label("priority"),
            )
            .where(
                delivery.c.run_id == bindparam(f"run_{place}", type_=delivery.c.run_id.type),
                is_free(),
                delivery.c.not_before <= bindparam("now", type_=delivery.c.not_before.type),
            )
            .order_by(delivery.c.not_before, delivery.c.id)
            .limit(limit)
            .subquery()
        )
        parts.append(select(first))
    merged = union_all(*parts).subquery()
    return (
        select(merged.c.id, merged.c.run_id)
        .order_by(merged.c.priority.desc(), merged.c.not_before, merged.c.id)
        .limit(limit)
    )


#: What a person cancelled in between stays cancelled.
_PUT_OFF = Changing(
    """
    update delivery set not_before = given.until, reason = null
    {where delivery.id is given} and delivery.state in ('queued', 'deferred')
    """,
    {"id": "bigint", "until": "timestamptz"},
)


async def put_off(connection: AsyncConnection, sender_id: int, until: Mapping[int, datetime]) -> None:
    """Let go of deliveries this sender holds and has not begun, until their time comes.

    Raises:
        Fenced: they were given to others.
    """
    (found,) = await together(connection, lease(sender_id))
    mine = set(leased(found, sender_id))
    await _PUT_OFF.run(connection, sorted(pair for pair in until.items() if pair[0] in mine))
    await let_go(connection, sender_id, list(until))


async def defer(connection: AsyncConnection, now: datetime, until: datetime, detail: str, limit: int) -> int:
    """Put off up to `limit` of the deliveries that are due; no attempt is counted."""
    runs = open_runs(now).order_by(None).subquery()
    some = (
        select(delivery.c.id)
        .where(delivery.c.run_id.in_(select(runs.c.id)), is_free(), delivery.c.not_before <= now)
        .limit(limit)
    )
    put_off: ScalarResult[int] = await connection.scalars(
        update(delivery)
        .where(delivery.c.id.in_(some), is_free())
        .values(state=State.DEFERRED, reason=None, not_before=until, reply=detail, updated_at=now)
        .returning(delivery.c.id)
    )
    return len(put_off.all())
