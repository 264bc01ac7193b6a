"""All that a render needs, read once for a chunk of claimed deliveries."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import RowMapping, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.coupon import CouponState
from mailer.core.customer import Customer
from mailer.core.handoff import CouponView, SendJob
from mailer.store.tables import coupon, coupon_reminder, customer, delivery, run

_SHOWN = (CouponState.RESERVED, CouponState.ISSUED, CouponState.QUARANTINED, CouponState.REDEEMED)

_PERSON = (
    "ext_id", "first_name", "last_name", "locale", "timezone", "country", "postal_code", "services",
    "attributes",
)  # fmt: skip
_OURS = (
    "id", "run_id", "campaign", "purpose", "kind", "email", "due_at", "attempts", "message_id",
    "customer_id", "expires_at", "context",
)  # fmt: skip
_WORTH = ("code", "percent", "amount_e4", "currency", "valid_until")

_JOBS = (
    select(
        *(delivery.c[name] for name in _OURS),
        *(customer.c[name] for name in _PERSON),
        customer.c.email.label("own_email"),
        customer.c.created_at,
        customer.c.zone,
        delivery.c.created_at.label("planned_at"),
        *(coupon.c[name] for name in _WORTH),
    )
    .join_from(delivery, customer, customer.c.id == delivery.c.customer_id)
    .outerjoin(coupon, (coupon.c.delivery_id == delivery.c.id) & coupon.c.state.in_(_SHOWN))
    .where(delivery.c.id.in_(bindparam("ids", expanding=True)))
)

# Of mails that show a coupon given by an earlier one. What became of it meanwhile is judged at hand-off.
_REMINDERS = (
    select(coupon_reminder.c.delivery_id, *(coupon.c[name] for name in _WORTH))
    .join(coupon, coupon.c.id == coupon_reminder.c.coupon_id)
    .where(coupon_reminder.c.delivery_id.in_(bindparam("ids", expanding=True)))
)

# A newsletter's content is read once, not once a row.
_RUNS = select(run.c.id, run.c.version_id, run.c.occurrence, run.c.content).where(
    run.c.id.in_(bindparam("ids", expanding=True))
)


async def load(connection: AsyncConnection, ids: Sequence[int]) -> list[SendJob]:
    """The jobs of these deliveries, in the order given; unknown ones are left out."""
    rows = {row["id"]: row for row in (await connection.execute(_JOBS, {"ids": list(ids)})).mappings()}
    run_ids = list({row["run_id"] for row in rows.values()})
    runs = {row["id"]: row for row in (await connection.execute(_RUNS, {"ids": run_ids})).mappings()}
    reminders = await connection.execute(_REMINDERS, {"ids": list(ids)})
    shown = {row["delivery_id"]: _view(row) for row in reminders.mappings()}
    return [
        _job(rows[wanted], runs[rows[wanted]["run_id"]], shown.get(wanted))
        for wanted in ids
        if wanted in rows
    ]


def _view(row: RowMapping) -> CouponView:
    return CouponView(**{name: row[name] for name in _WORTH})


def _job(row: RowMapping, of: RowMapping, reminded: CouponView | None) -> SendJob:
    return SendJob(
        delivery_id=row["id"],
        run_id=row["run_id"],
        version_id=of["version_id"] or 0,
        campaign=row["campaign"],
        purpose=row["purpose"],
        occurrence=of["occurrence"],
        kind=row["kind"],
        email=row["email"],
        due_at=row["due_at"],
        attempts=row["attempts"],
        message_id=row["message_id"],
        customer=_customer(row),
        customer_key=row["customer_id"],
        planned_at=row["planned_at"],
        expires_at=row["expires_at"],
        zone=row["zone"],
        context=row["context"] or {},
        content=of["content"] or {},
        coupon=_view(row) if row["code"] else reminded,
    )


def _customer(row: RowMapping) -> Customer:
    return Customer(
        id=row["ext_id"],
        email=row["own_email"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        locale=row["locale"],
        timezone=row["timezone"],
        country=row["country"],
        postal_code=row["postal_code"],
        created_at=row["created_at"],
        services=tuple(row["services"]),
        attributes=row["attributes"],
    )
