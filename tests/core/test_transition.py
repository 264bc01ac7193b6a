from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailer.core.coupon import CouponState
from mailer.core.delivery import Accepted, Failure, InDoubt, Outcome, Phase, Refused, Reply, State, TryLater
from mailer.core.handoff import Drop, Finish, Wait
from mailer.core.transition import REPLY_LENGTH, Change, finished, stopped

AT = datetime(2027, 5, 10, 7, tzinfo=UTC)
LATER = AT + timedelta(minutes=5)
OK, BUSY, NO = Reply(250, "ok", "2.0.0"), Reply(451, "later", "4.7.1"), Reply(550, "no", "5.1.1")


@pytest.mark.parametrize(
    ("purpose", "outcome", "next_attempt", "expected"),
    [
        pytest.param(
            "commercial", Accepted(OK), None,
            {"state": State.SENT, "sent_at": AT, "reply": "250 2.0.0 ok", "coupon": CouponState.ISSUED,
             "phase": Phase.DOT, "event": None},
            id="accepted",
        ),
        pytest.param(
            "commercial", TryLater(Phase.RCPT, BUSY), LATER,
            {"state": State.DEFERRED, "not_before": LATER, "reply": "451 4.7.1 later", "coupon": None,
             "phase": Phase.RCPT, "event": "deferred"},
            id="later",
        ),
        pytest.param(
            "commercial", TryLater(Phase.CONNECT, None, "refused"), LATER,
            {"state": State.DEFERRED, "reply": "refused", "phase": Phase.CONNECT},
            id="no answer at all",
        ),
        pytest.param(
            "service", TryLater(Phase.DOT, BUSY), None,
            {"state": State.EXPIRED, "reason": None, "coupon": CouponState.RELEASED, "event": "expired"},
            id="time is over",
        ),
        pytest.param(
            "service", Refused(Phase.RCPT, NO), None,
            {"state": State.FAILED, "reason": Failure.REFUSED, "reply": "550 5.1.1 no",
             "coupon": CouponState.RELEASED, "event": "failed"},
            id="refused",
        ),
        pytest.param(
            "commercial", InDoubt("cut"), None,
            {"state": State.IN_DOUBT, "not_before": None, "coupon": CouponState.QUARANTINED,
             "event": "in_doubt"},
            id="commercial doubt is held",
        ),
        pytest.param(
            "service", InDoubt("cut"), LATER,
            {"state": State.QUEUED, "not_before": LATER, "coupon": None, "event": "in_doubt"},
            id="service doubt is sent again",
        ),
        pytest.param(
            "service", InDoubt("cut"), None, {"state": State.QUEUED, "not_before": AT},
            id="service doubt is sent again at once",
        ),
    ],
)  # fmt: skip
def test_an_outcome(
    purpose: str, outcome: Outcome, next_attempt: datetime | None, expected: dict[str, Any]
) -> None:
    change = finished(Finish(1, AT, outcome, next_attempt=next_attempt), purpose)
    assert {name: getattr(change, name) for name in expected} == expected


def test_a_message_that_cannot_be_made() -> None:
    change = finished(Finish(1, AT, failure=Failure.HEADER, detail="a name has a line break"), "commercial")
    assert (change.state, change.reason, change.coupon) == (State.FAILED, "header", CouponState.RELEASED)
    assert change.detail == {"reason": "header", "detail": "a name has a line break"}


def test_a_finish_without_a_word_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="without an outcome"):
        finished(Finish(1, AT), "commercial")


def test_a_reply_without_end_is_cut() -> None:
    change = finished(Finish(1, AT, Accepted(Reply(250, "x" * 9000))), "commercial")
    assert change.reply is not None
    assert len(change.reply) == REPLY_LENGTH


@pytest.mark.parametrize(
    ("verdict", "state", "expected"),
    [
        pytest.param(
            Drop(State.SKIPPED, "unsubscribed"),
            State.QUEUED,
            Change(
                State.SKIPPED,
                "unsubscribed",
                coupon=CouponState.RELEASED,
                event="skipped",
                detail={"reason": "unsubscribed"},
            ),
            id="dropped",
        ),
        pytest.param(Wait(LATER), State.QUEUED, Change(State.QUEUED, not_before=LATER), id="waits"),
        pytest.param(Wait(None), State.DEFERRED, Change(State.DEFERRED), id="deferred stays deferred"),
        pytest.param(Wait(None), State.SENDING, Change(State.QUEUED), id="never begun after all"),
    ],
)
def test_a_last_look(verdict: Drop | Wait, state: State, expected: Change) -> None:
    assert stopped(verdict, state) == expected
