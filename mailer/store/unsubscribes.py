"""An unsubscribe by link: the ledger, the address and the delivery's own story, in one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.consent import COMMERCIAL, UNSUBSCRIBED, Action, Via, fold
from mailer.core.customer import normalise_address
from mailer.core.delivery import State
from mailer.store.barred import forgotten
from mailer.store.consent import Said, bar, latest_entries
from mailer.store.consent import record as record_word
from mailer.store.engine import Database
from mailer.store.facts import Fact
from mailer.store.facts import record as record_fact
from mailer.store.tables import customer, delivery, suppression

SOURCE = "unsubscribe link"


class Unsubscribes:
    """Writes down that somebody wants no more commercial mail."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revoke(
        self, customer_key: int, email: str, *, delivery_id: int, how: str, now: datetime
    ) -> bool:
        """Revoke the consent of a customer and bar the address; False when both stood already.

        The address is barred whatever became of the customer since the mail left. The customer is the one the
        mail went to, or the one who has the address: a number may have passed on to somebody else.
        """
        email_key = normalise_address(email)
        async with self._database.write() as connection:
            found = await connection.scalar(
                select(customer.c.id).where(customer.c.id == customer_key).with_for_update()
            )
            sent = await _was_sent(connection, delivery_id, customer_key, email_key)
            if found is None or not (sent or await _has(connection, customer_key, email_key)):
                if await _barred(connection, email_key) or await forgotten(connection, email_key):
                    return False
                await bar(connection, email_key, SOURCE, now)
                return True
            entries = (await latest_entries(connection, [customer_key])).get(customer_key, ())
            standing = fold(entries)
            own_no = standing.consent == "no" and standing.via is not Via.IMPORT
            if own_no and await _barred(connection, email_key):
                return False
            # Whatever clock an earlier word was given by, this one comes after it.
            at = max([now, *(entry.at for entry in entries)])
            proof: dict[str, Any] = {"how": how, "delivery": delivery_id}
            said = Said(customer_key, email_key, Action.REVOKED, at, Via.LINK, SOURCE, proof)
            await record_word(connection, [said], at)
            if sent:
                await record_fact(connection, [Fact(delivery_id, UNSUBSCRIBED, at, {"how": how})])
        return True

    async def starting(self, email: str) -> bool:
        """Whether a commercial mail to this address is in `sending`."""
        marked = exists().where(
            delivery.c.sender_id.is_not(None),  # the few being sent: an index of its own
            delivery.c.state == State.SENDING,
            delivery.c.purpose == COMMERCIAL,
            delivery.c.email_key == normalise_address(email),
        )
        async with self._database.read() as connection:
            return bool(await connection.scalar(select(marked)))


async def _barred(connection: AsyncConnection, email_key: str) -> bool:
    wanted = exists().where(suppression.c.email_key == email_key, suppression.c.scope == COMMERCIAL)
    return bool(await connection.scalar(select(wanted)))


async def _was_sent(connection: AsyncConnection, delivery_id: int, customer_key: int, email_key: str) -> bool:
    wanted = exists().where(
        delivery.c.id == delivery_id,
        delivery.c.customer_id == customer_key,
        delivery.c.email_key == email_key,
    )
    return bool(await connection.scalar(select(wanted)))


async def _has(connection: AsyncConnection, customer_key: int, email_key: str) -> bool:
    wanted = exists().where(customer.c.id == customer_key, customer.c.email_key == email_key)
    return bool(await connection.scalar(select(wanted)))
