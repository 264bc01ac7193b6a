"""What is due: runs that have something to claim, the most urgent first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from mailer.core.run import SENDABLE
from mailer.store.switches import halted
from mailer.store.tables import WAITING, campaign_state, delivery, run


class _Claimed(FunctionElement[int]):
    """The deliveries that senders have claimed and not begun."""

    type = delivery.c.id.type
    name = "claimed"
    inherit_cache = True


@compiles(_Claimed, "sqlite")
def _claimed_sqlite(element: _Claimed, compiler: SQLCompiler, **_: Any) -> str:  # noqa: ARG001 (signature is SQLAlchemy's)
    return "(select json_each.value from claim cross join json_each(claim.deliveries))"


@compiles(_Claimed, "postgresql")
def _claimed_postgresql(element: _Claimed, compiler: SQLCompiler, **_: Any) -> str:  # noqa: ARG001 (signature is SQLAlchemy's)
    return "(select unnest(claim.deliveries) from claim)"


def is_free() -> ColumnElement[bool]:
    """Whether a delivery may be claimed: it waits, and nobody has it."""
    return and_(text(WAITING), delivery.c.id.op("not in", is_comparison=True)(_Claimed()))


def _is_paused() -> ColumnElement[bool]:
    return exists(select(1).where(campaign_state.c.name == run.c.campaign, campaign_state.c.paused.is_(True)))


#: An instant that a statement is given when it is run: what is built once need not be built for each claim.
_AT = bindparam("at", type_=delivery.c.not_before.type)
_MOST = bindparam("most", type_=delivery.c.attempts.type)

Moment = datetime | ColumnElement[datetime]


def _has_due(now: Moment) -> ColumnElement[bool]:
    # Not EXISTS: PostgreSQL would turn it into a join over the whole queue. This is one step into the index.
    first = (
        select(delivery.c.id)
        .where(delivery.c.run_id == run.c.id, is_free(), delivery.c.not_before <= now)
        .order_by(delivery.c.not_before, delivery.c.id)
        .limit(1)
    )
    return first.scalar_subquery().is_not(None)


def is_urgent() -> ColumnElement[bool]:
    """Whether a run is one that slots are reserved for: an incident, or other service mail."""
    return run.c.purpose == "service"


def open_runs(now: Moment) -> Select[tuple[int, int]]:
    """Runs that have something to claim at `now`, the most urgent first."""
    return (
        select(run.c.id, run.c.priority)
        .where(run.c.state.in_(SENDABLE), ~_is_paused(), ~halted(), _has_due(now))
        .order_by(run.c.priority.desc(), run.c.due_at, run.c.id)
    )


@cache
def _first_runs(*, some: bool = False, urgent: bool = False) -> Select[tuple[int, int]]:
    """The first `most` open runs, `at` an instant; of `some` runs, or `urgent` ones, only."""
    wanted = open_runs(_AT).limit(_MOST)
    if some:
        wanted = wanted.where(run.c.id.in_(bindparam("runs", expanding=True)))
    return wanted.where(is_urgent()) if urgent else wanted


@cache
def _runs_above() -> Select[tuple[int, int]]:
    return open_runs(_AT).where(run.c.priority > bindparam("priority")).order_by(None).limit(1)


async def first_runs(
    connection: AsyncConnection,
    now: datetime,
    limit: int,
    *,
    runs: Sequence[int] | None = None,
    urgent: bool = False,
) -> list[Any]:
    """Number and priority of the first open runs; of these `runs`, or of `urgent` ones, only."""
    some = {} if runs is None else {"runs": list(runs)}
    wanted = _first_runs(some=runs is not None, urgent=urgent)
    return list((await connection.execute(wanted, {"at": now, "most": limit, **some})).all())


async def count_due(connection: AsyncConnection, now: datetime) -> int:
    """How many deliveries could be claimed at `now`."""
    runs = open_runs(now).order_by(None).subquery()
    wanted = select(func.count()).where(
        delivery.c.run_id.in_(select(runs.c.id)), is_free(), delivery.c.not_before <= now
    )
    return int((await connection.execute(wanted)).scalar_one())


async def any_due(connection: AsyncConnection, now: datetime, *, urgent: bool = False) -> bool:
    """Whether any delivery could be claimed at `now`; of `urgent` runs only."""
    return bool(await first_runs(connection, now, 1, urgent=urgent))


async def any_above(connection: AsyncConnection, now: datetime, priority: int) -> bool:
    """Whether any delivery of a higher priority could be claimed at `now`."""
    found = await connection.execute(_runs_above(), {"at": now, "priority": priority})
    return found.first() is not None
