"""Procrastinate's tables in our database: made once, upgraded by the changes its later versions bring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from procrastinate.schema import SchemaManager
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_MARK = "mailer keeps this at "  # and the name of the last change; stands as the table's comment


def changes() -> dict[str, str]:
    """Every change of the schema this version of Procrastinate knows: name → SQL, oldest first."""
    files = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    return {file.stem: file.read_text("utf-8") for file in files}


async def install(connection: AsyncConnection) -> None:
    """Make the tables, or bring ours up to date, in this transaction; nothing when they are.

    Tables that somebody else made here are used as they are.
    """
    known = changes()
    newest = max(known)
    if await connection.scalar(text("select to_regclass('procrastinate_jobs')")) is None:
        await _run(connection, SchemaManager.get_schema())
    else:
        said = await connection.scalar(
            text("select obj_description(to_regclass('procrastinate_jobs'), 'pg_class')")
        )
        if not str(said).startswith(_MARK):
            return
        at = str(said).removeprefix(_MARK)
        if at >= newest:
            return
        for name, change in known.items():
            if name > at:
                await _run(connection, change)
    await connection.execute(text(f"comment on table procrastinate_jobs is '{_MARK}{newest}'"))


async def _run(connection: AsyncConnection, statements: str) -> None:
    # Many statements in one text: only the driver takes them, and only without parameters.
    plain: Any = (await connection.get_raw_connection()).driver_connection
    await plain.execute(statements)
