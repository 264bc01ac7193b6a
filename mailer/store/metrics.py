"""What monitoring asks the database: some of it at every look, and what has to be counted more seldom."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import and_, case, func, literal, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core import pacing
from mailer.core.breaker import MARK
from mailer.core.coupon import CouponState
from mailer.core.event import EventKind
from mailer.core.incident import CLOSED
from mailer.core.metrics import Counts, Present
from mailer.core.pacing import Bucket
from mailer.core.run import ENDED, RunState
from mailer.store.dialect import clock
from mailer.store.due import is_free, open_runs
from mailer.store.engine import Database
from mailer.store.switches import HALT
from mailer.store.tables import (
    campaign_state,
    coupon,
    delivery,
    delivery_event,
    incident,
    pace,
    relay_answer,
    run,
    sender,
    switch,
)

_RELAY = "relay "  # how the key of a relay's limit begins
_BROKEN = and_(run.c.state == RunState.PAUSED, run.c.reason.startswith(MARK))
_BY_WHOM = (EventKind.OPENED, EventKind.CLICKED)


@dataclass(slots=True)
class _Told:
    """Events counted for good: those up to an id that was the last one long enough ago."""

    upto: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    last: int = 0  # the last id at the look before


class Figures:
    """Figures of one database."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._told = _Told()

    async def present(self, now: datetime) -> Present:
        """As of now."""
        async with self._db.read() as connection:
            rows = await connection.execute(
                select(run.c.state, func.count().label("n"), func.count().filter(_BROKEN).label("broken"))
                .where(run.c.state.not_in(ENDED))
                .group_by(run.c.state)
            )
            states = {row.state: (row.n, row.broken) for row in rows}
            shares, domains = await _slowed(connection)
            answers = await connection.execute(
                select(relay_answer.c.relay, relay_answer.c.answer, relay_answer.c.count.label("n"))
            )
            return Present(
                runs={state: n for state, (n, _broken) in states.items()},
                breakers=sum(broken for _n, broken in states.values()),
                halted=await connection.scalar(select(switch.c.at).where(switch.c.name == HALT)) is not None,
                senders=await connection.scalar(
                    select(func.count()).select_from(sender).where(sender.c.lease_until > clock())
                )
                or 0,
                planned_at=await connection.scalar(select(func.max(campaign_state.c.planned_at))),
                incidents=await connection.scalar(
                    select(func.count()).select_from(incident).where(incident.c.state.not_in(sorted(CLOSED)))
                )
                or 0,
                oldest=await _oldest(connection, now),
                shares=shares,
                domains=domains,
                answers={(row.relay, row.answer): row.n for row in answers},
            )

    async def counts(self) -> Counts:
        """Deliveries, events and codes. Reads one index for each; of events only what is new."""
        async with self._db.read() as connection:
            return Counts(
                await _deliveries(connection), await self._events(connection), await _pools(connection)
            )

    async def _events(self, connection: AsyncConnection) -> Counter[tuple[str, str]]:
        told = self._told
        last = await connection.scalar(select(func.max(delivery_event.c.id))) or 0
        fresh = await _count_events(connection, told.upto, told.last)
        newest = await _count_events(connection, max(told.upto, told.last), last)
        # An id may be given before another and be seen after it: what is new now is counted once more next time.
        self._told = _Told(max(told.upto, told.last), told.counts + fresh, last)
        return told.counts + fresh + newest


async def _deliveries(connection: AsyncConnection) -> dict[tuple[str, str, str], int]:
    of_runs = (
        select(delivery.c.run_id, delivery.c.state, func.count().label("n"))
        .group_by(delivery.c.run_id, delivery.c.state)
        .subquery()
    )
    rows = await connection.execute(
        select(run.c.campaign, run.c.purpose, of_runs.c.state, func.sum(of_runs.c.n).label("n"))
        .join_from(of_runs, run, run.c.id == of_runs.c.run_id)
        .group_by(run.c.campaign, run.c.purpose, of_runs.c.state)
    )
    return {(row.campaign, row.purpose, row.state): int(row.n) for row in rows}


async def _count_events(connection: AsyncConnection, after: int, upto: int) -> Counter[tuple[str, str]]:
    if upto <= after:
        return Counter()
    whom = delivery_event.c.detail["by"].as_string()
    by = case((delivery_event.c.kind.in_(_BY_WHOM), func.coalesce(whom, literal(""))), else_=literal(""))
    rows = await connection.execute(
        select(delivery_event.c.kind, by.label("by"), func.count().label("n"))
        .where(delivery_event.c.id > after, delivery_event.c.id <= upto)
        .group_by(delivery_event.c.kind, text("2"))
    )
    return Counter({(row.kind, row.by): row.n for row in rows})


async def _pools(connection: AsyncConnection) -> dict[str, int]:
    rows = await connection.execute(
        select(coupon.c.pool, func.count().filter(coupon.c.state == CouponState.AVAILABLE).label("n"))
        .where(coupon.c.pool.is_not(None))
        .group_by(coupon.c.pool)
    )
    return {row.pool: row.n for row in rows}


async def _oldest(connection: AsyncConnection, now: datetime) -> dict[str, datetime]:
    """Of what a sender could take now. Each run's first delivery is the first of its stretch of the index."""
    first = (
        select(func.min(delivery.c.not_before, type_=delivery.c.not_before.type))
        .where(delivery.c.run_id == run.c.id, is_free())
        .correlate(run)
        .scalar_subquery()
    )
    rows = await connection.execute(
        open_runs(now).order_by(None).with_only_columns(run.c.purpose, first.label("first"))
    )
    found: dict[str, datetime] = {}
    for row in rows:
        found[row.purpose] = min(row.first, found.get(row.purpose, row.first))
    return found


async def _slowed(connection: AsyncConnection) -> tuple[dict[str, float], int]:
    now = await connection.scalar(select(clock())) or 0.0
    rows = await connection.execute(select(pace).where(or_(pace.c.slowed_at > 0, pace.c.share < 1)))
    shares = {
        row.key: pacing.share(Bucket(row.empty_at, row.share, row.slowed_at), float(now)) for row in rows
    }
    less = {key: share for key, share in shares.items() if share < 1}
    relays = {key.removeprefix(_RELAY): share for key, share in less.items() if key.startswith(_RELAY)}
    return relays, len(less) - len(relays)
