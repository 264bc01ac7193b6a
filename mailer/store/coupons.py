"""Coupons as people and shops look at them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, Select, select

from mailer.core.coupon import E4, CouponState
from mailer.store.engine import Database
from mailer.store.tables import coupon, customer

PAGE = 2_000


class Coupons:
    """Codes on the database, read in pages, so that a slow reader holds nothing up."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(
        self, campaign: str | None = None, state: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Every code, in the order they were made or loaded."""
        wanted = _listing()
        if campaign is not None:
            wanted = wanted.where(coupon.c.campaign == campaign)
        if state is not None:
            wanted = wanted.where(coupon.c.state == state)
        async for row in self._pages(wanted):
            yield _plain(row)

    async def get(self, number: int) -> dict[str, Any] | None:
        """The code whose row has this number."""
        async with self._db.read() as conn:
            row = (await conn.execute(_listing().where(coupon.c.id == number))).first()
        return _plain(row) if row else None

    async def export(self, since: datetime | None = None) -> AsyncIterator[dict[str, Any]]:
        """What a shop has to know: every code that was ever promised to a customer, as it stands now.

        With `since`, those that were promised or took another step at that instant or later.
        """
        wanted = _listing().where(coupon.c.state != CouponState.AVAILABLE)
        if since is not None:
            wanted = wanted.where(coupon.c.changed_at >= since)
        async for row in self._pages(wanted):
            yield _plain(row)

    async def _pages(self, wanted: Select[Any]) -> AsyncIterator[Row[Any]]:
        after = 0
        while True:
            async with self._db.read() as conn:
                page = (await conn.execute(wanted.where(coupon.c.id > after))).all()
            for row in page:
                yield row
            if len(page) < PAGE:
                return
            after = page[-1].id


def _listing() -> Select[Any]:
    return (
        select(coupon, customer.c.ext_id.label("customer"))
        .outerjoin(customer, customer.c.id == coupon.c.customer_id)
        .order_by(coupon.c.id)
        .limit(PAGE)
    )


def _plain(row: Row[Any]) -> dict[str, Any]:
    return {
        "code": row.code,
        "kind": row.kind,
        "campaign": row.campaign,
        "pool": row.pool,
        "customer": row.customer,
        "state": row.state,
        "percent": row.percent,
        "amount": _units(row.amount_e4),
        "currency": row.currency,
        "valid_until": row.valid_until,
        "issued_at": row.issued_at,
        "redeemed_at": row.redeemed_at,
        "order": row.redeemed_order,
        "net": _units(row.redeemed_net_e4),
        "changed_at": row.changed_at,
        "delivery": row.delivery_id,
    }


def _units(e4: int | None) -> Decimal | None:
    return None if e4 is None else Decimal(e4) / E4
