"""A test mail to one of the staff, and what the relay said of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailer.core.campaign import Campaign
from mailer.core.delivery import Accepted, InDoubt, Outcome, Phase, Refused, Reply, TryLater
from mailer.core.message import Message
from mailer.errors import RelayError
from mailer.flow.preview import Previews
from tests.store.rows import NOW

STAFF = "ayse@shop.example"
OFFER = Campaign.model_validate({"name": "offer", "purpose": "commercial", "trigger": "manual"})


class Desk:
    async def test_job(self, *_given: Any) -> None: ...


class Composer:
    def install(self, *_given: Any) -> None: ...

    def compose(self, _job: Any, _now: Any, *, mark: bool) -> None:
        assert mark


class Session:
    def __init__(self, outcome: Outcome) -> None:
        self.outcome, self.closed = outcome, False

    async def send(self, _message: Message, may_start: Callable[[], bool]) -> Outcome:
        assert may_start()
        return self.outcome

    async def close(self) -> None:
        self.closed = True


def previews(session: Session) -> Previews:
    return Previews(
        desk=Desk(),  # type: ignore[arg-type]
        composer=Composer(),  # type: ignore[arg-type]
        published=lambda _name: {},
        vet=None,  # type: ignore[arg-type]
        remarks=lambda _campaign, _parts: (),
        open_session=lambda: session,
    )


async def test_what_the_relay_answered() -> None:
    session = Session(Accepted(Reply(250, "Ok: queued as 4X", "2.0.0")))
    said = await previews(session).send_test(OFFER, STAFF, (STAFF,), NOW)
    assert said == f"A test of offer went to {STAFF}: 250 2.0.0 Ok: queued as 4X"
    assert session.closed


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Refused(Phase.RCPT, Reply(550, "No such user", "5.1.1")), "550 5.1.1 No such user"),
        (TryLater(Phase.MAIL, Reply(451, "Greylisted")), "451 Greylisted"),
        (TryLater(Phase.CONNECT, detail="connection refused"), "connection refused"),
        (InDoubt("the connection was lost"), "nobody knows whether it did: the connection was lost"),
    ],
)
async def test_a_test_mail_that_was_not_taken_says_why(outcome: Outcome, said: str) -> None:
    session = Session(outcome)
    with pytest.raises(RelayError) as trouble:
        await previews(session).send_test(OFFER, STAFF, (STAFF,), NOW)
    assert str(trouble.value) == f"The relay did not take the test mail to {STAFF}: {said}."
    assert session.closed
