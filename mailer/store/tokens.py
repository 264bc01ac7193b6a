"""Tokens of programs, as they are kept: never with their secret."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from mailer.core.access import Scope, Token
from mailer.store.dialect import insert
from mailer.store.engine import Database
from mailer.store.tables import api_token


class Tokens:
    """Writes and finds them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token: Token) -> bool:
        """Keep a new one; False: its name is taken, if only by one that was revoked."""
        values = {
            "ident": token.ident, "name": token.name, "digest": token.digest, "scopes": list(token.scopes),
            "created_at": token.created_at,
        }  # fmt: skip
        async with self._database.write() as connection:
            statement = insert(connection, api_token).values(values)
            new = await connection.scalar(statement.on_conflict_do_nothing().returning(api_token.c.id))
        return new is not None

    async def find(self, ident: str) -> Token | None:
        """The one of that name within its text."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(api_token).where(api_token.c.ident == ident))).first()
        return _token(row) if row else None

    async def all(self) -> Sequence[Token]:
        """Every one, the oldest first."""
        async with self._database.read() as connection:
            return [
                _token(row) for row in await connection.execute(select(api_token).order_by(api_token.c.id))
            ]

    async def revoke(self, name: str, now: datetime) -> bool:
        """Let it open nothing any more; False: there is none of that name that did."""
        async with self._database.write() as connection:
            found = await connection.scalar(
                update(api_token)
                .where(api_token.c.name == name, api_token.c.revoked_at.is_(None))
                .values(revoked_at=now)
                .returning(api_token.c.id)
            )
        return found is not None


def _token(row: Row[Any]) -> Token:
    scopes = tuple(Scope(each) for each in row.scopes if each in set(Scope))
    return Token(row.ident, row.name, row.digest, scopes, row.created_at, row.revoked_at)
