"""Answers and choices by link, each in one transaction: what was said, what follows from it, and the proof."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select, update
from sqlalchemy import insert as plain_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.consent import BARRING, TOPIC, UNSUBSCRIBED, Action, Choices, Via
from mailer.core.customer import normalise_address
from mailer.core.event_row import EventRow
from mailer.core.links import ATTRIBUTE, SCOPE, Counting, agrees
from mailer.core.merge import Fate
from mailer.store.barred import forgotten
from mailer.store.dialect import insert
from mailer.store.engine import Database
from mailer.store.events import Events
from mailer.store.tables import consent_entry, customer, suppression

SOURCE = "preferences page"


class AnswerBook:
    """Writes down what people say."""

    def __init__(self, database: Database, tenant_zone: ZoneInfo) -> None:
        self._database = database
        self._events = Events(database, tenant_zone)

    async def note(
        self, to: tuple[int, str], name: str, event_id: str, properties: Mapping[str, Any], now: datetime
    ) -> bool | None:
        """An event of the customer who still has the address; False: it was known. None: nobody has it."""
        key, email = to
        async with self._database.read() as connection:
            ext_id = await connection.scalar(
                select(customer.c.ext_id).where(
                    customer.c.id == key, customer.c.email_key == normalise_address(email)
                )
            )
        if ext_id is None:
            return None
        row = EventRow(0, event_id, ext_id, name, now, properties)
        (fate,) = await self._events.add([row], now)
        return fate is Fate.CREATED

    async def choices(self, customer_key: int, email: str) -> Choices:
        """What the address gets."""
        email_key = normalise_address(email)
        async with self._database.read() as connection:
            scopes = set(
                await connection.scalars(
                    select(suppression.c.scope).where(suppression.c.email_key == email_key)
                )
            )
            who = (
                await connection.execute(
                    select(customer.c.consent, customer.c.attributes).where(
                        customer.c.id == customer_key, customer.c.email_key == email_key
                    )
                )
            ).one_or_none()
            gone = who is None and await forgotten(connection, email_key)
        return Choices(
            unsubscribed=gone or bool(scopes & BARRING) or (who is not None and who.consent == "no"),
            refused=frozenset(each.removeprefix(TOPIC) for each in scopes if each.startswith(TOPIC)),
            counted=Counting.NO if SCOPE in scopes else agrees(who.attributes) if who is not None else None,
        )

    async def choose(
        self,
        to: tuple[int, str],
        topics: Mapping[str, bool],
        counted: Counting | None,
        proof: Mapping[str, Any],
        now: datetime,
    ) -> bool:
        """Write down what an address is to get; False when it was so already."""
        key, email = to
        email_key = normalise_address(email)
        wanted = {f"{TOPIC}{topic}": yes for topic, yes in topics.items()}
        if counted is not None:
            wanted[SCOPE] = counted is not Counting.NO
        async with self._database.write() as connection:
            who = (
                await connection.execute(
                    select(customer.c.attributes)
                    .where(customer.c.id == key, customer.c.email_key == email_key)
                    .with_for_update()
                )
            ).one_or_none()
            if who is None and await forgotten(connection, email_key):
                return False
            changed = [
                scope
                for scope, yes in wanted.items()
                if await _set(connection, email_key, scope, now, yes=yes)
            ]
            if who is None:
                return bool(changed)
            if counted is not None and agrees(who.attributes) is not counted:
                changed = [*dict.fromkeys([*changed, SCOPE])]
                attributes = {**who.attributes, ATTRIBUTE: counted.value}
                await connection.execute(
                    update(customer).where(customer.c.id == key).values(attributes=attributes, updated_at=now)
                )
            if changed:
                entry = {
                    "customer_id": key, "email_key": email_key, "source": SOURCE, "via": Via.LINK, "at": now,
                    "stored_at": now, "proof": dict(proof),
                }  # fmt: skip
                said = {True: Action.GRANTED, False: Action.REVOKED}
                await connection.execute(
                    plain_insert(consent_entry),
                    [{**entry, "purpose": scope, "action": said[wanted[scope]]} for scope in changed],
                )
        return bool(changed)


async def _set(connection: AsyncConnection, email_key: str, scope: str, now: datetime, *, yes: bool) -> bool:
    """Let the address have what `scope` names, or no more; whether that is new."""
    if yes:
        gone = await connection.scalars(
            delete(suppression)
            .where(
                suppression.c.email_key == email_key,
                suppression.c.scope == scope,
                suppression.c.reason == UNSUBSCRIBED,
            )
            .returning(suppression.c.scope)
        )
        return bool(gone.all())
    statement = insert(connection, suppression).values(
        email_key=email_key, scope=scope, reason=UNSUBSCRIBED, source=SOURCE, at=now
    )
    made = await connection.scalar(statement.on_conflict_do_nothing().returning(suppression.c.scope))
    return made is not None
