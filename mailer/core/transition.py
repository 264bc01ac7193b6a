"""What a finished attempt or a last look makes of a delivery: its next state, its coupon, the fact kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mailer.core.coupon import CouponState
from mailer.core.delivery import Accepted, Failure, InDoubt, Phase, Refused, State, TryLater, Withdrawn
from mailer.core.handoff import Drop, Finish, Wait

#: As much of a reply as is kept: long enough for any real one (RFC 5321 §4.5.3.1.5 allows 512 octets).
REPLY_LENGTH = 600


@dataclass(slots=True)  # not frozen: one for every mail, see core.message.Letter
class Change:
    """One delivery's next state. What is None stays as it is."""

    state: State
    reason: str | None = None  # always written: a state has its own reason or none
    not_before: datetime | None = None
    sent_at: datetime | None = None
    reply: str | None = None
    phase: str | None = None
    coupon: CouponState | None = None  # where its coupon goes
    event: str | None = None  # the kind of the fact to keep; none: the delivery itself says it all
    detail: Mapping[str, Any] = field(default_factory=dict)
    counted: bool = True  # whether the relay was asked, so that the attempt counts

    @property
    def may_have_left(self) -> bool:
        """Whether the mail left, or may have; a place taken for it on its customer's day is kept then."""
        return self.event is State.IN_DOUBT or self.state in (State.SENT, State.IN_DOUBT)


def finished(finish: Finish, purpose: str) -> Change:
    """What became of a delivery of `purpose` when its sender was done with it.

    Raises:
        ValueError: a Finish with neither outcome nor failure.
    """
    match finish.outcome:
        case Accepted(reply=reply):
            return Change(
                State.SENT,
                sent_at=finish.at,
                reply=_text(reply),
                phase=Phase.DOT,
                coupon=CouponState.ISSUED,
            )
        case TryLater(phase=phase, reply=reply, detail=detail):
            return _later(finish, phase, _text(reply or detail or finish.detail))
        case Refused(phase=phase, reply=reply):
            said = _text(reply)
            return _failed(finish, Failure.REFUSED, reply=said, phase=phase)
        case InDoubt(detail=detail):
            return _doubtful(finish, purpose, detail)
        case Withdrawn(tried=tried):
            return Change(State.DEFERRED if tried else State.QUEUED, counted=False)
        case None:
            if finish.failure is None:
                raise ValueError(f"delivery {finish.delivery_id} finished without an outcome or a failure")
            return replace(_failed(finish, finish.failure), counted=False)


def _later(finish: Finish, phase: Phase, said: str) -> Change:
    over = finish.next_attempt is None
    state = State.EXPIRED if over else State.DEFERRED
    return Change(
        state,
        not_before=finish.next_attempt,
        reply=said,
        phase=phase,
        coupon=CouponState.RELEASED if over else None,
        event=state,
        detail=_detail(finish, reply=said, phase=phase),
    )


def _failed(finish: Finish, reason: str, reply: str | None = None, phase: Phase | None = None) -> Change:
    return Change(
        State.FAILED,
        reason,
        reply=reply,
        phase=phase,
        coupon=CouponState.RELEASED,
        event=State.FAILED,
        detail=_detail(finish, reason=str(reason), reply=reply, phase=phase),
    )


def _doubtful(finish: Finish, purpose: str, detail: str) -> Change:
    resend = purpose == "service"
    return Change(
        State.QUEUED if resend else State.IN_DOUBT,
        not_before=(finish.next_attempt or finish.at) if resend else None,
        phase=Phase.DOT,
        coupon=None if resend else CouponState.QUARANTINED,
        event=State.IN_DOUBT,
        detail=_detail(finish, cause=_text(detail), resend=resend),
    )


def stopped(verdict: Drop | Wait, state: State) -> Change:
    """What the last look made of a delivery in `state` that may not leave now."""
    if isinstance(verdict, Drop):
        return Change(
            verdict.state,
            verdict.reason,
            coupon=CouponState.RELEASED,
            event=verdict.state,
            detail={"reason": verdict.reason} if verdict.reason else {},
        )
    waiting = State.DEFERRED if state is State.DEFERRED else State.QUEUED
    return Change(waiting, verdict.reason, not_before=verdict.until)


def _detail(finish: Finish, **facts: Any) -> dict[str, Any]:
    if finish.detail:
        facts["detail"] = _text(finish.detail)
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _text(value: object) -> str:
    return str(value)[:REPLY_LENGTH]
