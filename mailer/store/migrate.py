"""Bring a database to the schema of this program, or say why it is not there.

A revision is the file `migrations/versions/<revision>.py`; their names sort in their order. Alembic is only
imported when there is something to do: `require` runs at every command.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.errors import StoreError
from mailer.store.engine import Database
from mailer.store.tables import metadata

SCRIPTS = Path(__file__).parent / "migrations"

Also = Callable[[AsyncConnection], Awaitable[None]]

_LOCK = 7_021_001  # our number among PostgreSQL's advisory locks: one migration at a time


@cache
def revisions() -> tuple[str, ...]:
    """Every revision this program knows, oldest first."""
    return tuple(sorted(file.stem for file in (SCRIPTS / "versions").glob("r*.py")))


async def current(database: Database) -> str | None:
    """The revision the database stands at; None for an empty one."""
    async with database.read() as connection:
        return await _current(connection)


async def standing(database: Database) -> str | None:
    """The same of a database that would be fit for us.

    Raises:
        StoreError: it is somebody else's, or cannot hold every name.
    """
    async with database.read() as connection:
        found = await _current(connection)
        if found is None:
            await _refuse_unfit(database, connection)
        return found


async def require(database: Database, also: Also | None = None) -> None:
    """Make the database fit for a command: create an empty one, upgrade an old SQLite one; see `upgrade`.

    Raises:
        StoreError: an old PostgreSQL database, which `mailer migrate` upgrades; one made by a newer program.
    """
    found = await current(database)
    if found == revisions()[-1]:
        return
    _refuse_newer(database, found)
    if found is not None and database.dialect == "postgresql":
        raise StoreError(
            f"The database {database.where} is of an older version of mailer; "
            "run `mailer migrate` to upgrade it."
        )
    await upgrade(database, also)


async def upgrade(database: Database, also: Also | None = None) -> None:
    """Create or upgrade the schema, in one transaction and under a lock, whatever else is starting just now.

    `also` does in the same transaction what others keep in the database, and does nothing the second time.

    Raises:
        StoreError: the database was made by a newer program, is somebody else's, or cannot hold every name.
    """
    async with database.write() as connection:
        if database.dialect == "postgresql":
            await connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        found = await _current(connection)
        _refuse_newer(database, found)
        if found is None:
            await _refuse_unfit(database, connection)
        if found != revisions()[-1]:
            await connection.run_sync(_run)
        if also is not None:
            await also(connection)


def _run(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 (0.2 s that every other command would pay)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def _current(connection: AsyncConnection) -> str | None:
    if not await connection.run_sync(lambda sync: inspect(sync).has_table("alembic_version")):
        return None
    return (await connection.execute(text("select version_num from alembic_version"))).scalar()


async def _refuse_unfit(database: Database, connection: AsyncConnection) -> None:
    """Refuse to make tables where others of these names are, or where no ğ could be stored."""
    others = metadata.tables.keys() & await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    if others:
        raise StoreError(
            f"The database {database.where} has tables that are not mailer's ({', '.join(sorted(others))}); "
            "point database_url at a database of its own."
        )
    if database.dialect == "postgresql":
        encoding = (await connection.execute(text("show server_encoding"))).scalar_one()
        if encoding != "UTF8":
            raise StoreError(
                f"The database {database.where} is kept in {encoding}, which has not every letter; make it anew with "
                "createdb --template=template0 --encoding=UTF8."
            )


def _refuse_newer(database: Database, found: str | None) -> None:
    if found is not None and found not in revisions():
        raise StoreError(
            f"The database {database.where} was made by a newer version of mailer ({found}), or by another program; "
            "install that version, or point database_url at another database."
        )
