"""The suppression list by the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, tuple_

from mailer.store.engine import Database
from mailer.store.tables import suppression


class SuppressionPages:
    """Reads it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, after: tuple[str, str], limit: int) -> Sequence[dict[str, Any]]:
        """At most `limit` suppressions that come after this address and scope."""
        columns = suppression.c
        question = (
            select(
                columns.email_key.label("address"), columns.scope, columns.reason, columns.source, columns.at
            )
            .where(tuple_(columns.email_key, columns.scope) > after)
            .order_by(columns.email_key, columns.scope)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [dict(row) for row in (await connection.execute(question)).mappings()]
