"""A person steps in: cancels, pauses and resumes runs, tries failed deliveries again."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.calendar import local_date
from mailer.core.coupon import CouponState, last_day, useful_until
from mailer.core.delivery import CLAIMABLE, HOLDING, State
from mailer.core.duration import Duration
from mailer.core.retrial import Ended, refusal, too_late_at
from mailer.core.run import ENDED, RunState
from mailer.errors import UsageError
from mailer.store.breaker import let_go_on
from mailer.store.engine import Database
from mailer.store.facts import Fact, move_coupons, record
from mailer.store.reserve import reserve_again
from mailer.store.runs import reopen
from mailer.store.slots import give_back
from mailer.store.tables import campaign_version, customer, delivery, incident_update, run, suppression

_UTC = ZoneInfo("UTC")

#: The newest update of the incident that a run tells of.
_NEWEST = (
    select(func.max(incident_update.c.number))
    .where(incident_update.c.incident_id == run.c.incident_id)
    .correlate(run)
    .scalar_subquery()
)


class Control:
    """What people may do to runs and deliveries."""

    def __init__(self, db: Database, zone: ZoneInfo = _UTC) -> None:
        """`zone` is the tenant's."""
        self._db = db
        self._zone = zone

    async def cancel(self, run_id: int, now: datetime) -> int:
        """Call a run off: what has not left never will. How many deliveries that was.

        Raises:
            UsageError: there is no such run, or it has ended.
        """
        async with self._db.write() as connection:
            await self._open(connection, run_id)
            stopped = (
                await connection.scalars(
                    update(delivery)
                    .where(delivery.c.run_id == run_id, delivery.c.state.in_(CLAIMABLE))
                    .values(state=State.CANCELLED, reason=None, updated_at=now)
                    .returning(delivery.c.id)
                )
            ).all()
            await move_coupons(connection, stopped, CouponState.RELEASED, now)
            await record(connection, [Fact(each, State.CANCELLED, now, {"by": "hand"}) for each in stopped])
            await connection.execute(
                update(run).where(run.c.id == run_id).values(state=RunState.CANCELLED, finished_at=now)
            )
        return len(stopped)

    async def pause(self, run_id: int) -> None:
        """Hold what has not left.

        Raises:
            UsageError: there is no such run, or it has ended.
        """
        async with self._db.write() as connection:
            await self._open(connection, run_id)
            await connection.execute(
                update(run).where(run.c.id == run_id).values(state=RunState.PAUSED, reason="by hand")
            )

    async def resume(self, run_id: int) -> None:
        """Let a paused run go on.

        Raises:
            UsageError: there is no such run, or it is not paused.
        """
        async with self._db.write() as connection:
            state = await self._open(connection, run_id)
            if state is not RunState.PAUSED:
                raise UsageError(f"Run {run_id} is {state}, not paused.")
            await let_go_on(connection, run_id)

    async def retry(self, delivery_id: int, now: datetime) -> None:
        """Queue a failed, expired or cancelled delivery again, under the same Message-ID.

        It goes to the address its customer has now: the one they had may be why it failed.

        Raises:
            UsageError: there is none, it is in another state, its address is dead, its occasion is taken, it tells
                of an incident as it was, the coupon budget is used up, its campaign has ended, or its run was
                called off and is not over.
        """
        async with self._db.write() as connection:
            row = (await connection.execute(_RETRIED, {"wanted": delivery_id})).one_or_none()
            if row is None:
                raise UsageError(f"There is no delivery {delivery_id}; see mailer deliveries.")
            ended = Ended(
                delivery_id,
                row.state,
                row.customer_id is None,
                row.incident_id,
                row.incident_update,
                row.newest,
            )
            problem = refusal(ended) or await _obstacle(connection, row, delivery_id)
            if problem is not None:
                raise UsageError(problem)
            coupon = (row.definition or {}).get("coupon") or {}
            budget, valid = coupon.get("budget"), coupon.get("valid")
            zone = ZoneInfo(row.zone) if row.zone else self._zone
            until = last_day(local_date(now, zone), Duration.parse(valid) if valid else None)
            over = too_late_at(row.definition or {}, now, zone)
            if over is not None and over <= now:
                raise UsageError(
                    f"Delivery {delivery_id} comes too late: its campaign ended {over:%Y-%m-%dT%H:%M:%SZ}."
                )
            if not await reserve_again(connection, delivery_id, row.campaign, budget, now, until):
                raise UsageError(
                    f"The coupon budget of {row.campaign}, {budget}, is used up; delivery {delivery_id} stays "
                    "as it is."
                )
            await give_back(connection, [delivery_id])
            await connection.execute(
                update(delivery)
                .where(delivery.c.id == delivery_id)
                .values(
                    state=State.QUEUED,
                    reason=None,
                    email=row.email,
                    email_key=row.email_key,
                    not_before=now,
                    expires_at=useful_until(over, until, zone),
                    created_at=now,
                    updated_at=now,
                )
            )
            await record(connection, [Fact(delivery_id, "retried", now, {"by": "hand"})])
            await reopen(connection, row.run_id, now)

    @staticmethod
    async def _open(connection: AsyncConnection, run_id: int) -> RunState:
        found = await connection.scalar(select(run.c.state).where(run.c.id == run_id).with_for_update())
        if found is None:
            raise UsageError(f"There is no run {run_id}; see mailer runs.")
        state = RunState(found)
        if state in ENDED:
            raise UsageError(f"Run {run_id} is {state} already.")
        return state


_RETRIED = (
    select(
        delivery.c.state,
        delivery.c.run_id,
        delivery.c.customer_id,
        delivery.c.once_key,
        delivery.c.purpose,
        delivery.c.campaign,
        campaign_version.c.definition,
        customer.c.zone,
        customer.c.email,
        customer.c.email_key,
        run.c.incident_id,
        run.c.incident_update,
        _NEWEST.label("newest"),
    )
    .join(run, run.c.id == delivery.c.run_id)
    .outerjoin(campaign_version, campaign_version.c.id == run.c.version_id)
    .outerjoin(customer, customer.c.id == delivery.c.customer_id)
    .where(delivery.c.id == bindparam("wanted"))
)


async def _obstacle(connection: AsyncConnection, row: Any, delivery_id: int) -> str | None:
    """Which address, or which other delivery, is in its way."""
    dead = select(suppression.c.scope).where(
        suppression.c.email_key == row.email_key, suppression.c.scope == "all"
    )
    if not row.email_key or await connection.scalar(dead):
        return f"Delivery {delivery_id} goes to a suppressed address; it stays as it is."
    standing = (
        select(delivery.c.id).where(delivery.c.id != delivery_id, delivery.c.state.in_(HOLDING)).limit(1)
    )
    there = standing.where(delivery.c.run_id == row.run_id, delivery.c.email_key == row.email_key)
    twice = await connection.scalar(there) if row.purpose == "commercial" else None
    if twice is not None:
        return f"Delivery {twice} of the same run goes to that address already."
    same = standing.where(delivery.c.once_key == row.once_key)
    other = await connection.scalar(same) if row.once_key is not None else None
    if other is not None:
        return f"Delivery {other} already stands for the same occasion; see mailer deliveries."
    return None
