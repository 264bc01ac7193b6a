"""A database for each run: SQLite files, or databases of our own on a PostgreSQL server. All are removed again."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from mailer.errors import StoreError, UsageError


@dataclass
class Databases:
    """Makes an empty database, and copies of it once it is filled."""

    folder: Path
    server: URL | None = None  # none: SQLite files in the folder
    _names: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """SQLite or PostgreSQL."""
        return "SQLite" if self.server is None else "PostgreSQL"

    async def empty(self) -> str:
        """The URL of a new database.

        Raises:
            StoreError: the server does not let us make one.
        """
        return await self._make("")

    async def copy(self, url: str) -> str:
        """The URL of a copy of a database that nobody is connected to."""
        return await self._make(url)

    async def drop(self, url: str) -> None:
        """Remove one, whoever is still connected."""
        name = make_url(url).database or ""
        if self.server is None:
            await asyncio.to_thread(_remove, name)
        else:
            await self._admin(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        if name in self._names:
            self._names.remove(name)

    async def _make(self, original: str) -> str:
        name = f"mailer_bench_{secrets.token_hex(6)}"
        if self.server is None:
            file = self.folder / f"{name}.db"
            if original:
                await asyncio.to_thread(shutil.copyfile, make_url(original).database or "", file)
            self._names.append(str(file))
            return f"sqlite:///{file}"
        template = f' TEMPLATE "{make_url(original).database}"' if original else ""
        self._names.append(name)
        await self._admin(f'CREATE DATABASE "{name}"{template}')
        return self.server.set(database=name).render_as_string(hide_password=False)

    async def _admin(self, statement: str) -> None:
        """Run one statement outside a transaction."""
        assert self.server is not None  # noqa: S101 - asked by those that have one
        try:
            connection = await psycopg.AsyncConnection.connect(
                self.server.render_as_string(hide_password=False), autocommit=True
            )
            async with connection:
                await connection.execute(statement.encode())
        except psycopg.Error as trouble:
            said = str(trouble).strip().splitlines()[0]
            raise StoreError(
                f"The bench makes databases of its own on that server, and it says: {said}"
            ) from None

    async def drop_all(self) -> None:
        """Remove every one that is left."""
        for name in list(self._names):
            with contextlib.suppress(StoreError):
                url = f"sqlite:///{name}" if self.server is None else f"postgresql:///{name}"
                await self.drop(url)


@asynccontextmanager
async def databases(folder: Path, url: str | None) -> AsyncIterator[Databases]:
    """Databases in a folder, or on the server of `url`, whose own database stays untouched.

    Raises:
        UsageError: not the URL of a PostgreSQL server.
    """
    server = None
    if url is not None:
        try:
            server = make_url(url)
        except ArgumentError:
            raise UsageError(
                f"--database {url!r} is no URL; write postgresql://user@host/database."
            ) from None
        if server.get_backend_name() not in {"postgresql", "postgres"}:
            raise UsageError(
                "--database takes a PostgreSQL server; without it the bench makes SQLite files of its own."
            )
        server = server.set(drivername="postgresql")
    made = Databases(folder, server)
    try:
        yield made
    finally:
        await asyncio.shield(made.drop_all())


def _remove(file: str) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(file + suffix).unlink(missing_ok=True)
