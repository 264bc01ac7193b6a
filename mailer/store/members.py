"""Who is in the segment of a campaign, as its planner last saw it, and who has entered and is still owed a mail.

Looking reads without holding anybody up, and writes in short transactions only what changed. It may end anywhere:
the next look goes on from what was written.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, not_, select, update

from mailer.core.mentions import fingerprint
from mailer.core.segment import Rule
from mailer.store.customers import still_here
from mailer.store.dialect import SLICE, insert
from mailer.store.engine import Database, streamed
from mailer.store.segment_context import SegmentContext
from mailer.store.segments import where
from mailer.store.tables import campaign_state, customer, segment_member


class Members:
    """Members of segments that campaigns wait for people to enter."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def look(self, campaign: str, rule: Rule, context: SegmentContext) -> None:
        """Note who entered since the last look, and forget who left.

        On the first look, and the first after the rule was changed, all are members already and nobody is owed
        anything. When time went backwards nobody leaves: they would enter again.
        """
        asked, now = fingerprint(rule, context.segments), context.now
        matching = where(rule, context)
        async with self._db.read() as conn:
            state = (
                await conn.execute(select(campaign_state).where(campaign_state.c.name == campaign))
            ).one_or_none()
        if state is not None and state.baseline_at is not None and state.baseline_of == asked:
            if state.planned_at is None or state.planned_at <= now:
                await self._leave(campaign, matching)
            await self._enter(campaign, matching, now, owed=True)
            return
        await self.forget(campaign)
        await self._enter(campaign, matching, now, owed=False)
        async with self._db.write() as conn:
            await conn.execute(
                update(campaign_state)
                .where(campaign_state.c.name == campaign)
                .values(baseline_at=now, baseline_of=asked)
            )

    async def owed(self, campaign: str) -> list[datetime]:
        """When those who are owed a mail entered, oldest first."""
        wanted = select(segment_member.c.entered_at).where(
            segment_member.c.campaign == campaign, segment_member.c.owed
        )
        async with self._db.read() as conn:
            found = await conn.scalars(wanted.distinct().order_by(segment_member.c.entered_at))
            return list(found.all())

    async def settle(self, campaign: str, entered_at: datetime) -> None:
        """Those who entered then are owed nothing any more."""
        async with self._db.write() as conn:
            await conn.execute(
                update(segment_member)
                .where(
                    segment_member.c.campaign == campaign,
                    segment_member.c.entered_at == entered_at,
                    segment_member.c.owed,
                )
                .values(owed=False)
            )

    async def forget(self, campaign: str) -> None:
        """Start over: the next look is the first."""
        async with self._db.write() as conn:
            await conn.execute(
                update(campaign_state)
                .where(campaign_state.c.name == campaign)
                .values(baseline_at=None, baseline_of=None)
            )
        mine = select(segment_member.c.customer_id).where(segment_member.c.campaign == campaign)
        while True:
            async with self._db.write() as conn:
                some = (await conn.scalars(mine.limit(SLICE))).all()
                await conn.execute(
                    delete(segment_member).where(
                        segment_member.c.campaign == campaign, segment_member.c.customer_id.in_(some)
                    )
                )
            if len(some) < SLICE:
                return

    async def _enter(
        self, campaign: str, matching: ColumnElement[bool], now: datetime, *, owed: bool
    ) -> None:
        noted = exists().where(
            segment_member.c.campaign == campaign, segment_member.c.customer_id == customer.c.id
        )
        entered = select(customer.c.id).where(matching, ~noted)
        async with self._db.read() as conn, streamed(conn, entered) as found:
            async for keys in found.scalars().partitions(SLICE):
                async with self._db.write() as writing:
                    rows = [
                        {"campaign": campaign, "customer_id": key, "entered_at": now, "owed": owed}
                        for key in await still_here(writing, keys)
                    ]
                    if rows:
                        await writing.execute(insert(writing, segment_member).on_conflict_do_nothing(), rows)

    async def _leave(self, campaign: str, matching: ColumnElement[bool]) -> None:
        gone = (
            select(customer.c.id)
            .join(segment_member, segment_member.c.customer_id == customer.c.id)
            .where(segment_member.c.campaign == campaign, not_(matching))
        )
        async with self._db.read() as conn, streamed(conn, gone) as found:
            async for keys in found.scalars().partitions(SLICE):
                async with self._db.write() as writing:
                    await writing.execute(
                        delete(segment_member).where(
                            segment_member.c.campaign == campaign, segment_member.c.customer_id.in_(keys)
                        )
                    )
