"""What follows from mail that came back: addresses given up, consent withdrawn, runs and campaigns paused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.booking import SoftRule, pauses_campaign, pauses_run
from mailer.core.bounce import Fault, Kind, Returned
from mailer.core.breaker import MARK
from mailer.core.consent import COMMERCIAL, COMPLAINT, UNSUBSCRIBED, Action, Via
from mailer.core.run import ENDED, SENDABLE, RunState
from mailer.store.consent import Said, latest_entries, record
from mailer.store.dialect import insert
from mailer.store.tables import campaign_state, customer, delivery, returned, run, suppression

ALL = "all"
BOUNCED = "bounced"  # the reason of an address that was given up
_DAY = timedelta(days=1)
_BOUNCES = returned.c.kind == Kind.BOUNCE, ~returned.c.spent


async def bury(connection: AsyncConnection, address: str, source: str, now: datetime) -> str | None:
    """Nothing is sent to this address any more; the scope, if that is new."""
    statement = insert(connection, suppression).values(
        email_key=address, scope=ALL, reason=BOUNCED, source=source, at=now
    )
    scope: str | None = await connection.scalar(
        statement.on_conflict_do_nothing().returning(suppression.c.scope)
    )
    return scope


async def given_up(connection: AsyncConnection, address: str, rule: SoftRule, now: datetime) -> bool:
    """Whether this soft bounce was one too many. Those that led to it count no second time."""
    these = and_(
        returned.c.email_key == address,
        returned.c.fault == Fault.SOFT,
        returned.c.at > now - timedelta(days=rule.days),
        *_BOUNCES,
    )
    mails = func.count(func.coalesce(returned.c.delivery_id, -returned.c.id).distinct())
    found = await connection.scalar(select(mails).where(these)) or 0
    if found < rule.count:
        return False
    await connection.execute(update(returned).where(these).values(spent=True))
    return True


async def complained(
    connection: AsyncConnection, what: Returned, address: str, row: RowMapping | None, now: datetime
) -> str:
    """No commercial mail to this address, and no consent of whoever has it; both with their proof."""
    source = f"complaint ({what.source})" + (f" of delivery {row['id']}" if row else "")
    statement = insert(connection, suppression).values(
        email_key=address, scope=COMMERCIAL, reason=COMPLAINT, source=source, at=now
    )
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[suppression.c.email_key, suppression.c.scope],
            set_={"reason": COMPLAINT, "source": source, "at": now},
            where=suppression.c.reason == UNSUBSCRIBED,  # which a confirmation would lift
        )
    )
    theirs = customer.c.email_key == address
    if row is not None:
        theirs |= customer.c.id == row["customer_id"]
    keys = (await connection.scalars(select(customer.c.id).where(theirs).order_by(customer.c.id))).all()
    proof: dict[str, Any] = {"how": COMPLAINT, "by": what.source}
    if row is not None:
        proof |= {"delivery": row["id"], "message_id": row["message_id"]}
    if what.event_id:
        proof["event"] = what.event_id
    entries = await latest_entries(connection, keys)
    # Whatever clock an earlier word was given by, this one comes after it.
    at = max([now, *(entry.at for each in entries.values() for entry in each)])
    said = [Said(key, address, Action.REVOKED, at, Via.REPORT, source, proof) for key in keys]
    await record(connection, said, at)
    return COMMERCIAL


async def pause(connection: AsyncConnection, row: RowMapping, now: datetime) -> str | None:
    """Pause what a refusal for policy is about, when there were too many; its name."""
    state = RunState(row["run_state"])
    if state in SENDABLE:
        return await _pause_run(connection, row)
    return await _pause_campaign(connection, row, now) if state in ENDED else None


async def _pause_run(connection: AsyncConnection, row: RowMapping) -> str | None:
    these = and_(returned.c.run_id == row["run_id"], returned.c.fault == Fault.POLICY, *_BOUNCES)
    policy = await connection.scalar(select(func.count()).where(these)) or 0
    sent = delivery.c.run_id == row["run_id"], delivery.c.sent_at.is_not(None)
    left = await connection.scalar(select(func.count()).where(*sent)) or 0
    if not pauses_run(row["purpose"], policy, left):
        return None
    await connection.execute(
        update(run)
        .where(run.c.id == row["run_id"], run.c.state.in_(SENDABLE))
        .values(state=RunState.PAUSED, reason=f"{MARK} {policy} of {left} mails came back as unwanted")
    )
    await connection.execute(update(returned).where(these).values(spent=True))
    return f"run {row['run_id']}"


async def _pause_campaign(connection: AsyncConnection, row: RowMapping, now: datetime) -> str | None:
    runs = select(run.c.id).where(run.c.campaign == row["campaign"], run.c.due_at > now - 2 * _DAY)
    these = and_(
        returned.c.run_id.in_(runs),
        returned.c.fault == Fault.POLICY,
        returned.c.at > now - _DAY,
        *_BOUNCES,
    )
    policy = await connection.scalar(select(func.count()).where(these)) or 0
    sent = delivery.c.run_id.in_(runs), delivery.c.sent_at > now - _DAY
    left = await connection.scalar(select(func.count()).where(*sent)) or 0
    if not pauses_campaign(row["purpose"], policy, left):
        return None
    name: str | None = await connection.scalar(
        update(campaign_state)
        .where(campaign_state.c.name == row["campaign"], ~campaign_state.c.paused)
        .values(paused=True)
        .returning(campaign_state.c.name)
    )
    await connection.execute(update(returned).where(these).values(spent=True))
    return name and f"campaign {name}"
