"""Deliveries that differ in nothing but their customer, written by one statement: the database has the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Text, literal, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.delivery import State
from mailer.core.run import Batch
from mailer.store.bulk import among
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
        like, (before, after) = batch.like, batch.around
        common = dict(same) | {
            "state": like.state, "reason": like.reason, "kind": like.kind, "due_at": like.due_at,
            "not_before": like.not_before, "expires_at": like.expires_at,
        }  # fmt: skip
        values = {
            "customer_id": customer.c.id,
            "once_key": literal(before, Text).concat(escaped(customer.c.ext_id)).concat(literal(after, Text)),
            "email": customer.c.email,
            "email_key": customer.c.email_key,
        } | {
            name: null() if each is None else literal(each, delivery.c[name].type)
            for name, each in common.items()
        }
        rows = select(*values.values()).where(among(customer.c.id, batch.customers, conn.dialect.name))
        statement = insert(conn, delivery).from_select(list(values), rows).on_conflict_do_nothing()
        if like.coupon is None or like.state != State.QUEUED:
            # Nobody asks which of them were new, so they need not be told of one by one.
            added += (await conn.execute(statement, execution_options={"preserve_rowcount": True})).rowcount
            continue
        made = await conn.execute(
            statement.returning(delivery.c.id, delivery.c.customer_id, delivery.c.once_key)
        )
        promises += [Promise(number, who, key, like.coupon) for number, who, key in made.all()]
    return added + len(promises), promises
