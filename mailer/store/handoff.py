"""The one transaction a sender lives by: outcomes of what it finished, and leave to start what comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.consent import TOPIC
from mailer.core.coupon import CouponState
from mailer.core.delivery import CLAIMABLE, Skip, State, Withdrawn
from mailer.core.handoff import Drop, Finish, Go, HandoffFacts, Reminded, Start, Verdict, Wait
from mailer.core.policy import weighed
from mailer.core.transition import Change, finished, stopped
from mailer.store.changes import Changing, Marking
from mailer.store.claims import lease, leased, letting_go
from mailer.store.facts import Fact, moving_coupons, record
from mailer.store.holds import ANY, affected
from mailer.store.moments import day, instant
from mailer.store.slots import Places, giving_back, taking, waits
from mailer.store.statements import Reading, Step, together
from mailer.store.switches import HALT

Judge = Callable[[HandoffFacts], Verdict]

#: States in which a mail surely did not leave, so that its place is free again.
_NOT_LEFT = (State.QUEUED, State.DEFERRED, State.FAILED, State.SKIPPED, State.EXPIRED)

_MAY_START = (*CLAIMABLE, State.SENDING)


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
    starting, ending = [start.delivery_id for start in starts], [end.delivery_id for end in ends]
    # First the locks, in the order of ids, then the facts in a statement of their own: it sees whatever was committed
    # while we waited, such as an unsubscribe. SQLite is locked as a whole.
    locks = (_LOCK.of(list({*ending, *starting})), _LOCK_CUSTOMERS.of(starting))
    found, *_locked, ours, rows = await together(
        connection,
        lease(sender_id),
        *(locks if connection.dialect.name == "postgresql" else ()),
        _HELD.of(ending, mine=sender_id),
        _FACTS.of(starting, mine=sender_id),
    )
    own = set(leased(found, sender_id))
    mine = {row.id: row.purpose for row in ours if row.sender_id is not None or row.id in own}
    changes = {
        end.delivery_id: (finished(end, mine[end.delivery_id]), end.at)
        for end in ends
        if end.delivery_id in mine
    }
    held = {row.id: row for row in rows}
    commercial = sorted({row.customer_id for row in rows if row.purpose == "commercial"})
    _, taken, waiting = await together(
        connection,
        giving_back([each for each, (change, _at) in changes.items() if change.state in _NOT_LEFT]),
        taking(commercial, now),
        waits(commercial),
    )
    places = Places.found(taken, waiting)
    # Nearly always there is no such incident, and nobody is asked about.
    troubled = await affected(connection, commercial) if rows and rows[0].incident else {}
    for each in changes:
        places.settle(each)
    look = _Look(judge, places, troubled)
    verdicts: dict[int, Verdict] = {}
    going: list[Start] = []
    for start in starts:
        row = held.get(start.delivery_id)
        verdict: Verdict = Wait(None)
        if (
            row is not None
            and (row.sender_id is not None or start.delivery_id in own)
            and start.delivery_id not in changes
            and row.state in _MAY_START
        ):
            verdict = weighed(look.at(row), start.unfit)
            if isinstance(verdict, Go):
                going.append(start)
                if verdict.day is not None:
                    places.take(row.customer_id, start.delivery_id, verdict.day)
            else:
                changes[start.delivery_id] = stopped(verdict, State(row.state)), now
                if isinstance(verdict, Drop):
                    places.settle(start.delivery_id)
        verdicts[start.delivery_id] = verdict
    for lost in await places.write(connection):
        verdicts[lost] = Drop(State.SKIPPED, Skip.CAPPED)
        changes[lost] = stopped(Drop(State.SKIPPED, Skip.CAPPED), State(held[lost].state)), now
    going = [start for start in going if isinstance(verdicts[start.delivery_id], Go)]
    # A start whose mark failed comes back as withdrawn: nobody knows whether it was only claimed, or begun.
    back = {end.delivery_id for end in ends if isinstance(end.outcome, Withdrawn)} | set(starting)
    await together(
        connection,
        letting_go(sender_id, list(own & back)),
        *_written(sender_id, now, changes),
        _BEGIN.of([(start.delivery_id, start.message_id) for start in going], mine=sender_id, now=now),
    )
    await _record(connection, changes)
    return verdicts


class _Look:
    """The last look, once for all those of whom the same is true."""

    def __init__(self, judge: Judge, places: Places, troubled: Mapping[int, datetime]) -> None:
        self._judge = judge
        self._places = places
        self._troubled = troubled
        self._alike: dict[tuple[Any, ...], Verdict] = {}

    def at(self, row: Any) -> Verdict:
        """What becomes of a delivery that wants to start."""
        if row.customer_id in self._troubled or self._places.apart(row.customer_id, row.id):
            return self._judge(_facts(row, self._places, self._troubled))
        said = row[_JUDGED:]
        verdict = self._alike.get(said)
        if verdict is None:
            verdict = self._alike[said] = self._judge(_facts(row, self._places, self._troubled))
        return verdict


_LOCK = Marking("select id from delivery where id {these} order by id for update")
# Alone, as sums over a customer's mails are taken under it.
_LOCK_CUSTOMERS = Marking(
    "select id from customer where id in (select customer_id from delivery where id {these})"
    " order by id for no key update"
)

#: From here on a row of facts says what is judged.
_JUDGED = 4

# The plus keeps PostgreSQL from beginning with the run, and going through all its mails.
_FACTS = Reading(
    {
        "id": "delivery.id",
        "customer_id": "delivery.customer_id",
        "state": "delivery.state",
        "sender_id": "delivery.sender_id",
        "purpose": "delivery.purpose",
        "campaign": "delivery.campaign",
        "expires_at": "delivery.expires_at",
        "own_action_at": "delivery.context ->> 'own_action_at'",
        "priority": "delivery.priority",
        "due_at": "delivery.due_at",
        "not_before": "delivery.not_before",
        "zone": "customer.zone",
        "consent": "customer.consent",
        "run_state": "run.state",
        "paused": "campaign_state.paused",
        "dead": "dead.reason",
        "declined": "declined.reason",
        "off_topic": "topical.scope",
        "halted": f"exists (select 1 from switch where name = '{HALT}')",
        "incident": ANY,
        "reminds": "coupon.state",
        "valid_until": "coupon.valid_until",
    },
    f"""
    cross join delivery
    join run on run.id = +delivery.run_id
    join customer on customer.id = delivery.customer_id
    left join campaign_state on campaign_state.name = delivery.campaign
    left join suppression as dead on dead.email_key = delivery.email_key and dead.scope = 'all'
    left join suppression as declined on declined.email_key = delivery.email_key and declined.scope = 'commercial'
    left join suppression as topical
        on topical.email_key = delivery.email_key and topical.scope = '{TOPIC}' || run.topic
    left join coupon_reminder on coupon_reminder.delivery_id = delivery.id
    left join coupon on coupon.id = coupon_reminder.coupon_id
    where delivery.id = wanted.id and coalesce(delivery.sender_id, :mine) = :mine
    """,
)

_HELD = Reading(
    {"id": "delivery.id", "purpose": "delivery.purpose", "sender_id": "delivery.sender_id"},
    "cross join delivery where delivery.id = wanted.id and coalesce(delivery.sender_id, :mine) = :mine",
)


def _facts(row: Any, places: Places, troubled: Mapping[int, datetime]) -> HandoffFacts:
    scopes = {"all": row.dead, "commercial": row.declined}
    return HandoffFacts(
        purpose=row.purpose,
        campaign=row.campaign,
        zone=row.zone,
        consent=row.consent,
        suppressed=frozenset(scope for scope, reason in scopes.items() if reason is not None),
        suppression_reason=row.dead or row.declined,
        run_state=row.run_state,
        campaign_paused=bool(row.paused),
        halted=bool(row.halted),
        expires_at=instant(row.expires_at),
        own_action_at=datetime.fromisoformat(row.own_action_at) if row.own_action_at else None,
        priority=row.priority,
        due_at=instant(row.due_at),
        used=places.used(row.customer_id, row.id),
        waiting=places.others(row.customer_id, row.id),
        off_topic=row.off_topic is not None,
        reminds=Reminded(row.reminds, day(row.valid_until)) if row.reminds else None,
        not_before=instant(row.not_before),
        affected_since=troubled.get(row.customer_id),
    )


async def write(
    connection: AsyncConnection, sender_id: int, now: datetime, changes: Mapping[int, tuple[Change, datetime]]
) -> None:
    """Put deliveries this sender is known to hold into their next states, and let go of them."""
    await together(connection, *_written(sender_id, now, changes))
    await _record(connection, changes)


def _written(sender_id: int, now: datetime, changes: Mapping[int, tuple[Change, datetime]]) -> Iterator[Step]:
    yield _END.of(
        [
            (
                delivery_id, change.state, change.reason, change.not_before, change.sent_at, change.reply,
                change.phase, 0 if change.counted else 1,
            )
            for delivery_id, (change, _at) in sorted(changes.items())
        ],
        mine=sender_id,
        now=now,
    )  # fmt: skip
    for to in (CouponState.ISSUED, CouponState.RELEASED, CouponState.QUARANTINED):
        ids = [delivery_id for delivery_id, (change, _at) in changes.items() if change.coupon is to]
        yield moving_coupons(ids, to, now)


async def _record(connection: AsyncConnection, changes: Mapping[int, tuple[Change, datetime]]) -> None:
    await record(
        connection,
        [
            Fact(delivery_id, change.event, at, change.detail)
            for delivery_id, (change, at) in changes.items()
            if change.event is not None
        ],
    )


# The coalesce keeps databases from walking through all that the sender is sending, and through the rows for each of
# them. Nobody's are those which this sender had claimed; the caller looked.
_END = Changing(
    """
    update delivery set
        state = given.state,
        reason = given.reason,
        not_before = coalesce(given.not_before, delivery.not_before),
        sent_at = coalesce(given.sent_at, delivery.sent_at),
        reply = coalesce(given.reply, delivery.reply),
        phase = coalesce(given.phase, delivery.phase),
        -- Marked and not begun after all: that was no attempt.
        attempts = delivery.attempts - case when delivery.state = 'sending' then given.uncounted else 0 end,
        updated_at = :now,
        sender_id = null
    {where delivery.id is given} and coalesce(delivery.sender_id, :mine) = :mine
    """,
    {
        "id": "bigint", "state": "text", "reason": "text", "not_before": "timestamptz", "sent_at": "timestamptz",
        "reply": "text", "phase": "text", "uncounted": "integer",
    },
)  # fmt: skip

_BEGIN = Changing(
    """
    update delivery set
        -- Already `sending`: this is the same start again, after a commit whose answer was lost.
        attempts = delivery.attempts + case when delivery.state = 'sending' then 0 else 1 end,
        state = 'sending',
        reason = null,
        message_id = coalesce(delivery.message_id, given.message_id),
        updated_at = :now,
        sender_id = :mine
    {where delivery.id is given} and coalesce(delivery.sender_id, :mine) = :mine
    """,
    {"id": "bigint", "message_id": "text"},
)
