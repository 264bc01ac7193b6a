"""What was put once and stays: the kill switch, the seed of the holdouts, the salt of those erased.

While the kill switch is on, nothing is claimed and nothing is handed off.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Exists, delete, exists, select

from mailer.store.dialect import insert
from mailer.store.engine import Database
from mailer.store.tables import switch

HALT, SEED, SALT = "halt", "seed", "salt"


def halted() -> Exists:
    """Whether the kill switch is on, as a condition of a query."""
    return exists(select(1).where(switch.c.name == HALT))


class Switches:
    """Switches that stay as they were put, across restarts."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def halt(self, now: datetime, note: str = "") -> None:
        """Stop everything that has not started. Halting twice keeps the first instant."""
        async with self._db.write() as connection:
            await connection.execute(
                insert(connection, switch).values(name=HALT, at=now, note=note).on_conflict_do_nothing()
            )

    async def unhalt(self) -> None:
        """Let everything go on."""
        async with self._db.write() as connection:
            await connection.execute(delete(switch).where(switch.c.name == HALT))

    async def seed(self, first: str, now: datetime) -> str:
        """What the holdouts are drawn with: `first` the first time it is asked for, and the same ever after."""
        wanted = select(switch.c.note).where(switch.c.name == SEED)
        async with self._db.read() as connection:
            found = await connection.scalar(wanted)
        if found is None:
            async with self._db.write() as connection:
                await connection.execute(
                    insert(connection, switch).values(name=SEED, at=now, note=first).on_conflict_do_nothing()
                )
                found = await connection.scalar(wanted)
        return str(found)

    async def halt_said(self) -> tuple[datetime, str] | None:
        """Since when everything is stopped, and what was noted then; None when it is not."""
        async with self._db.read() as connection:
            found = (
                await connection.execute(select(switch.c.at, switch.c.note).where(switch.c.name == HALT))
            ).first()
        return None if found is None else (found.at, found.note or "")

    async def halted_at(self) -> datetime | None:
        """Since when everything is stopped; None when it is not."""
        async with self._db.read() as connection:
            return await connection.scalar(select(switch.c.at).where(switch.c.name == HALT))
