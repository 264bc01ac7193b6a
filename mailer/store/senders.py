"""Senders: who may hold deliveries, for how long, and what becomes of those a dead one held."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.coupon import CouponState
from mailer.core.delivery import CLAIMABLE, State
from mailer.store.dialect import clock
from mailer.store.engine import Database
from mailer.store.facts import Fact, move_coupons, record
from mailer.store.tables import delivery, sender


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of the deliveries of dead senders."""

    released: int = 0  # not begun: free for others
    in_doubt: int = 0  # commercial, caught in `sending`: held for a person
    requeued: int = 0  # service, caught in `sending`: sent again with the same Message-ID


class Senders:
    """The senders of all processes. Leases are seconds of the database's clock."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def register(self, host: str, pid: int, now: datetime, lease_seconds: float) -> int:
        """Sign a sender on; its id is its fence: it is never used again."""
        async with self._db.write() as connection:
            made = await connection.execute(
                insert(sender)
                .values(host=host, pid=pid, started_at=now, lease_until=clock() + lease_seconds)
                .returning(sender.c.id)
            )
            return int(made.scalar_one())

    async def renew(self, sender_id: int, lease_seconds: float) -> bool:
        """Keep the lease for longer; False when it had run out: the sender is fenced and must stop."""
        async with self._db.write() as connection:
            kept = await connection.scalar(
                update(sender)
                .where(sender.c.id == sender_id, sender.c.lease_until > clock())
                .values(lease_until=clock() + lease_seconds)
                .returning(sender.c.id)
            )
        return kept is not None

    async def retire(self, sender_id: int, now: datetime) -> None:
        """Sign a sender off; what it still holds is let go as if it had died."""
        async with self._db.write() as connection:
            await _let_go(connection, [sender_id], now)

    async def recover(self, now: datetime) -> Recovered:
        """Free what senders held whose lease ran out. Two processes may do this at once."""
        async with self._db.read() as connection:
            if not await connection.scalar(select(exists().where(sender.c.lease_until <= clock()))):
                return Recovered()
        async with self._db.write() as connection:
            dead = (
                await connection.scalars(
                    select(sender.c.id)
                    .where(sender.c.lease_until <= clock())
                    .order_by(sender.c.id)
                    # One that is locked is just committing, or being recovered by another: next time.
                    .with_for_update(skip_locked=True)
                )
            ).all()
            return await _let_go(connection, dead, now)

    async def others_hold(self, mine: Collection[int] = ()) -> bool:
        """Whether any sender but `mine`, live or not yet recovered, holds deliveries."""
        async with self._db.read() as connection:
            held = select(1).where(delivery.c.sender_id == sender.c.id).exists()
            wanted = select(exists().where(sender.c.id.not_in(list(mine)), held))
            return bool(await connection.scalar(wanted))


async def _let_go(connection: AsyncConnection, senders: Sequence[int], now: datetime) -> Recovered:
    if not senders:
        return Recovered()
    held = delivery.c.sender_id.in_(senders)
    sending = delivery.c.state == State.SENDING
    released = await connection.scalars(
        update(delivery)
        .where(held, delivery.c.state.in_(CLAIMABLE))
        .values(sender_id=None)
        .returning(delivery.c.id)
    )
    requeued = await connection.scalars(
        update(delivery)
        .where(held, sending, delivery.c.purpose == "service")
        .values(state=State.QUEUED, not_before=now, sender_id=None, updated_at=now)
        .returning(delivery.c.id)
    )
    in_doubt = await connection.scalars(
        update(delivery)
        .where(held, sending)
        .values(state=State.IN_DOUBT, sender_id=None, updated_at=now)
        .returning(delivery.c.id)
    )
    free, again, doubtful = released.all(), requeued.all(), in_doubt.all()
    await move_coupons(connection, doubtful, CouponState.QUARANTINED, now)
    await record(
        connection,
        [
            Fact(found, State.IN_DOUBT, now, {"cause": "its sender died", "resend": resend})
            for ids, resend in ((again, True), (doubtful, False))
            for found in ids
        ],
    )
    await connection.execute(update(delivery).where(held).values(sender_id=None))
    await connection.execute(delete(sender).where(sender.c.id.in_(senders)))
    return Recovered(released=len(free), in_doubt=len(doubtful), requeued=len(again))
