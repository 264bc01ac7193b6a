"""What became of runs so far, and pausing and resuming them: the figures are counted in the ledger itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.breaker import MARK, Figures, verdict
from mailer.core.delivery import Failure, State
from mailer.core.run import SENDABLE, RunState
from mailer.store.engine import Database
from mailer.store.tables import delivery, run

_REFUSED = and_(delivery.c.state == State.FAILED, delivery.c.reason == Failure.REFUSED)
_TRIED = or_(
    delivery.c.state.in_((State.SENT, State.IN_DOUBT)),
    and_(delivery.c.state == State.FAILED, delivery.c.reason.in_((Failure.REFUSED, Failure.BOUNCED))),
    and_(
        delivery.c.state == State.DEFERRED, delivery.c.attempts > 0
    ),  # put off for want of a relay: not tried
)
_UNMADE = and_(delivery.c.state == State.FAILED, delivery.c.reason == Failure.RENDER)


class Breakers:
    """The breakers of runs."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def look(self, run_ids: Sequence[int]) -> dict[int, str]:
        """Pause those of these runs that should not go on; why, by run. Two senders may do this at once."""
        stopped: dict[int, str] = {}
        for run_id in run_ids:
            async with self._db.read() as connection:
                row = (
                    await connection.execute(
                        select(run.c.purpose, run.c.seen).where(run.c.id == run_id, run.c.state.in_(SENDABLE))
                    )
                ).one_or_none()
                why = (
                    verdict(await figures(connection, run_id) - _seen(row.seen), row.purpose) if row else None
                )
            if why is None:
                continue
            async with self._db.write() as connection:
                paused = await connection.scalar(
                    update(run)
                    .where(run.c.id == run_id, run.c.state.in_(SENDABLE))
                    .values(state=RunState.PAUSED, reason=why)
                    .returning(run.c.id)
                )
            if paused is not None:
                stopped[run_id] = why
        return stopped


async def figures(connection: AsyncConnection, run_id: int) -> Figures:
    """What became of a run's mails so far."""
    wanted = select(*(func.count().filter(each).label(name) for name, each in _COUNTED.items())).where(
        delivery.c.run_id == run_id, delivery.c.state.in_(_STATES)
    )
    return Figures(**dict((await connection.execute(wanted)).mappings().one()))


async def let_go_on(connection: AsyncConnection, run_id: int) -> None:
    """A paused run goes on; what became of its mails so far does not count against it any more."""
    seen = asdict(await figures(connection, run_id))
    await connection.execute(
        update(run)
        .where(run.c.id == run_id, run.c.state == RunState.PAUSED)
        .values(state=RunState.QUEUED, reason=None, seen=seen)
    )


async def let_all_go_on(connection: AsyncConnection, campaign: str) -> None:
    """All runs of a campaign that a breaker paused go on; what a person paused stays."""
    stopped = await connection.scalars(
        select(run.c.id).where(
            run.c.campaign == campaign, run.c.state == RunState.PAUSED, run.c.reason.startswith(MARK)
        )
    )
    for run_id in stopped.all():
        await let_go_on(connection, run_id)


def _seen(kept: Mapping[str, Any] | None) -> Figures:
    return Figures(**kept) if kept else Figures()


_COUNTED = {"tried": _TRIED, "refused": _REFUSED, "unmade": _UNMADE}
_STATES = (State.SENT, State.IN_DOUBT, State.FAILED, State.DEFERRED)
