"""Rows that stay when a customer is erased, since they are counted: what of them says who it was goes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.erasure import ERASED, bar_key, blank_detail, blank_reply, blank_source
from mailer.core.event import EventKind
from mailer.store.dialect import slices
from mailer.store.tables import (
    consent_entry,
    coupon,
    customer_event,
    delivery,
    delivery_event,
    returned,
    run,
)

#: Of a redemption that is noted on a friend's mail: what stays.
_FRIENDLY = ("code", "net")


async def blank_mails(
    connection: AsyncConnection, mails: Sequence[tuple[int, str | None]], ext_id: str
) -> None:
    """Deliveries, by number and reply, and their events: the states stay; who, where to and what about goes."""
    if mails:
        await connection.execute(
            update(delivery)
            .where(delivery.c.id == bindparam("the_id"))
            .values(
                customer_id=None, once_key=None, email="", email_key="", context=None, reply=bindparam("said"),
            ),
            [{"the_id": number, "said": blank_reply(reply)} for number, reply in mails],
        )  # fmt: skip
    facts: dict[int, dict[str, Any] | None] = {}
    for part in slices([number for number, _reply in mails]):
        found = await connection.execute(
            select(delivery_event.c.id, delivery_event.c.detail).where(
                delivery_event.c.delivery_id.in_(part), delivery_event.c.detail.is_not(None)
            )
        )
        facts |= {row.id: blank_detail(row.detail) for row in found}
    # A friend's code they used is noted on the friend's mail.
    used = await connection.execute(
        select(delivery_event.c.id, delivery_event.c.detail).where(
            delivery_event.c.kind == EventKind.REDEEMED,
            delivery_event.c.detail["customer"].as_string() == ext_id,
        )
    )
    for row in used:
        facts.setdefault(row.id, {name: row.detail[name] for name in _FRIENDLY if name in row.detail})
    if facts:
        await connection.execute(
            update(delivery_event)
            .where(delivery_event.c.id == bindparam("the_id"))
            .values(detail=bindparam("left", type_=delivery_event.c.detail.type)),
            [{"the_id": number, "left": left} for number, left in facts.items()],
        )


async def blank_words(connection: AsyncConnection, key: int, salt: str) -> None:
    """The consent ledger keeps that somebody agreed and when, under the barred address; not how we know."""
    rows = await connection.execute(
        select(consent_entry.c.id, consent_entry.c.email_key, consent_entry.c.source).where(
            consent_entry.c.customer_id == key
        )
    )
    kept = [
        {
            "the_id": row.id,
            "mark": bar_key(salt, row.email_key) if row.email_key else "",
            "of": blank_source(row.source),
        }
        for row in rows
    ]
    if kept:
        await connection.execute(
            update(consent_entry)
            .where(consent_entry.c.id == bindparam("the_id"))
            .values(customer_id=None, email_key=bindparam("mark"), source=bindparam("of"), proof=None),
            kept,
        )


async def blank_returned(
    connection: AsyncConnection, mails: Sequence[int], addresses: Collection[str]
) -> None:
    """What came back about their mails, or about an address that nobody else has."""
    blank = update(returned).values(email_key="", diagnostic="", ext_id=None)
    for part in slices(mails):
        await connection.execute(blank.where(returned.c.delivery_id.in_(part)))
    await connection.execute(blank.where(returned.c.email_key.in_(addresses)))


async def blank_coupons(connection: AsyncConnection, key: int) -> None:
    """Codes stay spent, for nobody is to be given one a second time."""
    await connection.execute(
        update(coupon)
        .where(coupon.c.customer_id == key)
        .values(customer_id=None, once_key=None, redeemed_order=None)
    )


async def rename_runs(connection: AsyncConnection, key: int) -> None:
    """A run that an event of theirs set off is named by it, whether or not it came to a mail."""
    told = (
        await connection.scalars(select(customer_event.c.ext_id).where(customer_event.c.customer_id == key))
    ).all()
    for part in slices(told):
        found = await connection.scalars(select(run.c.id).where(run.c.occurrence.in_(part)))
        theirs = [{"the_id": number, "name": f"{ERASED}:{number}"} for number in found]
        if theirs:
            await connection.execute(
                update(run).where(run.c.id == bindparam("the_id")).values(occurrence=bindparam("name")),
                theirs,
            )
