"""Customer rows into the database, some thousand at a time: one transaction, a handful of statements."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, or_, select, update
from sqlalchemy import insert as plain_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.consent import COMMERCIAL, COMPLAINT, UNSUBSCRIBED, Entry, Via
from mailer.core.customer import PartialDate
from mailer.core.customer_row import CustomerRow
from mailer.core.merge import Fate, Merged, Stored, merge
from mailer.core.zones import Zones
from mailer.store.barred import bar_again, beside
from mailer.store.consent import latest_entries
from mailer.store.dialect import insert
from mailer.store.engine import Database
from mailer.store.scratch import Scratch
from mailer.store.stored import as_columns, from_plain, from_row, to_plain
from mailer.store.tables import consent_entry, customer, customer_date, suppression


class CustomerMerge:
    """Writes customer rows."""

    def __init__(self, database: Database, zones: Zones) -> None:
        self._database = database
        self._zones = zones

    async def merge(self, rows: Sequence[CustomerRow], now: datetime) -> list[Merged]:
        """What became of each row, in one transaction; a later row of the same id meets the earlier."""
        async with self._database.write() as connection:
            await beside(connection)
            stored = await _with_ledgers(connection, await _load(connection, rows, lock=True), rows)
            merged = _merge(stored, rows, self._zones, now, await _barred(connection, rows, stored))
            await _write(connection, stored, merged, now)
        return merged

    async def survey(self) -> None:
        """Many rows came at once: let the database look what it has."""
        await self._database.survey(customer, customer_date, consent_entry)

    @asynccontextmanager
    async def rehearsal(self) -> AsyncIterator[RehearsedMerge]:
        """The same, writing nothing."""
        async with Scratch.open() as scratch:
            yield RehearsedMerge(self._database, self._zones, scratch)


class RehearsedMerge:
    """Answers as `CustomerMerge` would, and remembers what it would have written."""

    def __init__(self, database: Database, zones: Zones, scratch: Scratch) -> None:
        self._database = database
        self._zones = zones
        self._scratch = scratch

    async def merge(self, rows: Sequence[CustomerRow], now: datetime) -> list[Merged]:
        """What would become of each row."""
        async with self._database.read() as connection:
            stored = await _load(connection, rows, lock=False)
            kept = await self._scratch.get([row.id for row in rows])
            stored |= {key: from_plain(value) for key, value in kept.items()}
            stored = await _with_ledgers(connection, stored, rows)
            merged = _merge(stored, rows, self._zones, now, await _barred(connection, rows, stored))
        changed = {one.after.id: to_plain(one.after) for one in merged if one.fate is not Fate.UNCHANGED}
        await self._scratch.put(changed)
        return merged


def _merge(
    stored: Mapping[str, Stored], rows: Sequence[CustomerRow], zones: Zones, now: datetime, barred: set[str]
) -> list[Merged]:
    state = dict(stored)
    merged = []
    for row in rows:
        before = state.get(row.id)
        one = merge(before, row, zones, now, barred=_address(row, before) in barred)
        state[row.id] = one.after
        merged.append(one)
    return merged


def _address(row: CustomerRow, stored: Stored | None) -> str:
    """The address the customer will have after `row`, as it is suppressed."""
    return row.email_key or (stored.email_key if stored else "")


async def _load(connection: AsyncConnection, rows: Sequence[CustomerRow], *, lock: bool) -> dict[str, Stored]:
    question = select(customer).where(customer.c.ext_id.in_({row.id for row in rows})).order_by(customer.c.id)
    if lock:
        question = question.with_for_update()  # an unsubscribe may come at the same time
    return {row.ext_id: from_row(row) for row in await connection.execute(question)}


async def _with_ledgers(
    connection: AsyncConnection, stored: dict[str, Stored], rows: Sequence[CustomerRow]
) -> dict[str, Stored]:
    """`stored`, with the ledger of those whose consent a row speaks of."""
    asked = {row.id for row in rows if row.consent is not None}
    bare = {
        one.key: one for one in stored.values()
        if one.key is not None and one.id in asked and one.standing.consent != "unknown" and not one.entries
    }  # fmt: skip
    if not bare:
        return stored
    ledgers = await latest_entries(connection, bare.keys())
    return stored | {bare[key].id: replace(bare[key], entries=entries) for key, entries in ledgers.items()}


async def _barred(
    connection: AsyncConnection, rows: Sequence[CustomerRow], stored: Mapping[str, Stored]
) -> set[str]:
    """Those addresses of rows that bring a yes which a person's own word bars."""
    asked = {_address(row, stored.get(row.id)) for row in rows if row.consent} - {""}
    if not asked:
        return set()
    found = await connection.scalars(
        select(suppression.c.email_key).where(
            suppression.c.email_key.in_(asked),
            suppression.c.scope == COMMERCIAL,
            or_(suppression.c.reason == UNSUBSCRIBED, suppression.c.reason == COMPLAINT),
        )
    )
    return set(found)


