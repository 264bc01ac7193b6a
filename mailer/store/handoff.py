"""The one transaction a sender lives by: outcomes of what it finished, and leave to start what comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, RowMapping, Select, bindparam, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.coupon import CouponState
from mailer.core.delivery import CLAIMABLE, Skip, State
from mailer.core.handoff import Drop, Finish, Go, HandoffFacts, Reminded, Start, Verdict, Wait
from mailer.core.transition import Change, finished, stopped
from mailer.store.claims import require_lease
from mailer.store.facts import Fact, move_coupons, record
from mailer.store.slots import Places, give_back
from mailer.store.switches import halted
from mailer.store.tables import campaign_state, coupon, coupon_reminder, customer, delivery, run, suppression

Judge = Callable[[HandoffFacts], Verdict]

#: States in which a mail surely did not leave, so that its place is free again.
_NOT_LEFT = (State.QUEUED, State.DEFERRED, State.FAILED, State.SKIPPED, State.EXPIRED)

_WRITTEN = ("state", "reason", "not_before", "sent_at", "reply", "phase")


async def advance(
    connection: AsyncConnection,
    sender_id: int,
    now: datetime,
    *,
    ends: Sequence[Finish],
    starts: Sequence[Start],
    judge: Judge,
) -> dict[int, Verdict]:
    """Write what ended, then judge what wants to start; see `Ledger.advance`."""
    await require_lease(connection, sender_id)
    starting = [start.delivery_id for start in starts]
    if connection.dialect.name == "postgresql":
        await _lock(connection, sender_id, {end.delivery_id for end in ends} | set(starting), starting)
    mine = await _held(connection, sender_id, [end.delivery_id for end in ends])
    changes = {
        end.delivery_id: (finished(end, mine[end.delivery_id]), end.at)
        for end in ends
        if end.delivery_id in mine
    }
    await give_back(
        connection, [each for each, (change, _at) in changes.items() if change.state in _NOT_LEFT]
    )
    asked = {"ids": starting, "mine": sender_id}
    held = (
        {row["id"]: row for row in (await connection.execute(_FACTS, asked)).mappings()} if starting else {}
    )
    places = await Places.of(connection, _commercial(held, starts), now)
    for each in changes:
        places.settle(each)
    verdicts: dict[int, Verdict] = {}
    going: list[Start] = []
    for start in starts:
        row = held.get(start.delivery_id)
        verdict: Verdict = Wait(None)
        if (
            row is not None
            and start.delivery_id not in changes
            and row["state"] in (*CLAIMABLE, State.SENDING)
        ):
            verdict = judge(_facts(row, places))
            if isinstance(verdict, Go):
                going.append(start)
                if verdict.day is not None:
                    places.take(row["customer_id"], start.delivery_id, verdict.day)
            else:
                changes[start.delivery_id] = stopped(verdict, State(row["state"])), now
                if isinstance(verdict, Drop):
                    places.settle(start.delivery_id)
        verdicts[start.delivery_id] = verdict
    for lost in await places.write(connection):
        verdicts[lost] = Drop(State.SKIPPED, Skip.CAPPED)
        changes[lost] = stopped(Drop(State.SKIPPED, Skip.CAPPED), State(held[lost]["state"])), now
    going = [start for start in going if isinstance(verdicts[start.delivery_id], Go)]
    await write(connection, sender_id, now, changes)
    await _begin(connection, sender_id, now, held, going)
    return verdicts


async def _lock(
    connection: AsyncConnection, sender_id: int, wanted: Iterable[int], starting: Sequence[int]
) -> None:
    # First the locks, in the order of ids, then the facts in a statement of their own: it sees whatever was
    # committed while we waited, such as an unsubscribe.
    await connection.execute(
        select(delivery.c.id)
        .where(delivery.c.id.in_(list(wanted)), delivery.c.sender_id == sender_id)
        .order_by(delivery.c.id)
        .with_for_update()
    )
    if starting:
        whose = select(delivery.c.customer_id).where(delivery.c.id.in_(starting))
        await connection.execute(
            select(customer.c.id)
            .where(customer.c.id.in_(whose))
            .order_by(customer.c.id)
            .with_for_update(key_share=True)  # alone: sums over a customer's mails are taken under it
        )


def _facts_query() -> Select[Any]:
    dead, declined = suppression.alias("dead"), suppression.alias("declined")
    return (
        select(
            delivery.c.id, delivery.c.purpose, delivery.c.campaign, delivery.c.expires_at, delivery.c.context,
            delivery.c.attempts, delivery.c.message_id, delivery.c.customer_id,
            delivery.c.priority, delivery.c.due_at, delivery.c.state,
            customer.c.zone, customer.c.consent, run.c.state.label("run_state"), campaign_state.c.paused,
            dead.c.reason.label("dead"), declined.c.reason.label("declined"), halted().label("halted"),
            coupon.c.state.label("reminds"), coupon.c.valid_until,
        )
        .join_from(delivery, run, run.c.id == delivery.c.run_id)
        .join(customer, customer.c.id == delivery.c.customer_id)
        .outerjoin(campaign_state, campaign_state.c.name == delivery.c.campaign)
        .outerjoin(dead, (dead.c.email_key == delivery.c.email_key) & (dead.c.scope == "all"))
        .outerjoin(
            declined, (declined.c.email_key == delivery.c.email_key) & (declined.c.scope == "commercial")
        )
        .outerjoin(coupon_reminder, coupon_reminder.c.delivery_id == delivery.c.id)
        .outerjoin(coupon, coupon.c.id == coupon_reminder.c.coupon_id)
        .where(
            delivery.c.id.in_(bindparam("ids", expanding=True)), delivery.c.sender_id == bindparam("mine")
        )
    )  # fmt: skip


_FACTS = _facts_query()


def _commercial(held: Mapping[int, RowMapping], starts: Sequence[Start]) -> list[int]:
    """The customers a commercial mail is about to leave for."""
    rows = (held[start.delivery_id] for start in starts if start.delivery_id in held)
    return sorted({row["customer_id"] for row in rows if row["purpose"] == "commercial"})


def _facts(row: RowMapping, places: Places) -> HandoffFacts:
    scopes = {"all": row["dead"], "commercial": row["declined"]}
    own_action = (row["context"] or {}).get("own_action_at")
    return HandoffFacts(
        delivery_id=row["id"],
        purpose=row["purpose"],
        campaign=row["campaign"],
        zone=row["zone"],
        consent=row["consent"],
        suppressed=frozenset(scope for scope, reason in scopes.items() if reason is not None),
        suppression_reason=row["dead"] or row["declined"],
        run_state=row["run_state"],
        campaign_paused=bool(row["paused"]),
        halted=bool(row["halted"]),
        expires_at=row["expires_at"],
        own_action_at=datetime.fromisoformat(own_action) if own_action else None,
        priority=row["priority"],
        due_at=row["due_at"],
        used=places.used(row["customer_id"], row["id"]),
        waiting=places.others(row["customer_id"], row["id"]),
        reminds=Reminded(row["reminds"], row["valid_until"]) if row["reminds"] else None,
    )


async def write(
    connection: AsyncConnection, sender_id: int, now: datetime, changes: Mapping[int, tuple[Change, datetime]]
) -> None:
    """Put deliveries this sender holds into their next states, and let go of them."""
    if not changes:
        return
    await connection.execute(
        _END,
        [
            {
                "b_id": delivery_id,
                "b_mine": sender_id,
                "updated_at": now,
                "uncounted": 0 if change.counted else 1,
                **{f"b_{name}": getattr(change, name) for name in _WRITTEN},
            }
            for delivery_id, (change, _at) in sorted(changes.items())
        ],
    )
    for to in (CouponState.ISSUED, CouponState.RELEASED, CouponState.QUARANTINED):
        ids = [delivery_id for delivery_id, (change, _at) in changes.items() if change.coupon is to]
        await move_coupons(connection, ids, to, now)
    await record(
        connection,
        [
            Fact(delivery_id, change.event, at, change.detail)
            for delivery_id, (change, at) in changes.items()
            if change.event is not None
        ],
    )


async def _held(connection: AsyncConnection, sender_id: int, ids: Sequence[int]) -> dict[int, str]:
    """Which of these this sender holds still, and their purpose."""
    if not ids:
        return {}
    rows = await connection.execute(
        select(delivery.c.id, delivery.c.purpose).where(
            delivery.c.id.in_(ids), delivery.c.sender_id == sender_id
        )
    )
    return {row.id: row.purpose for row in rows}


async def _begin(
    connection: AsyncConnection,
    sender_id: int,
    now: datetime,
    held: Mapping[int, RowMapping],
    going: Sequence[Start],
) -> None:
    if not going:
        return
    rows = ((start, held[start.delivery_id]) for start in going)
    await connection.execute(
        _BEGIN,
        [
            {
                "b_id": start.delivery_id,
                "b_mine": sender_id,
                "state": State.SENDING,
                # Already `sending`: this is the same start again, after a commit whose answer was lost.
                "attempts": row["attempts"] + (row["state"] != State.SENDING),
                "message_id": row["message_id"] or start.message_id,
                "updated_at": now,
            }
            for start, row in rows
        ],
    )


_MINE = (delivery.c.id == bindparam("b_id")) & (delivery.c.sender_id == bindparam("b_mine"))
_END = (
    update(delivery)
    .where(_MINE)
    .values(
        {name: func.coalesce(bindparam(f"b_{name}", type_=delivery.c[name].type), delivery.c[name])
         for name in _WRITTEN}
        | {
            "reason": bindparam("b_reason"),
            "updated_at": bindparam("updated_at"),
            "sender_id": None,
            # Marked and not begun after all: that was no attempt.
            "attempts": delivery.c.attempts
            - case((delivery.c.state == State.SENDING, bindparam("uncounted", type_=Integer())), else_=0),
        }
    )
)  # fmt: skip
_BEGIN = (
    update(delivery)
    .where(_MINE)
    .values({name: bindparam(name) for name in ("state", "attempts", "message_id", "updated_at")})
)
