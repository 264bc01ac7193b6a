"""What relays answered, of all senders together."""

from __future__ import annotations

from collections.abc import Mapping

from mailer.store.dialect import insert
from mailer.store.engine import Database
from mailer.store.tables import relay_answer


class RelayAnswers:
    """The counts on the database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Add these; the rows are taken in one order, so that senders wait in turn."""
        rows = [
            {"relay": relay, "answer": answer, "count": count}
            for (relay, answer), count in sorted(counts.items())
        ]
        async with self._db.write() as connection:
            for row in rows:
                statement = insert(connection, relay_answer).values(row)
                more = relay_answer.c.count + statement.excluded["count"]
                await connection.execute(
                    statement.on_conflict_do_update(index_elements=["relay", "answer"], set_={"count": more})
                )
