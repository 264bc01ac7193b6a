"""What events say of consent: into the ledger when they are told, and those dated ahead when their time has come."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, select, text, update

from mailer.core.consent import CONFIRMED, REVOKED, Action, Via
from mailer.store.consent import Said, record
from mailer.store.engine import Database
from mailer.store.tables import WORD_AHEAD, customer, customer_event

#: Events that are a person's word.
WORDS = {CONFIRMED: Action.GRANTED, REVOKED: Action.REVOKED}

LOT = 1_000  # words in one transaction


def said(
    whose: tuple[int, str], event_id: str, name: str, at: datetime, properties: Mapping[str, Any]
) -> Said:
    """The word that an event of WORDS is; `whose` is customer.id and the address."""
    key, email_key = whose
    source = properties.get("source")
    return Said(
        key, email_key, WORDS[name], at, Via.EVENT, source if isinstance(source, str) else f"event:{event_id}",
        {"event": event_id, **properties},
    )  # fmt: skip


class WordsAhead:
    """Words that were told before their time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, now: datetime) -> int:
        """Let those count whose time has come by `now`, each once, the oldest first; how many there were."""
        due, taken = _due(now), 0
        while await self._any(due):
            taken += await self._some(due, now)
        return taken

    async def _any(self, due: ColumnElement[bool]) -> bool:
        # Asked every other second: one look into an index that is nearly always empty, and nobody is kept from writing.
        async with self._database.read() as connection:
            return await connection.scalar(select(customer_event.c.id).where(due).limit(1)) is not None

    async def _some(self, due: ColumnElement[bool], now: datetime) -> int:
        event = customer_event.c
        async with self._database.write() as connection:
            first = select(event.id, event.customer_id).where(due).order_by(event.at, event.id).limit(LOT)
            found = (await connection.execute(first)).all()
            # Customers before their events, as whoever erases one does. What another took meanwhile is not found again.
            await connection.execute(
                select(customer.c.id)
                .where(customer.c.id.in_({row.customer_id for row in found}))
                .order_by(customer.c.id)
                .with_for_update()
            )
            words = (
                await connection.execute(
                    select(event.id, event.ext_id, event.name, event.at, event.properties,
                           customer.c.id.label("whose"), customer.c.email_key)
                    .join_from(customer_event, customer, customer.c.id == event.customer_id)
                    .where(event.id.in_([row.id for row in found]), text(WORD_AHEAD))
                    .order_by(event.at, event.id)
                )
            ).all()  # fmt: skip
            await connection.execute(
                update(customer_event).where(event.id.in_([row.id for row in words])).values(ahead=False)
            )
            await record(
                connection,
                [
                    said((row.whose, row.email_key), row.ext_id, row.name, row.at, row.properties)
                    for row in words
                ],
                now,
            )
        return len(words)


def _due(now: datetime) -> ColumnElement[bool]:
    return and_(text(WORD_AHEAD), customer_event.c.at <= now)
