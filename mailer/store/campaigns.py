"""What the scheduler knows of campaigns, and their versions as runs are released with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.run import RunState
from mailer.store.breaker import let_all_go_on
from mailer.store.dialect import insert
from mailer.store.engine import Database
from mailer.store.tables import campaign_state, campaign_version, run


@dataclass(frozen=True, slots=True)
class Seen:
    """What the scheduler knows of a campaign."""

    first_seen_at: datetime
    planned_at: datetime | None
    paused: bool
    baseline_at: datetime | None = None  # when the first members of its segment were noted


class Campaigns:
    """Campaigns on the database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def seen(self, names: Sequence[str], now: datetime) -> dict[str, Seen]:
        """Note the campaigns met for the first time; what is known of each."""
        async with self._db.read() as conn:
            known = await self._seen(conn, names)
        missing = [name for name in names if name not in known]
        if missing:
            async with self._db.write() as conn:
                await conn.execute(
                    insert(conn, campaign_state).on_conflict_do_nothing(),
                    [{"name": name, "first_seen_at": now} for name in missing],
                )
                known = await self._seen(conn, names)
        return known

    @staticmethod
    async def _seen(conn: AsyncConnection, names: Sequence[str]) -> dict[str, Seen]:
        rows = await conn.execute(select(campaign_state).where(campaign_state.c.name.in_(names)))
        return {
            row.name: Seen(row.first_seen_at, row.planned_at, row.paused, row.baseline_at) for row in rows
        }

    async def planned(self, names: Sequence[str], now: datetime) -> None:
        """A planning pass over these campaigns completed. Time going backwards changes nothing."""
        if not names:
            return
        async with self._db.write() as conn:
            await conn.execute(
                update(campaign_state)
                .where(
                    campaign_state.c.name.in_(names),
                    (campaign_state.c.planned_at.is_(None)) | (campaign_state.c.planned_at < now),
                )
                .values(planned_at=now)
            )

    async def forget(self, names: Sequence[str]) -> None:
        """Nothing is owed for the time these campaigns are switched off."""
        if not names:
            return
        async with self._db.write() as conn:
            await conn.execute(
                update(campaign_state).where(campaign_state.c.name.in_(names)).values(planned_at=None)
            )

    async def pause(self, name: str, paused: bool) -> None:
        """Pause or resume a campaign; when it is resumed, so are those of its runs that a breaker paused."""
        async with self._db.write() as conn:
            await conn.execute(
                update(campaign_state).where(campaign_state.c.name == name).values(paused=paused)
            )
            if not paused:
                await let_all_go_on(conn, name)

    async def paused(self) -> set[str]:
        """Campaigns somebody paused."""
        async with self._db.read() as conn:
            return set(
                (await conn.scalars(select(campaign_state.c.name).where(campaign_state.c.paused))).all()
            )

    async def find_version(self, name: str, digest: str) -> int | None:
        """The number of a version that is written down already."""
        async with self._db.read() as conn:
            found: int | None = await conn.scalar(_version(name, digest))
            return found

    async def version(
        self, name: str, digest: str, definition: Mapping[str, Any], parts: Mapping[str, Any], now: datetime
    ) -> int:
        """Write a version of a campaign down; its number."""
        values = {
            "campaign": name,
            "digest": digest,
            "definition": dict(definition),
            "parts": dict(parts),
            "created_at": now,
        }
        async with self._db.write() as conn:
            await conn.execute(insert(conn, campaign_version).values(values).on_conflict_do_nothing())
            found: int = (await conn.execute(_version(name, digest))).scalar_one()
            return found

    async def foreseen(self) -> Sequence[int]:
        """Versions that mails will be made of soon: of runs that are planned just now, and of the next incident."""
        planned = select(run.c.version_id).where(
            run.c.state == RunState.PLANNING, run.c.version_id.is_not(None)
        )
        of_incidents = campaign_version.c.definition["trigger", "incident"].as_string().is_not(None)
        newest = select(func.max(campaign_version.c.id)).group_by(campaign_version.c.campaign)
        async with self._db.read() as conn:
            found = await conn.scalars(
                select(campaign_version.c.id).where(
                    or_(
                        campaign_version.c.id.in_(planned),
                        and_(campaign_version.c.id.in_(newest), of_incidents),
                    )
                )
            )
            return found.all()

    async def parts(self, version_id: int) -> dict[str, Any]:
        """The published template and definition of a version."""
        async with self._db.read() as conn:
            row = (
                await conn.execute(
                    select(campaign_version.c.definition, campaign_version.c.parts).where(
                        campaign_version.c.id == version_id
                    )
                )
            ).one()
        return {"definition": row.definition, "parts": row.parts}


def _version(name: str, digest: str) -> Select[Any]:
    return select(campaign_version.c.id).where(
        campaign_version.c.campaign == name, campaign_version.c.digest == digest
    )
