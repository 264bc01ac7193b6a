"""What there is for mails to come: posts, what earlier issues of a newsletter carried, and codes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select

from mailer.core.delivery import HOLDING
from mailer.core.post import LATE_EVENT
from mailer.core.run import RunState
from mailer.store.engine import Database
from mailer.store.pools import Pools
from mailer.store.tables import customer_event, delivery, run

#: Runs that no customer got an issue of.
_NO_ISSUE = (RunState.SKIPPED_EMPTY, RunState.MISSED, RunState.CANCELLED)


class PastIssues:
    """Questions about posts, issues and codes. Reads only."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def pool_empty(self, pool: str) -> bool:
        """Whether no code of the pool is left."""
        return await Pools(self._db).empty(pool)

    async def used(self, campaign: str) -> int:
        """How many codes of a campaign count towards its budget."""
        return await Pools(self._db).used(campaign)

    async def posts(self, name: str, after: datetime | None, until: datetime) -> list[dict[str, Any]]:
        """Events about the shop in (after, until], newest first: what a newsletter may carry.

        And those of shortly before that were stored only after `after`, which an issue may have carried.
        """
        wanted = (
            select(customer_event.c.ext_id, customer_event.c.properties, customer_event.c.at)
            .where(customer_event.c.name == name, customer_event.c.customer_id.is_(None),
                   customer_event.c.at <= until)
            .order_by(customer_event.c.at.desc(), customer_event.c.id.desc())
            .limit(50)
        )  # fmt: skip
        if after is not None:
            late = and_(customer_event.c.stored_at > after, customer_event.c.at > after - LATE_EVENT)
            wanted = wanted.where(or_(customer_event.c.at > after, late))
        async with self._db.read() as conn:
            rows = (await conn.execute(wanted)).all()
        return [{**row.properties, "id": row.ext_id, "at": row.at} for row in rows]

    async def last_issue(self, campaign: str) -> datetime | None:
        """When the last issue that anybody was sent, or will be, was due."""
        wanted = select(run.c.due_at).where(*_issue(campaign)).order_by(run.c.due_at.desc()).limit(1)
        async with self._db.read() as conn:
            found: datetime | None = await conn.scalar(wanted)
            return found

    async def carried(self, campaign: str) -> set[str]:
        """The ids of the posts that earlier issues carried."""
        wanted = (
            select(run.c.content)
            .where(*_issue(campaign), run.c.content.is_not(None))
            .order_by(run.c.due_at.desc())
            .limit(100)
        )
        async with self._db.read() as conn:
            issues = (await conn.scalars(wanted)).all()
        return {post["id"] for issue in issues for post in issue.get("posts", []) if "id" in post}


def _issue(campaign: str) -> tuple[ColumnElement[bool], ...]:
    """A run of which somebody got an issue, or may have, or will."""
    somebody = exists().where(delivery.c.run_id == run.c.id, delivery.c.state.in_(HOLDING))
    return run.c.campaign == campaign, run.c.state.not_in(_NO_ISSUE), somebody
