"""Which customers of an incident are worth a decision: all but those told everything there is to tell.

A decision about anybody else would come out empty; for a large incident that is nearly everybody, at nearly
every look.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.delivery import CLAIMABLE, HOLDING, State
from mailer.core.incident import Incident
from mailer.core.notice import RecipientState
from mailer.core.standing import Kind
from mailer.store.affected import affected_ids
from mailer.store.tables import customer, delivery, incident_recipient, run, suppression


async def unsettled(conn: AsyncConnection, of: Incident, campaign: str, *, joining: bool) -> list[int]:
    """Customers by customer.id, in order; more than needed, never less.

    Without `joining` only those the incident was about before.
    """
    states = {
        row.customer_id: row.state
        for row in await conn.execute(
            select(incident_recipient.c.customer_id, incident_recipient.c.state).where(
                incident_recipient.c.incident_id == of.id
            )
        )
    }
    if of.current.closes:
        left = {key for key, state in states.items() if state == RecipientState.LEFT}
        return sorted(set(await conn.scalars(_unsettled_at_end(of, campaign))) - left)
    here = await affected_ids(conn, of.current.area)
    affected = {key for key, state in states.items() if state == RecipientState.AFFECTED and key in here}
    settled = affected.intersection(await conn.scalars(_told_all(of, campaign)))
    settled.difference_update(await conn.scalars(_dead(of)))
    before = {key for key, state in states.items() if state != RecipientState.LEFT}
    return sorted((here | before if joining else before) - settled)


def _told_all(of: Incident, campaign: str) -> Select[Any]:
    """Whose first notice is accepted or on its way, and who have been sent the news, or will be."""
    return _rows(of, campaign).having(
        _any(of, delivery.c.kind == Kind.FIRST, delivery.c.state.in_(HOLDING)),
        _any(of, delivery.c.state.in_(HOLDING), run.c.incident_update >= of.news),
        ~_any(of, _stale(of)),
    )


def _unsettled_at_end(of: Incident, campaign: str) -> Select[Any]:
    """Who has something to be taken back; or has a first notice, accepted or on its way, and not the news."""
    told = and_(
        _any(of, delivery.c.kind == Kind.FIRST, delivery.c.state.in_([*HOLDING, State.FAILED])),
        ~_any(of, delivery.c.state.in_(HOLDING), run.c.incident_update >= of.news),
    )
    return _rows(of, campaign).having(_any(of, _stale(of)) | told)


def _stale(of: Incident) -> ColumnElement[bool]:
    return and_(
        delivery.c.state.in_(CLAIMABLE),
        delivery.c.kind != Kind.UNAFFECTED,
        run.c.incident_update < of.current.number,
    )


def _any(of: Incident, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether any of a customer's deliveries, since the thread began, is so."""
    in_thread = run.c.incident_update >= of.thread_start
    return func.max(case((and_(in_thread, *conditions), 1), else_=0)) == 1


def _rows(of: Incident, campaign: str) -> Select[Any]:
    return (
        select(delivery.c.customer_id)
        .join(run, run.c.id == delivery.c.run_id)
        .where(run.c.incident_id == of.id, run.c.campaign == campaign, delivery.c.customer_id.is_not(None))
        .group_by(delivery.c.customer_id)
    )


def _dead(of: Incident) -> Select[Any]:
    return (
        select(incident_recipient.c.customer_id)
        .join(customer, customer.c.id == incident_recipient.c.customer_id)
        .join(suppression, suppression.c.email_key == customer.c.email_key)
        .where(incident_recipient.c.incident_id == of.id, suppression.c.scope == "all")
    )
