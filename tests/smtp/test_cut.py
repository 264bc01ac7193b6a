"""The line is cut after every number of bytes, either way: what is said of a message is always true."""

from __future__ import annotations

import asyncio

import pytest

from mailer.core.delivery import Accepted, InDoubt, Outcome
from mailer.core.message import Message
from mailer.smtp.relay import RelayConfig, Timeouts, Tls
from mailer.smtp.session import Session
from tests.proxy import Line, line_to
from tests.relay import Relay, running

PATIENT = Timeouts(connect=5, command=5, block=5, dot=5, farewell=5)
WHO = ("a@b.example", "c@d.example")


@pytest.mark.parametrize("offers", [[], ["PIPELINING"]], ids=["plain", "pipelined"])
@pytest.mark.parametrize("way", ["there", "back"])
async def test_a_line_cut_anywhere_never_lies(offers: list[str], way: str) -> None:
    """Definite is what is certain, doubt is said only where the dot was written, and nothing arrives twice."""
    async with running({"extensions": offers}) as relay, line_to(relay.port) as line:
        await two_messages(relay, line)
        whole = line.passed if way == "there" else line.replied
        assert len(relay.accepted) == 2
        doubted = 0
        for at in range(whole):
            line.passed = line.replied = 0
            line.cut_after = at if way == "there" else None
            line.replies_cut_after = at if way == "back" else None
            line.heals = True
            relay.messages.clear()
            outcomes, noted = await two_messages(relay, line)
            taken = [received.recipient for received in relay.accepted]
            doubted += any(isinstance(outcome, InDoubt) for outcome in outcomes)
            for to, outcome in zip(WHO, outcomes, strict=True):
                where = f"cut {way} after {at} bytes: {to} {outcome}"
                assert taken.count(to) <= 1, where
                assert isinstance(outcome, InDoubt) or (to in taken) == isinstance(outcome, Accepted), where
                assert (to in noted) == isinstance(outcome, (Accepted, InDoubt)), where
    assert 0 < doubted < whole / 2


async def two_messages(relay: Relay, line: Line) -> tuple[list[Outcome], list[str]]:
    """What became of two messages, and whose dot was written; when the relay has nothing more to do."""
    session = Session(RelayConfig("127.0.0.1", line.port, tls=Tls.NONE, local_hostname="x", timeouts=PATIENT))
    noted: list[str] = []
    first, second = [Message("s@k.example", to, b"\r\n", "<1@k.example>") for to in WHO]
    outcomes = []
    for message, after in ((first, second), (second, None)):
        to = message.rcpt_to
        outcomes.append(
            await session.send(
                message,
                lambda: True,
                before_dot=lambda to=to: noted.append(to),
                follow=lambda after=after: after,
            )
        )
    await session.close()
    async with asyncio.timeout(5):
        while relay.open:  # noqa: ASYNC110 -- a few rounds of the loop
            await asyncio.sleep(0)
    return outcomes, noted
