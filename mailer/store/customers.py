"""Customers as people and programs ask for them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from sqlalchemy import Row, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.customer import Customer, normalise_address
from mailer.store.engine import Database
from mailer.store.tables import consent_entry, customer, customer_date, service_point, suppression


async def still_here(connection: AsyncConnection, keys: Sequence[int]) -> Sequence[int]:
    """Those of the customers who have not been removed meanwhile; none is until this transaction ends."""
    wanted = select(customer.c.id).where(customer.c.id.in_(keys))
    return (await connection.scalars(wanted.with_for_update(read=True, key_share=True))).all()


class Customers:
    """Reads customers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> AsyncGenerator[dict[str, Any], None]:
        """Every customer as a plain mapping, oldest record first, one at a time."""
        async with self._database.read() as connection, connection.stream(_question()) as rows:
            async for row in rows:
                yield as_facts(row)

    async def page(self, after: int = 0, limit: int = 100) -> Sequence[dict[str, Any]]:
        """At most `limit` customers whose `key` is above `after`."""
        question = _question().where(customer.c.id > after).limit(limit)
        async with self._database.read() as connection:
            return [{"key": row.id, **as_facts(row)} for row in await connection.execute(question)]

    async def get(self, ext_id: str) -> Customer | None:
        """The customer of the shop's id."""
        async with self._database.read() as connection:
            row = (await connection.execute(_question().where(customer.c.ext_id == ext_id))).first()
        return as_customer(row) if row else None

    async def find(self, text: str, limit: int = 100) -> Sequence[dict[str, Any]]:
        """Whoever has this id or this address, exactly, the oldest record first; at most `limit`."""
        either = or_(customer.c.ext_id == text, customer.c.email_key == normalise_address(text))
        async with self._database.read() as connection:
            return [as_facts(row) for row in await connection.execute(_question().where(either).limit(limit))]

    async def key(self, ext_id: str) -> int | None:
        """Our own number (customer.id) of the shop's id."""
        async with self._database.read() as connection:
            return await connection.scalar(select(customer.c.id).where(customer.c.ext_id == ext_id))

    async def show(self, ext_id: str) -> dict[str, Any] | None:
        """All that is kept about a customer but for what was sent: facts, dates, points, suppressions."""
        async with self._database.read() as connection:
            row = (await connection.execute(_question().where(customer.c.ext_id == ext_id))).first()
            if row is None:
                return None
            days = await connection.execute(
                select(customer_date)
                .where(customer_date.c.customer_id == row.id)
                .order_by(customer_date.c.attr)
            )
            points = await connection.execute(
                select(service_point)
                .where(service_point.c.customer_id == row.id)
                .order_by(service_point.c.id)
            )
            barred = await connection.execute(
                select(suppression)
                .where(suppression.c.email_key == row.email_key)
                .order_by(suppression.c.scope)
            )
            return {
                **as_facts(row),
                "stored_at": row.stored_at,
                "updated_at": row.updated_at,
                "dates": [
                    {
                        "attribute": day.attr, "month": day.month, "day": day.day, "year": day.year,
                        "set_at": day.set_at, "placeholder": day.placeholder,
                    }
                    for day in days
                ],
                "points": [
                    {
                        "id": point.ext_id, "service": point.service, "postal_code": point.postal_code,
                        "lat": point.lat, "lon": point.lon, "label": point.label,
                    }
                    for point in points
                ],
                "suppressions": [
                    {"scope": one.scope, "reason": one.reason, "source": one.source, "at": one.at}
                    for one in barred
                ] if row.email_key else [],
            }  # fmt: skip

    async def consent_entries(self, ext_id: str) -> Sequence[dict[str, Any]]:
        """The consent ledger of a customer, by when each word was given."""
        entry = consent_entry.c
        names = (
            "purpose",
            "action",
            "source",
            "via",
            "text_version",
            "at",
            "stored_at",
            "proof",
            "registry_status",
        )
        question = (
            select(entry.email_key.label("address"), *(entry[name] for name in names))
            .join(customer, customer.c.id == entry.customer_id)
            .where(customer.c.ext_id == ext_id)
            .order_by(entry.at, entry.id)
        )
        async with self._database.read() as connection:
            return [dict(row) for row in (await connection.execute(question)).mappings()]

    async def zones(self) -> set[str | None]:
        """Every zone some customer is in; None: the tenant's."""
        async with self._database.read() as connection:
            return set(await connection.scalars(select(customer.c.zone).distinct()))

    async def count(self) -> int:
        """How many there are."""
        async with self._database.read() as connection:
            return int(await connection.scalar(select(func.count()).select_from(customer)) or 0)


def _question() -> Select[Any]:
    return select(customer).order_by(customer.c.id)


def as_customer(row: Row[Any]) -> Customer:
    """The value of a row of `customer`."""
    return Customer(
        row.ext_id, row.email, row.first_name, row.last_name, row.locale, row.timezone, row.country,
        row.postal_code, row.created_at, tuple(row.services), row.attributes,
    )  # fmt: skip


def as_facts(row: Row[Any]) -> dict[str, Any]:
    """A row of `customer` under the names an import file has for its facts."""
    return {
        "id": row.ext_id, "email": row.email, "first_name": row.first_name, "last_name": row.last_name,
        "locale": row.locale, "timezone": row.timezone, "zone": row.zone, "country": row.country,
        "postal_code": row.postal_code, "created_at": row.created_at, "services": row.services,
        "attributes": row.attributes, "consent": row.consent, "consent_at": row.consent_at,
    }  # fmt: skip
