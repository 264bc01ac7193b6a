"""What stays of an erased address: a salted hash, by which nobody is written to there again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, exists, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.erasure import ERASED, bar_key
from mailer.store.dialect import insert, slices
from mailer.store.switches import SALT
from mailer.store.tables import customer, suppression, switch

SOURCE = "erasure"
_ALL = "all"
_LOCK = 7_021_004  # our number among PostgreSQL's advisory locks: nobody comes in while somebody is erased


async def alone(connection: AsyncConnection) -> None:
    """Wait until nobody is taken in, and let nobody in until this transaction ends.

    An address that came in between would be seen neither by who bars it nor by who looks whether it is barred. SQLite
    has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})


async def beside(connection: AsyncConnection) -> None:
    """Wait until nobody is being erased; to be asked before rows are locked. See `alone`."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("select pg_advisory_xact_lock_shared(:key)"), {"key": _LOCK})


async def salt_of(connection: AsyncConnection) -> str | None:
    """This database's salt; None: nobody was ever erased."""
    salt: str | None = await connection.scalar(select(switch.c.note).where(switch.c.name == SALT))
    return salt


async def salted(connection: AsyncConnection, first: str, now: datetime) -> str:
    """This database's salt, which is `first` if there was none."""
    await connection.execute(
        insert(connection, switch).values(name=SALT, at=now, note=first).on_conflict_do_nothing()
    )
    return await salt_of(connection) or first


async def bar(
    connection: AsyncConnection,
    gone: Collection[str],
    shared: Collection[str],
    salt: str,
    now: datetime,
) -> None:
    """Nobody writes to these any more. Those that are `gone` cannot be read; a `shared` one is somebody's still."""
    await connection.execute(delete(suppression).where(suppression.c.email_key.in_(gone)))
    marks = [bar_key(salt, each) for each in sorted({*gone, *shared})]
    await _suppress(connection, [*marks, *sorted(shared)], now)


async def bar_again(connection: AsyncConnection, addresses: Collection[str], now: datetime) -> None:
    """Whoever was erased and comes back by an import stays barred: their address is suppressed as it is.

    It is known to us again by then, whatever we do.
    """
    salt = await salt_of(connection)
    if salt is None:
        return
    marks = {bar_key(salt, each): each for each in addresses if each}
    for part in slices(list(marks)):
        found = await connection.scalars(
            select(suppression.c.email_key).where(
                suppression.c.email_key.in_(part), suppression.c.scope == _ALL
            )
        )
        await _suppress(connection, [marks[mark] for mark in found], now)


async def forgotten(connection: AsyncConnection, email_key: str) -> bool:
    """Whether we know an address by its hash alone: an old link of theirs is not to bring it back."""
    salt = await salt_of(connection) if email_key else None
    if salt is None:
        return False
    barred = exists().where(suppression.c.email_key == bar_key(salt, email_key), suppression.c.scope == _ALL)
    here = exists().where(customer.c.email_key == email_key)
    return bool(await connection.scalar(select(barred & ~here)))


async def _suppress(connection: AsyncConnection, keys: Collection[str], now: datetime) -> None:
    if keys:
        await connection.execute(
            insert(connection, suppression).on_conflict_do_nothing(),
            [
                {"email_key": key, "scope": _ALL, "reason": ERASED, "source": SOURCE, "at": now}
                for key in keys
            ],
        )
