"""What relays answered, counted."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mailer.core.delivery import Accepted, InDoubt, Outcome, Phase, Refused, Reply, TryLater
from mailer.core.message import Message
from mailer.errors import RelayError, StoreError
from mailer.flow.tally import CountedSession, Tally
from mailer.testing import FakeTransport

MESSAGE = Message("a@k.example", "b@x.example", b"", "<1@k>")
REPLY = Reply(250, "ok")


class Scripted(FakeTransport):
    """A connection that answers as it is told to."""

    def __init__(self, *answers: Outcome, ready: TryLater | RelayError | None = None) -> None:
        answering = iter(answers)
        super().__init__(lambda _message: next(answering))
        self.trouble = ready

    async def ready(self) -> TryLater | None:
        if isinstance(self.trouble, RelayError):
            raise self.trouble
        return self.trouble


class Book:
    """Where it is written down; away for the first `away` times."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.counts: dict[tuple[str, str], int] = {}

    async def add(self, counts: Mapping[tuple[str, str], int]) -> None:
        if self.away:
            self.away -= 1
            raise StoreError("away")
        for key, count in counts.items():
            self.counts[key] = self.counts.get(key, 0) + count


async def test_every_answer_counts_for_its_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailer.flow.tally.EVERY", 0.001)
    book = Book(away=1)
    tally = Tally(book)
    answers = (
        Accepted(REPLY), Accepted(REPLY), TryLater(Phase.RCPT), Refused(Phase.RCPT, REPLY), InDoubt(),
        TryLater(Phase.CONNECT),
    )  # fmt: skip
    async with tally.kept():
        session = CountedSession(Scripted(*answers), "r:25", tally)
        for _answer in answers:
            await session.send(MESSAGE, lambda: True)
        await session.send(MESSAGE, lambda: False)  # it was us who said no
        assert await session.ready() is None
        down = CountedSession(Scripted(ready=TryLater(Phase.CONNECT)), "s:25", tally)
        assert await down.ready() is not None
        with pytest.raises(RelayError):
            await CountedSession(Scripted(ready=RelayError("no")), "s:25", tally).ready()
    async with tally.kept():
        pass
    assert book.counts == {
        ("r:25", "accepted"): 2, ("r:25", "try_later"): 1, ("r:25", "refused"): 1, ("r:25", "in_doubt"): 1,
        ("r:25", "away"): 1, ("s:25", "away"): 2,
    }  # fmt: skip
