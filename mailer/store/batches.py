"""Deliveries that differ in nothing but their customer, written by one statement: the database has the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, Text, literal, null, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.delivery import State
from mailer.core.run import Batch
from mailer.store.bulk import stretch
from mailer.store.dialect import insert
from mailer.store.pages import escaped
from mailer.store.reserve import Promise
from mailer.store.tables import customer, delivery


async def insert_batches(
    conn: AsyncConnection, batches: Sequence[Batch], same: Mapping[str, Any]
) -> tuple[int, list[Promise]]:
    """Write deliveries that have the values `same` in common; those already there stay as they are.

    Returns how many were new, and the coupons they were promised.
    """
    added, promises = 0, []
    for batch in batches:
        like = batch.like
        common = dict(same) | {
            "state": like.state, "reason": like.reason, "kind": like.kind, "due_at": like.due_at,
            "not_before": like.not_before, "expires_at": like.expires_at,
        }  # fmt: skip
        values = {
            "customer_id": customer.c.id,
            "once_key": _key(batch.around),
            "email": customer.c.email,
            "email_key": customer.c.email_key,
        } | {
            name: null() if each is None else literal(each, delivery.c[name].type)
            for name, each in common.items()
        }
        rows = select(*values.values()).where(stretch(customer.c.id, batch.customers, conn.dialect.name))
        written = insert(conn, delivery).from_select(list(values), rows)
        if like.coupon is None or like.state != State.QUEUED:
            # Nobody asks which of them were new, so they need not be told of one by one.
            added += (await _new(conn, written)).rowcount
            continue
        told = written.returning(delivery.c.id, delivery.c.customer_id, delivery.c.once_key)
        promises += [
            Promise(row.id, row.customer_id, row.once_key, like.coupon) for row in await _new(conn, told)
        ]
    return added + len(promises), promises


def _key(around: tuple[str, str] | None) -> ColumnElement[Any]:
    if around is None:
        return null()
    before, after = (literal(each, Text) for each in around)
    return before.concat(escaped(customer.c.ext_id)).concat(after)


async def _new(conn: AsyncConnection, written: Any) -> CursorResult[Any]:
    """Write what is not there yet.

    Who plans has left out whoever is there, so that on PostgreSQL it is tried without ON CONFLICT first: told of that
    it looks into each unique index before it writes, and marks each row once more.
    """
    counted = {"preserve_rowcount": True}
    made: CursorResult[Any]
    if conn.dialect.name == "postgresql":
        with suppress(IntegrityError):
            async with conn.begin_nested():
                made = await conn.execute(written, execution_options=counted)
                return made
    made = await conn.execute(written.on_conflict_do_nothing(), execution_options=counted)
    return made
