from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailer.core.delivery import (
    Accepted,
    Failure,
    InDoubt,
    Outcome,
    Phase,
    Refused,
    Reply,
    TryLater,
    Withdrawn,
)
from mailer.core.intent import Dotted, Making, Orphan, Told, Trace, bury

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
OK = Accepted(Reply(250, "ok"))
NO = Refused(Phase.RCPT, Reply(550, "no"))
LATER = TryLater(Phase.RCPT, Reply(451, "later"))
CUT = InDoubt("cut")


def orphan(attempts: int = 1, render_kills: int = 0) -> Orphan:
    return Orphan(7, attempts, render_kills, NOW - timedelta(minutes=5), None)


@pytest.mark.parametrize(
    ("of", "trace", "known", "outcome"),
    [
        pytest.param(orphan(), None, True, Withdrawn(tried=False), id="marked, and never begun"),
        pytest.param(orphan(2), None, True, Withdrawn(tried=True), id="marked again, and not begun again"),
        pytest.param(orphan(), Making(), True, Withdrawn(tried=False), id="killed while it was made"),
        pytest.param(orphan(), Told(OK), True, OK, id="accepted, and not written down"),
        pytest.param(orphan(), Told(NO), True, NO, id="refused, and not written down"),
        pytest.param(orphan(), Told(LATER), True, LATER, id="put off, and not written down"),
        pytest.param(orphan(), Told(CUT), True, CUT, id="in doubt already"),
    ],
)  # fmt: skip
def test_what_the_journal_knows_is_written_down(
    of: Orphan, trace: Trace | None, known: bool, outcome: Outcome | Withdrawn
) -> None:
    end = bury(of, trace, NOW, 0.5, known=known)
    assert (end.delivery_id, end.outcome, end.failure) == (7, outcome, None)


@pytest.mark.parametrize(
    ("trace", "known"),
    [
        pytest.param(Dotted(), True, id="the dot was written, and no answer read"),
        pytest.param(None, False, id="no journal to go by"),
        pytest.param(Told(OK), False, id="a journal that cannot be trusted"),
    ],
)
def test_what_may_have_left_is_in_doubt_and_service_mail_goes_again_at_once(
    trace: Trace | None, known: bool
) -> None:
    end = bury(orphan(), trace, NOW, 0.5, known=known)
    assert isinstance(end.outcome, InDoubt)
    assert end.outcome.detail == end.detail != ""
    assert end.next_attempt == NOW


def test_a_try_that_may_pass_waits_its_turn() -> None:
    end = bury(orphan(), Told(LATER), NOW, 0.5, known=True)
    assert end.next_attempt == NOW + timedelta(minutes=1)


def test_at_the_second_sender_killed_while_it_is_made_the_delivery_is_at_fault() -> None:
    end = bury(orphan(render_kills=1), Making(), NOW, 0.5, known=True)
    assert (end.outcome, end.failure) == (None, Failure.RENDER)
