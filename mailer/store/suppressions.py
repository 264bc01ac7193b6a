"""Addresses nobody writes to: dead ones (scope all), and those who asked for no more (scope commercial)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from mailer.core.consent import UNSUBSCRIBED
from mailer.core.customer import normalise_address
from mailer.core.erasure import bar_key
from mailer.store.barred import salt_of
from mailer.store.dialect import insert
from mailer.store.engine import Database
from mailer.store.tables import suppression

SCOPES = ("all", "commercial")


class Suppressions:
    """The suppression list."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, address: str, scope: str, reason: str, source: str, now: datetime) -> bool:
        """Suppress an address; False when it was already in that scope, whose reason then stays."""
        async with self._database.write() as connection:
            statement = insert(connection, suppression).values(
                email_key=normalise_address(address), scope=scope, reason=reason, source=source, at=now
            )
            added = await connection.scalar(
                statement.on_conflict_do_nothing().returning(suppression.c.email_key)
            )
        return added is not None

    async def remove(self, address: str, scope: str | None = None) -> list[str]:
        """Lift a suppression, of one scope or of every one; the scopes it was lifted from.

        What the person chose by a link of ours stays, topics and counting too: nobody but they takes it back.
        """
        key = normalise_address(address)
        async with self._database.write() as connection:
            salt = await salt_of(connection)
            keys = [key] if salt is None else [key, bar_key(salt, key)]  # also of somebody erased
            statement = delete(suppression).where(
                suppression.c.email_key.in_(keys), suppression.c.reason != UNSUBSCRIBED
            )
            if scope is not None:
                statement = statement.where(suppression.c.scope == scope)
            return sorted(set(await connection.scalars(statement.returning(suppression.c.scope))))

    async def of(self, address: str) -> dict[str, str]:
        """The reason in each scope the address is suppressed in."""
        async with self._database.read() as connection:
            found = await connection.execute(
                select(suppression.c.scope, suppression.c.reason).where(
                    suppression.c.email_key == normalise_address(address)
                )
            )
            return {row.scope: row.reason for row in found}

    async def list(self) -> AsyncIterator[dict[str, Any]]:
        """Every suppression, by address, one at a time."""
        columns = suppression.c
        question = select(
            columns.email_key.label("address"), columns.scope, columns.reason, columns.source, columns.at
        ).order_by(columns.email_key, columns.scope)
        async with self._database.read() as connection, connection.stream(question) as rows:
            async for row in rows.mappings():
                yield dict(row)
