"""Clicks and openings in the database: each once, by the name it was given when it was noted."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mailer.core.links import SCOPE
from mailer.core.tracking import Hit, Judged
from mailer.store.changes import Adding
from mailer.store.engine import Database

_written = json.JSONEncoder(ensure_ascii=False).encode

# In one transaction: the one writer of SQLite is not held for long, nor the loop that answers clicks meanwhile.
_ROWS = 500

# Of a delivery or a customer that is gone nothing is written, nor of those who asked not to be counted since. Counted,
# though there is but one: as a join PostgreSQL might begin with all deliveries.
_ADD = Adding(
    f"""
    insert into delivery_event (delivery_id, kind, at, detail, ext_id)
    select given.delivery_id, given.kind, given.at, given.detail, given.ext_id
    from {{given}}
    where 0 < (
        select count(*) from delivery
        where delivery.id = given.delivery_id and delivery.customer_id is not null and not exists (
            select 1 from suppression
            where suppression.email_key = delivery.email_key and suppression.scope = '{SCOPE}'
        )
    )
    on conflict do nothing
    """,
    {"delivery_id": "bigint", "kind": "text", "at": "timestamptz", "detail": "jsonb", "ext_id": "text"},
)


class Hits:
    """Books clicks and openings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def book(self, hits: Sequence[tuple[Hit, Judged]]) -> int:
        """Write them down; those that are known already change nothing. How many were given.

        Raises:
            StoreError: some may have been written, none twice.
        """
        for begin in range(0, len(hits), _ROWS):
            rows = [
                (hit.delivery_id, hit.kind, hit.at, _detail(hit, judged), hit.id)
                for hit, judged in hits[begin : begin + _ROWS]
            ]
            async with self._database.write() as connection:
                await _ADD.run(connection, rows)
        return len(hits)


def _detail(hit: Hit, judged: Judged) -> str:
    said = {"by": judged.by, "why": judged.why, "url": hit.url, "agent": hit.agent}
    return _written({name: value for name, value in said.items() if value})
