"""What senders share: tokens, mails at the same time, and a warm-up's days. Seconds are of the database's clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core import pacing
from mailer.core.pacing import Bucket, Grant, Want
from mailer.store.dialect import clock, insert, slices
from mailer.store.engine import Database
from mailer.store.tables import pace, pace_slot, sender, warm_day

#: Limits asked for in one transaction.
CHUNK = 500

#: Seconds after which nothing is left of a limit that nobody asks for.
FORGOTTEN = 3_600.0


class Paces:
    """The limits on the database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def take(self, sender_id: int, wants: Sequence[Want]) -> dict[str, Grant]:
        """Tokens and places for this sender, by key; the rows are taken in one order, so that senders wait in turn."""
        grants: dict[str, Grant] = {}
        for some in slices(sorted(wants, key=lambda want: want.key), CHUNK):
            async with self._db.write() as connection:
                buckets = await _buckets(connection, some)
                have = await _slots(connection, [want.key for want in some if want.limit.connections])
                now = await _now(connection)
                for want in some:
                    bucket = buckets[want.key]
                    after, grants[want.key] = _granted(sender_id, want, bucket, have.get(want.key, {}), now)
                    if after is not bucket:
                        await _keep(connection, want.key, after)
                await _keep_slots(connection, sender_id, some, have, grants)
        return grants

    async def slow_down(self, keys: Sequence[str]) -> list[str]:
        """These limits give way by half, for all senders; those that had not just done so."""
        slowed: list[str] = []
        async with self._db.write() as connection:
            rows = await connection.execute(
                select(pace).where(pace.c.key.in_(keys)).order_by(pace.c.key).with_for_update()
            )
            buckets = {row.key: Bucket(row.empty_at, row.share, row.slowed_at) for row in rows}
            now = await _now(connection)
            for key, bucket in buckets.items():
                after = pacing.slow_down(bucket, now)
                if after is not bucket:
                    await _keep(connection, key, after)
                    slowed.append(key)
        return slowed

    async def leave(self, sender_id: int) -> None:
        """This sender wants nothing more. Limits nobody asked for in an hour are forgotten."""
        async with self._db.write() as connection:
            await connection.execute(delete(pace_slot).where(pace_slot.c.sender_id == sender_id))
            since = clock() - FORGOTTEN
            await connection.execute(delete(pace).where(pace.c.empty_at < since, pace.c.slowed_at < since))

    async def allot(self, day: date, wanted: int, most: int) -> int:
        """Up to `wanted` of a day's `most` mails, over all senders."""
        async with self._db.write() as connection:
            await connection.execute(delete(warm_day).where(warm_day.c.day < day))
            await connection.execute(
                insert(connection, warm_day).values(day=day, used=0).on_conflict_do_nothing()
            )
            used = await connection.scalar(
                select(warm_day.c.used).where(warm_day.c.day == day).with_for_update()
            )
            given = max(0, min(wanted, most - (used or 0)))
            await connection.execute(
                update(warm_day).where(warm_day.c.day == day).values(used=warm_day.c.used + given)
            )
            return given

    async def give_back(self, day: date, number: int) -> None:
        """So many of a day's mails were not sent after all."""
        async with self._db.write() as connection:
            await connection.execute(
                update(warm_day).where(warm_day.c.day == day).values(used=warm_day.c.used - number)
            )


def _granted(
    sender_id: int, want: Want, bucket: Bucket, have: Mapping[int, int], now: float
) -> tuple[Bucket, Grant]:
    limit, part = want.limit, pacing.share(bucket, now)
    tokens, rate, places = pacing.Tokens(now, 0, 0), None, 0
    if limit.rate is not None:
        rate = limit.rate * part
        bucket, tokens = pacing.take(bucket, rate, now, want.tokens)
    if limit.connections is not None and (want.slots or want.under_way):
        most = max(1, int(limit.connections * part))
        others = {other: number for other, number in have.items() if other != sender_id}
        places = pacing.slots(most, others, sender_id, want.under_way, want.slots, now)
    return bucket, Grant([max(0.0, time - now) for time in tokens.times], rate, places)


async def _now(connection: AsyncConnection) -> float:
    return float((await connection.execute(select(clock()))).scalar_one())


async def _buckets(connection: AsyncConnection, wants: Sequence[Want]) -> dict[str, Bucket]:
    """The rows of these limits, locked; made where they are missing."""
    found = await _locked(connection, wants)
    missing = [want for want in wants if want.key not in found]
    if missing:
        now = await _now(connection)
        rows = [
            {"key": want.key, "empty_at": pacing.fresh(want.limit.rate or 1.0, now).empty_at}
            for want in missing
        ]
        await connection.execute(insert(connection, pace).on_conflict_do_nothing(), rows)
        found = await _locked(connection, wants)
    return found


async def _locked(connection: AsyncConnection, wants: Sequence[Want]) -> dict[str, Bucket]:
    keys = [want.key for want in wants]
    rows = await connection.execute(
        select(pace).where(pace.c.key.in_(keys)).order_by(pace.c.key).with_for_update()
    )
    return {row.key: Bucket(row.empty_at, row.share, row.slowed_at) for row in rows}


async def _keep(connection: AsyncConnection, key: str, bucket: Bucket) -> None:
    await connection.execute(
        update(pace)
        .where(pace.c.key == key)
        .values(empty_at=bucket.empty_at, share=bucket.share, slowed_at=bucket.slowed_at)
    )


async def _slots(connection: AsyncConnection, keys: Sequence[str]) -> dict[str, dict[int, int]]:
    """By limit, the places of each sender that lives."""
    if not keys:
        return {}
    gone = pace_slot.c.sender_id.not_in(select(sender.c.id))
    await connection.execute(delete(pace_slot).where(pace_slot.c.key.in_(keys), gone))
    rows = await connection.execute(
        select(pace_slot.c.key, pace_slot.c.sender_id, pace_slot.c.slots).where(pace_slot.c.key.in_(keys))
    )
    found: dict[str, dict[int, int]] = {key: {} for key in keys}
    for row in rows:
        found[row.key][row.sender_id] = row.slots
    return found


async def _keep_slots(
    connection: AsyncConnection,
    sender_id: int,
    wants: Sequence[Want],
    have: Mapping[str, Mapping[int, int]],
    grants: Mapping[str, Grant],
) -> None:
    """A row says that a sender wants places, even where it has none yet."""
    for want in wants:
        if want.key not in have:
            continue
        if want.slots or want.under_way:
            if have[want.key].get(sender_id) == grants[want.key].slots:
                continue
            statement: Any = insert(connection, pace_slot).values(
                key=want.key, sender_id=sender_id, slots=grants[want.key].slots
            )
            statement = statement.on_conflict_do_update(
                index_elements=[pace_slot.c.key, pace_slot.c.sender_id],
                set_={"slots": statement.excluded.slots},
            )
            await connection.execute(statement)
        elif sender_id in have[want.key]:
            await connection.execute(
                delete(pace_slot).where(pace_slot.c.key == want.key, pace_slot.c.sender_id == sender_id)
            )
