"""Coupons as people look at them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from mailer.core.coupon import E4
from mailer.store.engine import Database
from mailer.store.tables import coupon, customer

PAGE = 2_000


class Coupons:
    """Codes on the database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(self, campaign: str | None = None) -> AsyncIterator[dict[str, Any]]:
        """Every code in the order they were made; read in pages, so a slow reader holds nothing up."""
        wanted = (
            select(coupon, customer.c.ext_id.label("customer"))
            .outerjoin(customer, customer.c.id == coupon.c.customer_id)
            .order_by(coupon.c.id)
            .limit(PAGE)
        )
        if campaign is not None:
            wanted = wanted.where(coupon.c.campaign == campaign)
        after = 0
        while True:
            async with self._db.read() as conn:
                page = (await conn.execute(wanted.where(coupon.c.id > after))).all()
            for row in page:
                yield {
                    "code": row.code,
                    "campaign": row.campaign,
                    "pool": row.pool,
                    "customer": row.customer,
                    "state": row.state,
                    "percent": row.percent,
                    "amount": None if row.amount_e4 is None else Decimal(row.amount_e4) / E4,
                    "currency": row.currency,
                    "valid_until": row.valid_until,
                    "issued_at": row.issued_at,
                    "redeemed_at": row.redeemed_at,
                    "delivery": row.delivery_id,
                }
            if len(page) < PAGE:
                return
            after = page[-1].id
