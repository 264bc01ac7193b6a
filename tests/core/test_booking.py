"""What a report makes of its delivery, and when too many of them stop a run."""

from __future__ import annotations

import pytest

from mailer.core.booking import Later, NeverLeft, Step, pauses_campaign, pauses_run, step
from mailer.core.bounce import Kind
from mailer.core.coupon import CouponState
from mailer.core.delivery import State

BOUNCE, DELAY, COMPLAINT = Kind.BOUNCE, Kind.DELAY, Kind.COMPLAINT
KEPT = Step()
FAILED = Step(State.FAILED, CouponState.QUARANTINED)
EVIDENT_FAILED = Step(State.FAILED, CouponState.QUARANTINED, evident=True)
EVIDENT_SENT = Step(State.SENT, CouponState.ISSUED, evident=True)


@pytest.mark.parametrize(
    ("state", "kind", "expected"),
    [
        (State.SENT, BOUNCE, FAILED), (State.SENT, DELAY, KEPT), (State.SENT, COMPLAINT, KEPT),
        (State.IN_DOUBT, BOUNCE, EVIDENT_FAILED), (State.IN_DOUBT, DELAY, EVIDENT_SENT),
        (State.IN_DOUBT, COMPLAINT, EVIDENT_SENT),
        # service mail in doubt waits to be sent again: it has arrived, or come back
        (State.QUEUED, BOUNCE, EVIDENT_FAILED), (State.DEFERRED, COMPLAINT, EVIDENT_SENT),
        (State.FAILED, BOUNCE, KEPT), (State.FAILED, COMPLAINT, KEPT), (State.EXPIRED, BOUNCE, KEPT),
        (State.CANCELLED, BOUNCE, KEPT), (State.SKIPPED, BOUNCE, KEPT),
    ],
)  # fmt: skip
def test_a_report_about_the_last_attempt(state: State, kind: Kind, expected: Step) -> None:
    assert step(kind, state, 2, 2) == expected


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("kind", list(Kind))
def test_a_report_about_an_earlier_attempt_changes_nothing(state: State, kind: Kind) -> None:
    assert step(kind, state, 3, 2) == KEPT


@pytest.mark.parametrize("kind", list(Kind))
def test_an_attempt_under_way_is_waited_for(kind: Kind) -> None:
    with pytest.raises(Later):
        step(kind, State.SENDING, 1, 1)


@pytest.mark.parametrize(("attempts", "number"), [(0, 0), (0, 1), (1, 2), (1, 0), (1, -1)])
def test_an_attempt_that_was_never_made_is_refused(attempts: int, number: int) -> None:
    with pytest.raises(NeverLeft):
        step(BOUNCE, State.SENT, attempts, number)


@pytest.mark.parametrize(
    ("purpose", "policy", "left", "run", "campaign"),
    [
        ("commercial", 1, 3, True, False),
        ("commercial", 1, 20, True, False),
        ("commercial", 1, 21, False, False),
        ("commercial", 5, 100, True, True),
        ("commercial", 5, 101, False, False),
        ("commercial", 0, 0, False, False),
        ("service", 50, 50, False, False),
    ],
)
def test_too_many_refusals_for_policy_stop_what_is_commercial(
    purpose: str, policy: int, left: int, run: bool, campaign: bool
) -> None:
    assert pauses_run(purpose, policy, left) is run
    assert pauses_campaign(purpose, policy, left) is campaign
