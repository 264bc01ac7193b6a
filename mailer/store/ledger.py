"""The ledger of deliveries, as senders, the scheduler and people use it: queue, outbox and truth in one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.coupon import CouponState
from mailer.core.delivery import CLAIMABLE, State, Tally
from mailer.core.handoff import Finish, SendJob, Start, Verdict
from mailer.core.run import SENDABLE, RunState
from mailer.errors import StoreBusy, UsageError
from mailer.store import claims, due, handoff, sendjobs
from mailer.store.bulk import among
from mailer.store.engine import Database
from mailer.store.facts import Fact, move_coupons, record
from mailer.store.runs import reopen, tally
from mailer.store.tables import coupon, customer, delivery, run

#: Rows of one transaction when many are put off, and of one page of a listing.
CHUNK = 2_000

#: Times a hand-off is tried when it met another change (PostgreSQL deadlock); it was rolled back whole.
_TRIES = 3

_UNDONE = (State.QUEUED, State.SENDING, State.DEFERRED)


class Ledger:
    """Deliveries on the database. `now` is an aware instant; each method is one transaction unless said."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def claim(
        self,
        sender_id: int,
        now: datetime,
        limit: int,
        *,
        runs: Sequence[int] | None = None,
        urgent: bool = False,
    ) -> list[int]:
        """Take up to `limit` due deliveries for this sender, the most urgent first; nobody else gets them.

        Of these `runs` only where they are named; with `urgent` of incidents and other service mail only.

        Raises:
            Fenced: this sender's lease ran out, and its deliveries were given to others.
        """
        async with self._db.write() as connection:
            return await claims.claim(connection, sender_id, now, limit, runs=runs, urgent=urgent)

    async def claimed(self, sender_id: int) -> list[int]:
        """What this sender holds and has not begun."""
        async with self._db.read() as connection:
            mine = await claims.claimed_by(connection, sender_id)
            waiting = among(delivery.c.id, mine, self._db.dialect), delivery.c.state.in_(CLAIMABLE)
            return list(
                await connection.scalars(select(delivery.c.id).where(*waiting).order_by(delivery.c.id))
            )

    async def load(self, ids: Sequence[int]) -> list[SendJob]:
        """All a render needs of these deliveries, in the order given."""
        async with self._db.read() as connection:
            return await sendjobs.load(connection, ids)

    async def advance(
        self,
        sender_id: int,
        now: datetime,
        finished: Sequence[Finish],
        starting: Sequence[Start],
        judge: handoff.Judge,
    ) -> dict[int, Verdict]:
        """Write what ended and mark what may start as `sending`, all or nothing.

        Saying the same again after a commit whose answer was lost changes nothing more. A start that is no
        longer this sender's own gets Wait(None).

        Raises:
            Fenced: this sender's lease ran out; nothing was written.
            StoreError: not durable: nothing may start.
        """
        left = _TRIES if self._db.dialect == "postgresql" else 1
        while True:
            left -= 1
            try:
                async with self._db.write() as connection:
                    return await handoff.advance(
                        connection, sender_id, now, ends=finished, starts=starting, judge=judge
                    )
            except StoreBusy:
                if not left:
                    raise

    async def release(self, sender_id: int, ids: Sequence[int]) -> None:
        """Give back claimed deliveries that were not begun."""
        if not ids:
            return
        async with self._db.write() as connection:
            await claims.let_go(connection, sender_id, ids)

    async def put_off(self, sender_id: int, until: Mapping[int, datetime]) -> None:
        """Give back claimed deliveries whose turn comes later: nobody takes them before.

        Raises:
            Fenced: this sender's lease ran out, and they were given to others.
        """
        if not until:
            return
        async with self._db.write() as connection:
            await claims.put_off(connection, sender_id, until)

    async def defer_due(self, now: datetime, until: datetime, detail: str) -> int:
        """The relay is away: put off everything due that nobody holds, counting no attempt.

        One transaction for every 2,000 rows. Returns how many were put off.
        """
        if until <= now:
            raise ValueError("deliveries are put off to a later instant")
        total = 0
        while True:
            async with self._db.write() as connection:
                moved = await claims.defer(connection, now, until, detail, CHUNK)
            total += moved
            if moved < CHUNK:
                return total

    async def due(self, now: datetime) -> int:
        """How many deliveries could be claimed now."""
        async with self._db.read() as connection:
            return await due.count_due(connection, now)

    async def pending_above(self, now: datetime, priority: int) -> bool:
        """Whether any delivery of a higher priority could be claimed now."""
        async with self._db.read() as connection:
            return await due.any_above(connection, now, priority)

    async def pending(self, now: datetime, *, urgent: bool = False) -> bool:
        """Whether any delivery could be claimed now; with `urgent` as for `claim`."""
        async with self._db.read() as connection:
            return await due.any_due(connection, now, urgent=urgent)

    async def finish_runs(self, now: datetime) -> list[int]:
        """End the runs in which everybody's turn has come and every delivery is terminal; their ids."""
        rows = select(1).where(delivery.c.run_id == run.c.id)
        undone = rows.where(delivery.c.state.in_(_UNDONE))
        doubt = rows.where(delivery.c.state == State.IN_DOUBT, delivery.c.purpose == "service")
        over = (
            run.c.state.in_(SENDABLE),
            run.c.closes_at <= now,
            ~exists(undone),
            ~exists(doubt),
        )
        async with self._db.read() as connection:
            if (await connection.execute(select(run.c.id).where(*over).limit(1))).first() is None:
                return []
        async with self._db.write() as connection:
            ended = await connection.scalars(
                update(run).where(*over).values(state=RunState.FINISHED, finished_at=now).returning(run.c.id)
            )
            return sorted(ended.all())

    async def tallies(self, run_ids: Sequence[int] | None = None) -> dict[int, Tally]:
        """Deliveries by run, counted by state; of every run when none are named."""
        async with self._db.read() as connection:
            return await tally(connection, run_ids)

    async def list(
        self,
        campaign: str | None = None,
        run_id: int | None = None,
        state: str | None = None,
        customer_id: str | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """Deliveries in the order they were written, as the contract's JSON line with instants as datetimes.

        Read in pages, each in a transaction of its own: a slow reader holds nothing up.
        """
        wanted = _listing()
        for column, value in (
            (delivery.c.campaign, campaign),
            (delivery.c.run_id, run_id),
            (delivery.c.state, state),
            (customer.c.ext_id, customer_id),
        ):
            if value is not None:
                wanted = wanted.where(column == value)
        after = 0
        while True:
            async with self._db.read() as connection:
                page = (await connection.execute(wanted.where(delivery.c.id > after))).mappings().all()
            for row in page:
                yield dict(row)
            if len(page) < CHUNK:
                return
            after = page[-1]["id"]

    async def settle(self, delivery_id: int, as_sent: bool, now: datetime) -> None:
        """A person says what became of a delivery in doubt: it was sent, or it goes out again.

        Raises:
            UsageError: no such delivery, or it is not in doubt; it should go out again and surely arrived, or its
                run was called off and is not over.
        """
        async with self._db.write() as connection:
            found = (
                await connection.execute(
                    select(delivery.c.state, delivery.c.run_id, delivery.c.customer_id)
                    .where(delivery.c.id == delivery_id)
                    .with_for_update()
                )
            ).one_or_none()
            if found is None:
                raise UsageError(f"There is no delivery {delivery_id}.")
            if found.state != State.IN_DOUBT:
                raise UsageError(
                    f"Delivery {delivery_id} is {found.state}; only a delivery in doubt can be settled."
                )
            if found.customer_id is None and not as_sent:
                raise UsageError(f"Delivery {delivery_id} was for somebody who is erased; it cannot go out.")
            if not as_sent and await connection.scalar(_used_code(delivery_id)):
                raise UsageError(
                    f"Delivery {delivery_id} arrived, for its code was used; settle it with --sent."
                )
            await _settle(connection, delivery_id, found.run_id, as_sent, now)


async def _settle(
    connection: AsyncConnection, delivery_id: int, run_id: int, as_sent: bool, now: datetime
) -> None:
    values: dict[str, Any] = {"updated_at": now, "state": State.SENT if as_sent else State.QUEUED}
    values |= {"sent_at": now} if as_sent else {"not_before": now}
    await connection.execute(update(delivery).where(delivery.c.id == delivery_id).values(**values))
    coupon = CouponState.ISSUED if as_sent else CouponState.RESERVED
    await move_coupons(connection, [delivery_id], coupon, now)
    await record(connection, [Fact(delivery_id, "settled", now, {"as": "sent" if as_sent else "resend"})])
    if not as_sent:
        await reopen(connection, run_id, now)


def _used_code(delivery_id: int) -> Select[Any]:
    """Whether somebody used the code that this delivery alone carries."""
    return select(
        exists().where(
            coupon.c.delivery_id == delivery_id,
            coupon.c.state == CouponState.REDEEMED,
            coupon.c.kind != "static",
        )
    )


def _listing() -> Select[Any]:
    return (
        select(
            delivery.c.id, delivery.c.campaign, run.c.occurrence, customer.c.ext_id.label("customer"),
            delivery.c.email.label("address"), delivery.c.state, delivery.c.reason, delivery.c.attempts,
            delivery.c.message_id, delivery.c.due_at, delivery.c.sent_at, delivery.c.reply,
        )
        .join_from(delivery, run, run.c.id == delivery.c.run_id)
        .outerjoin(customer, customer.c.id == delivery.c.customer_id)  # whoever was erased is nobody
        .order_by(delivery.c.id)
        .limit(CHUNK)
    )  # fmt: skip
