"""Forgetting a customer: what is theirs goes, what the ledger counts stays and names nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.consent import COMMERCIAL, Action, Via
from mailer.core.coupon import CouponState
from mailer.core.delivery import CLAIMABLE, State
from mailer.core.event import EventKind
from mailer.errors import UsageError
from mailer.store.barred import SOURCE, alone, bar, salted
from mailer.store.belongings import belonging
from mailer.store.blanking import blank_coupons, blank_mails, blank_returned, blank_words, rename_runs
from mailer.store.dialect import slices
from mailer.store.engine import Database
from mailer.store.facts import Fact, move_coupons, record
from mailer.store.tables import claim, consent_entry, coupon, customer, delivery

#: Tables whose rows stay, without the customer.
_STAY = frozenset({delivery.name, coupon.name, consent_entry.name})


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of somebody. Their addresses are normalised."""

    addresses: tuple[str, ...]  # those that nobody else has
    shared: tuple[str, ...]  # those that another customer has, too
    message_ids: frozenset[str]  # of their mails
    mails: frozenset[int]  # the rows that stay, and name nobody
    cancelled: int  # of these had not left
    others: tuple[str, ...]  # ids of customers with the same address: barred with it


class Erasure:
    """Forgets customers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mails(self, ext_id: str) -> frozenset[int]:
        """Their deliveries; none, where there is no such customer."""
        theirs = select(delivery.c.id).join(customer, customer.c.id == delivery.c.customer_id)
        async with self._database.read() as connection:
            return frozenset(await connection.scalars(theirs.where(customer.c.ext_id == ext_id)))

    async def erase(self, ext_id: str, now: datetime, salt: str, *, registry: bool = False) -> Erased:
        """Forget a customer, in one transaction. `salt` is used if there is none yet.

        Raises:
            UsageError: there is no such customer, a mail to them is under way, or a `registry` of consent has not been
                told yet that they refused, and could not be told later.
        """
        async with self._database.write() as connection:
            if self._database.dialect == "sqlite":
                await connection.exec_driver_sql("PRAGMA secure_delete = ON")  # what is freed is overwritten
            await alone(connection)
            who = (
                await connection.execute(
                    select(customer.c.id, customer.c.email_key)
                    .where(customer.c.ext_id == ext_id)
                    .with_for_update()
                )
            ).one_or_none()
            if who is None:
                raise UsageError(f"There is no customer {ext_id!r}; see mailer customers list.")
            if registry and await _untold(connection, who.id):
                raise UsageError(
                    f"The registry of consent was not told yet that {ext_id} refused; nothing is erased. "
                    "Hand that over with mailer consent upload and try again."
                )
            mails = await _theirs(connection, who.id, ext_id)
            numbers = [row.id for row in mails]
            stopped = [row.id for row in mails if row.state in CLAIMABLE]
            await _stop(connection, stopped, now)
            addresses = await _addresses(connection, who.id)
            held = await _held_by_others(connection, addresses, who.id)
            gone = addresses - held.keys()
            others = held.get(who.email_key, [])
            used = await salted(connection, salt, now)
            # An address they had once and another customer has now is that customer's.
            await bar(connection, gone, [who.email_key] if others else [], used, now)
            await blank_mails(connection, [(row.id, row.reply) for row in mails], ext_id)
            await blank_words(connection, who.id, used)
            await blank_returned(connection, numbers, gone)
            await blank_coupons(connection, who.id)
            await rename_runs(connection, who.id)
            await _forget(connection, who.id)
        return Erased(
            tuple(sorted(gone)), tuple(sorted(held)), frozenset(row.message_id for row in mails if row.message_id),
            frozenset(numbers), len(stopped), tuple(others),
        )  # fmt: skip

    async def wipe(self) -> None:
        """Let nothing of it lie in the write-ahead log of an SQLite file."""
        await self._database.checkpoint()


async def _untold(connection: AsyncConnection, key: int) -> bool:
    """Whether their own refusal still has to be handed over to the registry."""
    entry = consent_entry.c
    refused = exists().where(
        entry.customer_id == key, entry.purpose == COMMERCIAL, entry.action == Action.REVOKED,
        entry.via != Via.REGISTRY, entry.email_key != "", entry.registry_status.is_(None),
    )  # fmt: skip
    return bool(await connection.scalar(select(refused)))


async def _theirs(connection: AsyncConnection, key: int, ext_id: str) -> Sequence[Row[Any, Any, Any, Any]]:
    rows = (
        await connection.execute(
            select(delivery.c.id, delivery.c.state, delivery.c.reply, delivery.c.message_id)
            .where(delivery.c.customer_id == key)
            .order_by(delivery.c.id)
            .with_for_update()
        )
    ).all()
    claimed = {each for ids in await connection.scalars(select(claim.c.deliveries)) for each in ids}
    if any(row.state == State.SENDING or row.id in claimed for row in rows):
        raise UsageError(
            f"A mail to {ext_id} is under way, or its sender was stopped in the middle; nothing is erased. "
            "Try again in a minute, while mailer is running."
        )
    return rows


async def _stop(connection: AsyncConnection, waiting: Sequence[int], now: datetime) -> None:
    """What has not left never will."""
    for part in slices(waiting):
        await connection.execute(
            update(delivery)
            .where(delivery.c.id.in_(part))
            .values(state=State.CANCELLED, reason=None, updated_at=now)
        )
    await move_coupons(connection, waiting, CouponState.RELEASED, now)
    await record(connection, [Fact(each, EventKind.CANCELLED, now, {"by": SOURCE}) for each in waiting])


async def _addresses(connection: AsyncConnection, key: int) -> set[str]:
    """Every address they had with us."""
    found: set[str] = set()
    for column, whose in (
        (customer.c.email_key, customer.c.id),
        (delivery.c.email_key, delivery.c.customer_id),
        (consent_entry.c.email_key, consent_entry.c.customer_id),
    ):
        found |= set(await connection.scalars(select(column).where(whose == key).distinct()))
    return found - {""}


async def _held_by_others(connection: AsyncConnection, addresses: set[str], key: int) -> dict[str, list[str]]:
    """By address, the shop's ids of other customers who have it, the oldest record first."""
    rows = await connection.execute(
        select(customer.c.email_key, customer.c.ext_id)
        .where(customer.c.email_key.in_(addresses), customer.c.id != key)
        .order_by(customer.c.id)
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.email_key, []).append(row.ext_id)
    return found


async def _forget(connection: AsyncConnection, key: int) -> None:
    """The rest goes: the customer, and every row that is theirs alone."""
    for table, column in belonging():
        if table.name not in _STAY:
            await connection.execute(delete(table).where(column == key))
    await connection.execute(delete(customer).where(customer.c.id == key))
