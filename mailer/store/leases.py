"""Named leases on the database's clock: one planner at a time, and planning waits for an open import.

No lease is taken for longer than `LONGEST`. One that ends later than that was taken before the clock was set back, and
would keep everybody waiting until the clock is there again: it is cut to `LONGEST`, so that an owner that lives renews
it, and of one that is dead it runs out.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Update, delete, select, update

from mailer.store.dialect import clock, insert
from mailer.store.engine import Database
from mailer.store.tables import lease

#: Held by whoever plans.
PLANNER = "planner"

#: Held while an import is open; planning waits for it.
IMPORT = "import"

#: Seconds.
LONGEST = 30.0

#: Seconds, so that two clocks that differ by a little, or one that is slewed, are no case of it.
_SLACK = 30.0


def far_ahead(column: ColumnElement[float]) -> ColumnElement[bool]:
    """Whether a lease that ends then was taken before the clock was set back."""
    return column > clock() + (LONGEST + _SLACK)


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
            if taken is None:
                await connection.execute(_cut(name))
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
        held = select(lease.c.owner, far_ahead(lease.c.until)).where(
            lease.c.name == name, lease.c.until > clock()
        )
        async with self._db.read() as connection:
            found = (await connection.execute(held)).one_or_none()
        if found is None:
            return None
        owner, astray = found
        if astray:
            async with self._db.write() as connection:
                await connection.execute(_cut(name))
        return str(owner)


def _cut(name: str) -> Update:
    """Let a lease that is taken for too long end when the longest would."""
    return update(lease).where(lease.c.name == name, far_ahead(lease.c.until)).values(until=clock() + LONGEST)
