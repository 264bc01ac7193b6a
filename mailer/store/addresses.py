"""Where customers can be written to, and what may keep a mail from getting there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.store.bulk import among
from mailer.store.dialect import slices
from mailer.store.tables import customer, suppression


class Address(NamedTuple):
    """Where a customer can be written to."""

    id: str  # the shop's id
    email: str
    address: str  # normalised
    zone: str | None  # IANA; none: the tenant's
    suppressed: bool  # for everybody, service mail too


def _dead() -> ColumnElement[bool]:
    return exists().where(suppression.c.email_key == customer.c.email_key, suppression.c.scope == "all")


async def addresses(conn: AsyncConnection, keys: Sequence[int]) -> dict[int, Address]:
    """The addresses of customers, by customer.id."""
    wanted = select(
        customer.c.id,
        customer.c.ext_id,
        customer.c.email,
        customer.c.email_key,
        customer.c.zone,
        _dead().label("dead"),
    )
    dialect = conn.dialect.name
    return {
        key: Address(*rest)
        for part in slices(keys)
        for key, *rest in (await conn.execute(wanted.where(among(customer.c.id, part, dialect)))).all()
    }


async def count_unreachable(conn: AsyncConnection, keys: Sequence[int]) -> int:
    """How many of these customers have no address, or a dead one."""
    wanted = select(func.count()).select_from(customer).where(or_(customer.c.email_key == "", _dead()))
    found = 0
    for part in slices(keys):
        found += await conn.scalar(wanted.where(among(customer.c.id, part, conn.dialect.name))) or 0
    return found


async def hindered(conn: AsyncConnection, keys: Sequence[int]) -> list[int]:
    """Those of these customers who have no address, a dead one, or one that others have, too."""
    other = customer.alias("other")
    shared = exists().where(other.c.email_key == customer.c.email_key, other.c.id != customer.c.id)
    wanted = select(customer.c.id).where(or_(customer.c.email_key == "", _dead(), shared))
    found: list[int] = []
    for part in slices(keys):
        found += await conn.scalars(wanted.where(among(customer.c.id, part, conn.dialect.name)))
    return sorted(found)
