"""Named leases on the database's clock: one planner at a time, and planning waits for an open import."""

from __future__ import annotations

from sqlalchemy import delete, select, update

from mailer.store.dialect import clock, insert
from mailer.store.engine import Database
from mailer.store.tables import lease

#: Held by whoever plans.
PLANNER = "planner"

#: Held while an import is open; planning waits for it.
IMPORT = "import"


class Leases:
    """Leases by name. An owner is any text no other process uses; times are in seconds."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def acquire(self, name: str, owner: str, seconds: float) -> bool:
        """Take the lease if it is free or ran out, or take it anew if it is already ours."""
        async with self._db.write() as connection:
            statement = insert(connection, lease).values(name=name, owner=owner, until=clock() + seconds)
            taken = await connection.scalar(
                statement.on_conflict_do_update(
                    index_elements=[lease.c.name],
                    set_={"owner": statement.excluded.owner, "until": statement.excluded.until},
                    where=(lease.c.until <= clock()) | (lease.c.owner == owner),
                ).returning(lease.c.name)
            )
        return taken is not None

    async def renew(self, name: str, owner: str, seconds: float) -> bool:
        """Keep the lease for longer; False when it had run out or was taken: the owner must stop."""
        async with self._db.write() as connection:
            kept = await connection.scalar(
                update(lease)
                .where(lease.c.name == name, lease.c.owner == owner, lease.c.until > clock())
                .values(until=clock() + seconds)
                .returning(lease.c.name)
            )
        return kept is not None

    async def release(self, name: str, owner: str) -> None:
        """Give the lease back, if it is still ours."""
        async with self._db.write() as connection:
            await connection.execute(delete(lease).where(lease.c.name == name, lease.c.owner == owner))

    async def holder(self, name: str) -> str | None:
        """Who holds the lease now, if anybody."""
        async with self._db.read() as connection:
            return await connection.scalar(
                select(lease.c.owner).where(lease.c.name == name, lease.c.until > clock())
            )