async def _write(
    connection: AsyncConnection, stored: Mapping[str, Stored], merged: Sequence[Merged], now: datetime
) -> None:
    after = {one.after.id: one.after for one in merged if one.fate is not Fate.UNCHANGED}
    if not after:
        return
    new = [
        as_columns(one, now) | {"ext_id": key, "stored_at": now}
        for key, one in after.items() if key not in stored
    ]  # fmt: skip
    keys = {key: one.key for key, one in stored.items()}
    if new:
        written = await connection.execute(
            plain_insert(customer).returning(customer.c.ext_id, customer.c.id), new
        )
        keys |= {row.ext_id: row.id for row in written}
    changed = [as_columns(one, now) | {"the_id": one.key} for key, one in after.items() if key in stored]
    if changed:
        await connection.execute(update(customer).where(customer.c.id == bindparam("the_id")), changed)
    days: dict[tuple[int, str], PartialDate | None] = {}
    afresh: set[tuple[int, str]] = set()
    entries: list[dict[str, Any]] = []
    for one in merged:
        key = keys[one.after.id]
        if key is None:
            continue
        days |= {(key, attr): day for attr, day in one.days.items()}
        afresh |= {(key, attr) for attr in one.days.keys() - one.same_days}
        if one.entry is not None:
            entries.append(_entry(key, one, one.entry, now))
    await _write_days(connection, days, afresh, now)
    # Only what is new or has moved: whoever is here already was looked at then.
    moved = {
        one.email_key
        for key, one in after.items()
        if key not in stored or one.email_key != stored[key].email_key
    }
    await bar_again(connection, moved, now)
    if entries:
        await connection.execute(plain_insert(consent_entry), entries)


def _entry(key: int, one: Merged, entry: Entry, now: datetime) -> dict[str, Any]:
    return {
        "customer_id": key, "email_key": one.after.email_key, "purpose": COMMERCIAL, "action": entry.action,
        "source": one.source, "via": Via.IMPORT, "at": entry.at, "stored_at": now,
    }  # fmt: skip


async def _write_days(
    connection: AsyncConnection,
    days: Mapping[tuple[int, str], PartialDate | None],
    afresh: Collection[tuple[int, str]],
    now: datetime,
) -> None:
    """Write down the days of customers, by attribute; those not `afresh` keep the instant from which they count."""
    gone = [{"the_id": key, "the_attr": attr} for (key, attr), day in days.items() if day is None]
    if gone:
        await connection.execute(
            delete(customer_date).where(
                customer_date.c.customer_id == bindparam("the_id"),
                customer_date.c.attr == bindparam("the_attr"),
            ),
            gone,
        )
    put = [
        {
            "customer_id": key, "attr": attr, "month": day.month, "day": day.day, "year": day.year,
            "set_at": now, "placeholder": day.placeholder,
        }
        for (key, attr), day in days.items() if day is not None
    ]  # fmt: skip
    names = ("month", "day", "year", "set_at", "placeholder")
    for kept in (True, False):
        some = [row for row in put if ((row["customer_id"], row["attr"]) not in afresh) is kept]
        if not some:
            continue
        statement = insert(connection, customer_date)
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=[customer_date.c.customer_id, customer_date.c.attr],
                set_={name: statement.excluded[name] for name in names if not (kept and name == "set_at")},
            ),
            some,
        )
