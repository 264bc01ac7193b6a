"""Customer events: written once by their id, with what they say of consent in the same transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.consent import counts, not_yet
from mailer.core.event_row import EventRow, doubt
from mailer.core.importing import RowFault
from mailer.core.merge import Fate, Noted
from mailer.core.redemption import REDEEMED, Redemption
from mailer.store.consent import record
from mailer.store.dialect import insert
from mailer.store.engine import Database
from mailer.store.redemptions import redeem
from mailer.store.scratch import Scratch
from mailer.store.tables import customer, customer_event
from mailer.store.words import WORDS, said

Content = list[Any]  # of an event, but for its id: whose, name, instant, properties
Whom = dict[str, tuple[int, str]]  # the shop's id of a customer → customer.id, email_key


class Events:
    """Writes customer events."""

    def __init__(self, database: Database, tenant_zone: ZoneInfo) -> None:
        self._database = database
        self._zone = tenant_zone

    async def add(self, rows: Sequence[EventRow], now: datetime) -> list[Fate | Noted | RowFault]:
        """What became of each row, in one transaction; an event whose id is known already changes nothing.

        A coupon that was redeemed and does not count is noted, and so is what `doubt` finds; what the shop says is
        kept all the same. A word on consent that is dated ahead counts when its time has come, see `WordsAhead`.
        """
        async with self._database.write() as connection:
            whom = await _whom(connection, rows)
            fates, new = _judge(rows, whom, await _known(connection, rows))
            if not new:
                return list(fates)
            statement = insert(connection, customer_event).on_conflict_do_nothing()
            written = set(
                await connection.scalars(
                    statement.returning(customer_event.c.ext_id), [_columns(row, whom, now) for row in new]
                )
            )
            words = [row for row in new if row.id in written and _counts(row, now)]
            await record(
                connection,
                [said(whom[row.customer], row.id, row.name, row.at, row.properties) for row in words],
                now,
            )
            used = [row for row in new if row.id in written and row.name == REDEEMED]
            problems = await _redeemed(connection, used, now, self._zone) | _doubts(new)
        return _noted(rows, fates, problems)

    async def survey(self) -> None:
        """Many rows came at once: let the database look what it has."""
        await self._database.survey(customer_event)

    async def different(self, rows: Sequence[EventRow]) -> set[int]:
        """The lines of those events that were stored with other content than this."""
        async with self._database.read() as connection:
            return _different(rows, await _contents(connection, rows))

    @asynccontextmanager
    async def rehearsal(self) -> AsyncIterator[RehearsedEvents]:
        """The same, writing nothing."""
        async with Scratch.open() as scratch:
            yield RehearsedEvents(self._database, scratch)


class RehearsedEvents:
    """Answers as `Events` would, and remembers the ids it would have written."""

    def __init__(self, database: Database, scratch: Scratch) -> None:
        self._database = database
        self._scratch = scratch

    async def add(self, rows: Sequence[EventRow], now: datetime) -> list[Fate | Noted | RowFault]:  # noqa: ARG002 (as Events)
        """What would become of each row."""
        async with self._database.read() as connection:
            whom = await _whom(connection, rows)
            known = await _known(connection, rows)
        known |= set(await self._scratch.get([row.id for row in rows]))
        fates, new = _judge(rows, whom, known)
        await self._scratch.put({row.id: _content(row) for row in new})
        return _noted(rows, fates, _doubts(new))

    async def different(self, rows: Sequence[EventRow]) -> set[int]:
        """The lines of those that are stored with other content, or would be by now."""
        async with self._database.read() as connection:
            stored = await _contents(connection, rows)
        return _different(rows, stored | await self._scratch.get([row.id for row in rows]))


def _judge(
    rows: Sequence[EventRow], whom: Whom, known: set[str]
) -> tuple[list[Fate | RowFault], list[EventRow]]:
    fates: list[Fate | RowFault] = []
    new: list[EventRow] = []
    seen = set(known)
    for row in rows:
        if row.customer and row.customer not in whom:
            fates.append(RowFault(row.line, "customer", f"No customer has the id {row.customer!r}."))
        elif row.id in seen:
            fates.append(Fate.UNCHANGED)
        else:
            seen.add(row.id)
            new.append(row)
            fates.append(Fate.CREATED)
    return fates, new


def _noted(
    rows: Sequence[EventRow], fates: Sequence[Fate | RowFault], problems: Mapping[int, RowFault]
) -> list[Fate | Noted | RowFault]:
    return [
        Noted(fate, problems[row.line]) if fate is Fate.CREATED and row.line in problems else fate
        for row, fate in zip(rows, fates, strict=True)
    ]


def _doubts(rows: Sequence[EventRow]) -> dict[int, RowFault]:
    """By line, what is to be said of events that are taken."""
    return {found.line: found for found in map(doubt, rows) if found is not None}


async def _redeemed(
    connection: AsyncConnection, rows: Sequence[EventRow], now: datetime, tenant_zone: ZoneInfo
) -> dict[int, RowFault]:
    """Mark the codes of these events; by line, what there is to say about those that do not count."""
    if not rows:
        return {}
    said = [Redemption(row.code, row.at, row.order_ref, row.net_e4, row.customer) for row in rows]
    answers = await redeem(connection, said, now, tenant_zone)
    return {
        row.line: RowFault(row.line, "properties.code", answer.problem)
        for row, answer in zip(rows, answers, strict=True)
        if answer.problem is not None
    }


async def _whom(connection: AsyncConnection, rows: Sequence[EventRow]) -> Whom:
    named = {row.customer for row in rows} - {""}
    found = await connection.execute(
        select(customer.c.ext_id, customer.c.id, customer.c.email_key).where(customer.c.ext_id.in_(named))
    )
    return {ext_id: (key, email_key) for ext_id, key, email_key in found}


async def _known(connection: AsyncConnection, rows: Sequence[EventRow]) -> set[str]:
    ids = {row.id for row in rows}
    return set(
        await connection.scalars(select(customer_event.c.ext_id).where(customer_event.c.ext_id.in_(ids)))
    )


async def _contents(connection: AsyncConnection, rows: Sequence[EventRow]) -> dict[str, Content]:
    """What is stored of these events, by id."""
    columns = customer_event.c
    wanted = (
        select(columns.ext_id, customer.c.ext_id, columns.name, columns.at, columns.properties)
        .join_from(customer_event, customer, isouter=True)
        .where(columns.ext_id.in_({row.id for row in rows}))
    )
    return {
        ident: [whom or "", name, at.isoformat(), properties]
        for ident, whom, name, at, properties in await connection.execute(wanted)
    }


def _content(row: EventRow) -> Content:
    return [row.customer, row.name, row.at.isoformat(), dict(row.properties)]


def _different(rows: Sequence[EventRow], contents: Mapping[str, Content]) -> set[int]:
    return {row.line for row in rows if row.id in contents and contents[row.id] != _content(row)}


def _columns(row: EventRow, whom: Whom, now: datetime) -> dict[str, object]:
    return {
        "ext_id": row.id, "customer_id": whom[row.customer][0] if row.customer else None, "name": row.name,
        "at": row.at, "stored_at": now, "properties": dict(row.properties),
        "order_ref": row.order_ref, "net_e4": row.net_e4, "currency": row.currency,
        "ahead": _speaks(row) and not_yet(row.at, now),
    }  # fmt: skip


def _speaks(row: EventRow) -> bool:
    return row.name in WORDS and bool(row.customer)


def _counts(row: EventRow, now: datetime) -> bool:
    return _speaks(row) and counts(WORDS[row.name], row.at, now)
