"""What a dead sender held: put where its journal says it belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.delivery import CLAIMABLE, InDoubt, State
from mailer.core.intent import Making, Orphan, Trace, bury
from mailer.core.transition import Change, finished
from mailer.store.bulk import among
from mailer.store.claims import claimed_by
from mailer.store.handoff import write
from mailer.store.slots import give_back
from mailer.store.tables import claim, delivery, sender


class JournalsPort(Protocol):
    """The journals senders leave behind; see `files.journal.Journals`."""

    def dead(self, token: str) -> bool:
        """Whether the sender of this journal surely lives no more."""

    def read(self, token: str) -> Mapping[tuple[int, int], Trace] | None:
        """The last word on each attempt; None when there is no journal to go by."""

    def remove(self, token: str) -> None:
        """What was read stands in the database."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of the deliveries of dead senders."""

    released: int = 0  # not begun, or surely not accepted: free for others
    in_doubt: int = 0  # commercial, and it may have left: held for a person
    requeued: int = 0  # service, and it may have left: sent again with the same Message-ID
    settled: int = 0  # how it went was known, and is written down now

    def __add__(self, other: Recovered) -> Recovered:
        return Recovered(
            self.released + other.released,
            self.in_doubt + other.in_doubt,
            self.requeued + other.requeued,
            self.settled + other.settled,
        )


async def let_go(
    connection: AsyncConnection,
    sender_id: int,
    traces: Mapping[tuple[int, int], Trace] | None,
    now: datetime,
    jitter: float,
) -> Recovered:
    """Free everything a dead sender held, and sign it off. `traces` is its journal, none if there is none."""
    mine = delivery.c.sender_id == sender_id
    claimed = among(delivery.c.id, await claimed_by(connection, sender_id), connection.dialect.name)
    free = select(func.count()).select_from(delivery).where(claimed, delivery.c.state.in_(CLAIMABLE))
    recovered = Recovered(released=await connection.scalar(free) or 0)
    await connection.execute(delete(claim).where(claim.c.sender_id == sender_id))
    orphans = (
        await connection.execute(
            select(
                delivery.c.id, delivery.c.purpose, delivery.c.attempts, delivery.c.render_kills,
                delivery.c.created_at, delivery.c.expires_at,
            ).where(mine, delivery.c.state == State.SENDING)
        )
    ).all()  # fmt: skip
    changes: dict[int, tuple[Change, datetime]] = {}
    rendering: list[int] = []
    for row in orphans:
        orphan = Orphan(row.id, row.attempts, row.render_kills, row.created_at, row.expires_at)
        trace = (traces or {}).get((row.id, row.attempts))
        if isinstance(trace, Making):
            rendering.append(row.id)
        end = bury(orphan, trace, now, jitter, known=traces is not None)
        change = finished(end, row.purpose)
        changes[row.id] = change, now
        recovered += _counted(change, doubt=isinstance(end.outcome, InDoubt))
    await _count_kills(connection, rendering)
    await give_back(connection, [each for each, (change, _at) in changes.items() if not change.may_have_left])
    await write(connection, sender_id, now, changes)
    await connection.execute(update(delivery).where(mine).values(sender_id=None))
    await connection.execute(delete(sender).where(sender.c.id == sender_id))
    return recovered


async def _count_kills(connection: AsyncConnection, rendering: Sequence[int]) -> None:
    if rendering:
        await connection.execute(
            update(delivery)
            .where(delivery.c.id.in_(rendering))
            .values(render_kills=delivery.c.render_kills + 1)
        )


def _counted(change: Change, *, doubt: bool) -> Recovered:
    if change.state == State.IN_DOUBT:
        return Recovered(in_doubt=1)
    if doubt:
        return Recovered(requeued=1)
    return Recovered(released=1) if change.state in CLAIMABLE else Recovered(settled=1)
