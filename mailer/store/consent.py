"""The consent ledger and what is folded from it, kept in step in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy import insert as plain_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.consent import COMMERCIAL, UNSUBSCRIBED, Action, Effect, Entry, Via, effect, fold
from mailer.store.dialect import insert
from mailer.store.tables import consent_entry, customer, suppression


@dataclass(frozen=True, slots=True)
class Said:
    """A person's word on commercial mail, about to be written down."""

    customer_key: int  # customer.id
    email_key: str  # the address it was given for; empty: none
    action: Action
    at: datetime
    via: Via
    source: str
    proof: Mapping[str, Any] | None = None
    text_version: str | None = None  # which wording was agreed to


async def latest_entries(
    connection: AsyncConnection, customer_keys: Collection[int]
) -> dict[int, tuple[Entry, ...]]:
    """The latest entry of each kind of every customer asked for, in the order stored: enough to fold."""
    entry = consent_entry.c
    rows = await connection.execute(
        select(entry.customer_id, entry.action, entry.via, func.max(entry.at))
        .where(entry.customer_id.in_(customer_keys), entry.purpose == COMMERCIAL)
        .group_by(entry.customer_id, entry.action, entry.via)
        .order_by(func.max(entry.id))
    )
    found: dict[int, tuple[Entry, ...]] = {}
    for key, action, via, at in rows:
        found[key] = (*found.get(key, ()), Entry(Action(action), at, Via(via)))
    return found


async def record(connection: AsyncConnection, said: Sequence[Said], now: datetime) -> None:
    """Add to the ledger, and let customers and addresses follow from it, within a writing transaction.

    A word dated later than `now` counts as said now: it must not outweigh what the person says next.
    """
    if not said:
        return
    # Two words at one time: the second waits here, and then folds both.
    await connection.execute(
        select(customer.c.id)
        .where(customer.c.id.in_({word.customer_key for word in said}))
        .order_by(customer.c.id)
        .with_for_update()
    )
    await connection.execute(
        plain_insert(consent_entry),
        [
            {
                "customer_id": word.customer_key, "email_key": word.email_key, "purpose": COMMERCIAL,
                "action": word.action, "source": word.source, "via": word.via, "at": min(word.at, now),
                "stored_at": now, "proof": word.proof and dict(word.proof), "text_version": word.text_version,
            }
            for word in said
        ],
    )  # fmt: skip
    words: dict[int, list[Said]] = {}
    for word in said:
        words.setdefault(word.customer_key, []).append(word)
    entries = await latest_entries(connection, words.keys())
    folded = {key: fold(entries[key]) for key in sorted(words)}
    await connection.execute(
        update(customer)
        .where(customer.c.id == bindparam("the_id"))
        .values(consent=bindparam("the_consent"), consent_at=bindparam("the_at"), updated_at=now),
        [
            {"the_id": key, "the_consent": standing.consent, "the_at": standing.at}
            for key, standing in folded.items()
        ],
    )
    for key, standing in folded.items():
        does = effect(standing, [word.action for word in words[key]])
        last = max(words[key], key=lambda word: word.at)
        if standing.at is None or does is Effect.NONE:
            continue
        for email_key in sorted({word.email_key for word in words[key]} - {""}):
            if does is Effect.BAR:
                await bar(connection, email_key, last.source, standing.at)
            else:
                await _lift(connection, email_key, standing.at)


async def bar(connection: AsyncConnection, email_key: str, source: str, at: datetime) -> None:
    """Suppress an address for commercial mail, as its owner unsubscribed."""
    statement = insert(connection, suppression).values(
        email_key=email_key, scope=COMMERCIAL, reason=UNSUBSCRIBED, source=source, at=at
    )
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[suppression.c.email_key, suppression.c.scope],
            set_={"at": statement.excluded.at, "source": statement.excluded.source},
            # A complaint or a person's own bar stays what it is: a confirmation does not lift those.
            where=(suppression.c.reason == UNSUBSCRIBED) & (suppression.c.at < statement.excluded.at),
        )
    )


async def _lift(connection: AsyncConnection, email_key: str, at: datetime) -> None:
    await connection.execute(
        delete(suppression).where(
            suppression.c.email_key == email_key,
            suppression.c.scope == COMMERCIAL,
            suppression.c.reason == UNSUBSCRIBED,
            suppression.c.at < at,
        )
    )
