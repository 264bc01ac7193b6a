"""What a change of a delivery leaves behind: facts in `delivery_event`, and its coupon's new state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.coupon import CouponState
from mailer.store.changes import Marking
from mailer.store.statements import Step, together
from mailer.store.tables import delivery_event

#: From which states a coupon may go to another. A redeemed one stays redeemed, whatever its mail did.
_FROM = {
    CouponState.RESERVED: (CouponState.QUARANTINED,),  # a released one: `reserve.reserve_again`
    CouponState.ISSUED: (CouponState.RESERVED, CouponState.QUARANTINED),
    CouponState.RELEASED: (CouponState.RESERVED, CouponState.QUARANTINED),
    CouponState.QUARANTINED: (CouponState.RESERVED, CouponState.ISSUED),  # an issued one: its mail came back
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
    await together(connection, moving_coupons(delivery_ids, to, at))


def moving_coupons(delivery_ids: Sequence[int], to: CouponState, at: datetime) -> Step:
    """See `move_coupons`."""
    return _MOVES[to].of(delivery_ids, to=to, at=at)


def _move(to: CouponState) -> Marking:
    issued = ", issued_at = :at" if to is CouponState.ISSUED else ""
    known = ", ".join(f"'{state}'" for state in _FROM[to])
    return Marking(
        f"update coupon set state = :to, changed_at = :at{issued}"
        # Written so that no index of states serves: PostgreSQL began with all coupons that are reserved.
        f" where {{these by coupon.delivery_id}} and coalesce(state, '') in ({known})"
    )


_MOVES = {to: _move(to) for to in _FROM}
