"""Senders: who may hold deliveries, for how long, and what becomes of those a dead one held."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import datetime

from sqlalchemy import column, exists, false, func, insert, select, table, update

from mailer.core.delivery import State
from mailer.store.burial import JournalsPort, Recovered, let_go
from mailer.store.dialect import clock
from mailer.store.engine import Database, connection_name
from mailer.store.leases import LONGEST, far_ahead
from mailer.store.tables import claim, delivery, sender

_ACTIVITY = table(
    "pg_stat_activity", *map(column, ("pid", "datname", "usename", "application_name", "xact_start"))
)

#: Seconds between two looks after which we cannot say that we looked on.
_GAP = 15.0

#: Taken before the clock was set back.
_ASTRAY = far_ahead(sender.c.lease_until)


class Senders:
    """The senders of all processes. Leases are seconds of the database's clock.

    Whoever recovers has seen the database at work for `patience` seconds: when it was away for longer than a lease,
    senders that live renew theirs first.
    """

    def __init__(
        self,
        db: Database,
        patience: float = 0.0,
        *,
        journals: JournalsPort | None = None,
        jitter: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self._db = db
        self._journals = journals
        self._jitter = jitter
        self._patience = patience
        self._looked: tuple[float, float] | None = (
            None  # monotonic: our first look without a gap, and our last
        )

    async def register(
        self, host: str, pid: int, now: datetime, lease_seconds: float, journal: str = ""
    ) -> int:
        """Sign a sender on, with the name of its journal; its id is its fence: it is never used again."""
        async with self._db.write() as connection:
            made = await connection.execute(
                insert(sender)
                .values(
                    host=host, pid=pid, started_at=now, journal=journal, lease_until=clock() + lease_seconds
                )
                .returning(sender.c.id)
            )
            sender_id = int(made.scalar_one())
            await connection.execute(insert(claim).values(sender_id=sender_id, deliveries=[]))
        return sender_id

    async def renew(self, sender_id: int, lease_seconds: float) -> bool:
        """Keep the lease for longer; False when it was recovered: the sender is fenced and must stop.

        One that ran out while the database was away is taken up again where nobody recovered it.
        """
        async with self._db.write() as connection:
            kept = await connection.scalar(
                update(sender)
                .where(sender.c.id == sender_id)
                .values(lease_until=clock() + lease_seconds)
                .returning(sender.c.id)
            )
        return kept is not None

    async def retire(self, sender_id: int, now: datetime) -> None:
        """Sign a sender off. What it had begun and cannot account for waits for `recover`, by its journal."""
        async with self._db.write() as connection:
            row = (await connection.execute(select(sender).where(sender.c.id == sender_id))).one_or_none()
            if row is None:
                return
            begun = select(
                exists().where(delivery.c.sender_id == sender_id, delivery.c.state == State.SENDING)
            )
            if row.journal and await connection.scalar(begun):
                await connection.execute(
                    update(sender).where(sender.c.id == sender_id).values(lease_until=0.0)
                )
            else:
                await let_go(connection, sender_id, None, now, self._jitter())

    async def recover(self, now: datetime) -> Recovered:
        """Free what dead senders held: those whose lease ran out, and those whose journal shows that they are gone.

        Two processes may do this at once.
        """
        gone = await self._gone()
        lapsed = await self._any_lapsed()
        if not gone and not lapsed:
            return Recovered()
        over = sender.c.lease_until <= clock() if lapsed else false()
        if lapsed:
            await self._cut_off()
        recovered = Recovered()
        async with self._db.write() as connection:
            dead = (
                await connection.execute(
                    select(sender.c.id, sender.c.journal)
                    .where(sender.c.id.in_(gone) | over)
                    .order_by(sender.c.id)
                    # One that is locked is just committing, or being recovered by another: next time.
                    .with_for_update(skip_locked=True)
                )
            ).all()
            for row in dead:
                traces = self._journals.read(row.journal) if self._journals and row.journal else None
                recovered += await let_go(connection, row.id, traces, now, self._jitter())
        for row in dead:
            if self._journals and row.journal:
                self._journals.remove(row.journal)
        return recovered

    async def _gone(self) -> list[int]:
        """Senders of this machine that surely live no more, whatever their lease says."""
        if self._journals is None:
            return []
        async with self._db.read() as connection:
            rows = (await connection.execute(select(sender.c.id, sender.c.journal))).all()
        return [row.id for row in rows if row.journal and self._journals.dead(row.journal)]

    async def _cut_off(self) -> None:
        """End what senders whose lease ran out have stood in since before: they may sleep with locks in hand.

        PostgreSQL does so by itself where it waits for the next statement of a transaction, a minute later; not between
        statements that were sent together, of which the last is missing.
        """
        if self._db.dialect != "postgresql":
            return
        async with self._db.read() as connection:
            over = await connection.execute(select(sender).where(sender.c.lease_until <= clock()))
            for row in over.all():
                name = connection_name(row.host, row.pid)
                ended = select(func.pg_terminate_backend(_ACTIVITY.c.pid)).where(
                    _ACTIVITY.c.datname == func.current_database(),
                    _ACTIVITY.c.usename == func.current_user(),
                    _ACTIVITY.c.application_name == name,
                    # Not of another process that has the number by now: its transactions are short.
                    _ACTIVITY.c.xact_start < func.to_timestamp(row.lease_until),
                )
                await connection.execute(ended)

    async def _any_lapsed(self) -> bool:
        """Whether a lease ran out, and we looked on for long enough to know that its sender is to blame."""
        first, last = self._looked or (time.monotonic(), 0.0)
        self._looked = None  # unless the database answers
        over, astray = exists().where(sender.c.lease_until <= clock()), exists().where(_ASTRAY)
        async with self._db.read() as connection:
            lapsed, ahead = (await connection.execute(select(over, astray))).one()
        if ahead:  # the clock was set back: who lives renews, and of who does not the lease runs out
            async with self._db.write() as connection:
                await connection.execute(update(sender).where(_ASTRAY).values(lease_until=clock() + LONGEST))
        now = time.monotonic()
        self._looked = (first if now - last <= _GAP else now, now)
        return bool(lapsed) and now - self._looked[0] >= self._patience

    async def others_hold(self, mine: Collection[int] = ()) -> bool:
        """Whether any sender but `mine`, live or not yet recovered, holds deliveries."""
        async with self._db.read() as connection:
            claims = select(claim.c.deliveries).where(claim.c.sender_id.not_in(list(mine)))
            begun = exists().where(delivery.c.sender_id.is_not(None), delivery.c.sender_id.not_in(list(mine)))
            return any(await connection.scalars(claims)) or bool(await connection.scalar(select(begun)))
