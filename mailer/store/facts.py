"""What a change of a delivery leaves behind: facts in `delivery_event`, and its coupon's new state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.coupon import CouponState
from mailer.store.dialect import slices
from mailer.store.tables import coupon, delivery_event

#: From which states a coupon may go to another. A redeemed one stays redeemed, whatever its mail did.
_FROM = {
    CouponState.RESERVED: (CouponState.QUARANTINED,),  # a released one: `reserve.reserve_again`
    CouponState.ISSUED: (CouponState.RESERVED, CouponState.QUARANTINED),
    CouponState.RELEASED: (CouponState.RESERVED, CouponState.QUARANTINED),
    CouponState.QUARANTINED: (CouponState.RESERVED,),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to a delivery."""

    delivery_id: int
    kind: str
    at: datetime
    detail: Mapping[str, Any] | None = None


async def record(connection: AsyncConnection, facts: Sequence[Fact]) -> None:
    """Append facts."""
    if facts:
        await connection.execute(
            insert(delivery_event),
            [
                {
                    "delivery_id": fact.delivery_id,
                    "kind": str(fact.kind),
                    "at": fact.at,
                    "detail": dict(fact.detail) if fact.detail else None,
                }
                for fact in facts
            ],
        )


async def move_coupons(
    connection: AsyncConnection, delivery_ids: Sequence[int], to: CouponState, at: datetime
) -> None:
    """Put the coupons of these deliveries into another state, where that is a step they can take."""
    values: dict[str, Any] = {"state": to, "changed_at": at}
    if to is CouponState.ISSUED:
        values["issued_at"] = at
    for part in slices(delivery_ids):
        await connection.execute(
            update(coupon)
            .where(coupon.c.delivery_id.in_(part), coupon.c.state.in_(_FROM[to]))
            .values(**values)
        )
