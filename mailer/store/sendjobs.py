"""All that a render needs, read once for a chunk of claimed deliveries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.coupon import CouponState
from mailer.core.customer import Customer
from mailer.core.handoff import CouponView, SendJob
from mailer.core.links import SCOPE
from mailer.store.moments import day, instant, known
from mailer.store.statements import Inspecting, all_printable, together
from mailer.store.tables import run

_SHOWN = ", ".join(
    f"'{state}'"
    for state in (CouponState.RESERVED, CouponState.ISSUED, CouponState.QUARANTINED, CouponState.REDEEMED)
)

_PERSON = (
    "ext_id",
    "first_name",
    "last_name",
    "locale",
    "timezone",
    "country",
    "postal_code",
    "created_at",
    "zone",
)
_OURS = (
    "id", "run_id", "campaign", "purpose", "kind", "email", "due_at", "attempts", "message_id", "customer_id",
    "expires_at", "priority",
)  # fmt: skip
_WORTH = ("code", "percent", "amount_e4", "currency", "valid_until")

_JOBS = Inspecting(
    {name: f"delivery.{name}" for name in _OURS}
    | {"planned_at": "delivery.created_at", "context": "{delivery.context}"}
    | {name: f"customer.{name}" for name in _PERSON}
    | {
        "own_email": "customer.email",
        "services": "{customer.services}",
        "attributes": "{customer.attributes}",
        "uncounted": "refused.scope",
    }
    | {name: f"coupon.{name}" for name in _WORTH},
    f"""
    cross join delivery
    join customer on customer.id = delivery.customer_id
    left join coupon on coupon.delivery_id = delivery.id and coupon.state in ({_SHOWN})
    left join suppression as refused on refused.email_key = delivery.email_key and refused.scope = '{SCOPE}'
    where delivery.id = wanted.id
    """,
)

# Of mails that show a coupon given by an earlier one. What became of it meanwhile is judged at hand-off.
_REMINDERS = Inspecting(
    {"delivery_id": "coupon_reminder.delivery_id"} | {name: f"coupon.{name}" for name in _WORTH},
    """
    cross join coupon_reminder
    join coupon on coupon.id = coupon_reminder.coupon_id
    where coupon_reminder.delivery_id = wanted.id
    """,
)

# A newsletter's content is read once, not once a row.
_RUNS = select(run.c.id, run.c.version_id, run.c.occurrence, run.c.content).where(
    run.c.id.in_(bindparam("ids", expanding=True))
)


async def load(connection: AsyncConnection, ids: Sequence[int]) -> list[SendJob]:
    """The jobs of these deliveries, in the order given; unknown ones are left out."""
    if not ids:
        return []
    (found, printable), (reminders, these_too) = await together(connection, _JOBS.of(ids), _REMINDERS.of(ids))
    rows = {row.id: row for row in found}
    run_ids = list({row.run_id for row in found})
    runs = {row["id"]: dict(row) for row in (await connection.execute(_RUNS, {"ids": run_ids})).mappings()}
    shown = {row.delivery_id: _view(row) for row in reminders}
    content = json.dumps([[of["occurrence"], of["content"]] for of in runs.values()], ensure_ascii=False)
    printable = printable and these_too and all_printable(content)
    return [
        _job(rows[wanted], runs[rows[wanted].run_id], shown.get(wanted), printable=printable)
        for wanted in ids
        if wanted in rows
    ]


def _view(row: Any) -> CouponView:
    return CouponView(
        code=row.code,
        percent=row.percent,
        amount_e4=row.amount_e4,
        currency=row.currency,
        valid_until=day(row.valid_until),
    )


def _job(row: Any, of: Mapping[str, Any], reminded: CouponView | None, *, printable: bool) -> SendJob:
    return SendJob(
        delivery_id=row.id,
        run_id=row.run_id,
        version_id=of["version_id"] or 0,
        campaign=row.campaign,
        purpose=row.purpose,
        occurrence=of["occurrence"],
        kind=row.kind,
        email=row.email,
        due_at=known(row.due_at),
        attempts=row.attempts,
        message_id=row.message_id,
        customer=_customer(row),
        customer_key=row.customer_id,
        planned_at=known(row.planned_at),
        expires_at=instant(row.expires_at),
        zone=row.zone,
        priority=row.priority,
        context=row.context or {},
        content=of["content"] or {},
        coupon=_view(row) if row.code else reminded,
        uncounted=row.uncounted is not None,
        printable=printable,
    )


def _customer(row: Any) -> Customer:
    return Customer(
        id=row.ext_id,
        email=row.own_email,
        first_name=row.first_name,
        last_name=row.last_name,
        locale=row.locale,
        timezone=row.timezone,
        country=row.country,
        postal_code=row.postal_code,
        created_at=instant(row.created_at),
        services=tuple(row.services),
        attributes=row.attributes,
    )
