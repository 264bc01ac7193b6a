"""Three messages on one connection, each one's envelope glued to the dot before it (RFC 2920)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from mailer.core.delivery import Accepted, InDoubt, Outcome, Phase, Refused, TryLater
from mailer.core.message import Message
from mailer.errors import NotRepresentable
from mailer.smtp.relay import RelayConfig, Timeouts, Tls
from mailer.smtp.session import Session
from tests.relay import TLS, Relay, running
from tests.smtp.tape import Tape, session_over

OFFERS = ["SIZE 100000000", "8BITMIME", "PIPELINING"]
QUICK = Timeouts(connect=2, command=0.5, block=0.5, dot=0.5, farewell=0.5)
WHO = ("a@example.com", "b@example.com", "c@example.com")


def message(to: str, body: bytes = b"hello\r\n") -> Message:
    return Message(
        "shop@kardelen.example", to, b"Message-ID: <" + to.encode() + b">\r\n\r\n" + body, f"<{to}>"
    )


def session_to(relay: Relay, **changes: Any) -> Session:
    options: dict[str, Any] = {"tls": Tls.NONE, "local_hostname": "sender.test", "timeouts": QUICK}
    return Session(RelayConfig("localhost", relay.port, **(options | changes)))


async def handed_over(
    session: Session, messages: Sequence[Message], noted: list[str] | None = None
) -> list[Outcome]:
    """What became of each, when each is followed by the next; whose dot was announced is noted."""
    outcomes = []
    queue = list(messages)
    for each in messages:
        queue.remove(each)
        outcomes.append(
            await session.send(
                each,
                lambda: True,
                before_dot=lambda each=each: None if noted is None else noted.append(each.rcpt_to),
                follow=lambda: queue[0] if queue else None,
            )
        )
    await session.close()
    return outcomes


A, B, C = WHO
OK, LATER, NEVER, DOUBT = Accepted, TryLater, Refused, InDoubt
D, BODY, DOT, MAIL, RCPT, DATA = None, Phase.BODY, Phase.DOT, Phase.MAIL, Phase.RCPT, Phase.DATA

# What the relay does, what becomes of a and of b, and how many connections it takes; c is always accepted.
STORIES: dict[str, tuple[Mapping[str, Any], tuple[Any, Any], tuple[Any, Any], int]] = {
    "all is well": ({}, (OK, D), (OK, D), 1),
    "251 to the dot": ({"to": {A: {"dot": "251 2.1.5 will forward"}}}, (OK, D), (OK, D), 1),
    "4yz to the dot": ({"to": {A: {"dot": "451 4.3.0 later"}}}, (LATER, DOT), (OK, D), 1),
    "5yz to the dot": ({"to": {A: {"dot": "554 5.7.1 spam"}}}, (NEVER, DOT), (OK, D), 1),
    "421 to the dot": ({"to": {A: {"dot": "421 4.3.2 bye"}}}, (LATER, DOT), (OK, D), 2),
    "421 to the dot, and gone": ({"to": {A: {"dot": "421 4.3.2 bye|close"}}}, (LATER, DOT), (OK, D), 2),
    "3yz to the dot": ({"to": {A: {"dot": "354 again"}}}, (DOUBT, D), (OK, D), 2),
    "junk to the dot": ({"to": {A: {"dot": r"raw ok\r\n"}}}, (DOUBT, D), (OK, D), 2),
    "endless to the dot": ({"to": {A: {"dot": "endless"}}}, (DOUBT, D), (OK, D), 2),
    "reply lost": ({"to": {A: {"dot": "keep|cut"}}}, (DOUBT, D), (OK, D), 2),
    "reply never came": ({"to": {A: {"dot": "keep|silence"}}}, (DOUBT, D), (OK, D), 2),
    "half of it closed": ({"to": {A: {"dot": "keep|half|wait 0.1"}}}, (DOUBT, D), (OK, D), 2),
    "taken, half of it closed": ({"to": {A: {"dot": "250 ok|half|wait 0.1"}}}, (OK, D), (OK, D), 2),
    "taken, and cut": ({"to": {A: {"dot": "250 ok|cut"}}}, (OK, D), (OK, D), 2),
    "taken, and closed": ({"to": {A: {"dot": "250 ok|close"}}}, (OK, D), (OK, D), 2),
    "421 to the glued MAIL": ({"to": {A: {"dot": "250 ok|421 4.7.0 enough"}}}, (OK, D), (LATER, MAIL), 2),
    "421 to it, at once": (
        {"to": {A: {"dot": r"keep|raw 250 ok\r\n421 4.7.0 enough\r\n|close"}}}, (OK, D), (LATER, MAIL), 2,
    ),
    "glued MAIL: 4yz": ({"mail": ["250 ok", "451 4.7.1 slow", "250 ok"]}, (OK, D), (LATER, MAIL), 1),
    "glued MAIL: 5yz": ({"mail": ["250 ok", "550 5.7.1 no", "250 ok"]}, (OK, D), (NEVER, MAIL), 1),
    "glued MAIL: login": ({"mail": ["250 ok", "530 5.7.0 login", "250 ok"]}, (OK, D), (LATER, Phase.AUTH), 1),
    "glued MAIL: cut": ({"mail": ["250 ok", "cut", "250 ok"]}, (OK, D), (OK, D), 2),
    "glued MAIL: closed": ({"mail": ["250 ok", "close", "250 ok"]}, (OK, D), (OK, D), 2),
    "glued MAIL: silence": ({"mail": ["250 ok", "silence", "250 ok"]}, (OK, D), (LATER, MAIL), 2),
    "glued MAIL: junk": ({"mail": ["250 ok", r"raw x\r\n", "250 ok"]}, (OK, D), (LATER, MAIL), 2),
    "glued RCPT: 4yz": ({"to": {B: {"rcpt": "450 4.2.0 grey"}}}, (OK, D), (LATER, RCPT), 1),
    "glued RCPT: 5yz": ({"to": {B: {"rcpt": "550 5.1.1 nobody"}}}, (OK, D), (NEVER, RCPT), 1),
    "glued RCPT: 421": ({"to": {B: {"rcpt": "421 4.7.0 slow"}}}, (OK, D), (LATER, RCPT), 2),
    "glued RCPT: 421, gone": ({"to": {B: {"rcpt": "421 4.7.0 slow|close"}}}, (OK, D), (LATER, RCPT), 2),
    "glued RCPT: cut": ({"to": {B: {"rcpt": "cut"}}}, (OK, D), (LATER, RCPT), 2),
    "glued RCPT: 3yz": ({"to": {B: {"rcpt": "354 what"}}}, (OK, D), (LATER, RCPT), 2),
    "refused, yet 354": ({"hasty": True, "to": {B: {"rcpt": "550 5.1.1 no"}}}, (OK, D), (NEVER, RCPT), 1),
    "refused, 354, lone dot refused": (
        {"hasty": True, "dot": "554 5.5.1 no valid recipients",
         "to": {A: {"dot": "250 ok"}, B: {"rcpt": "450 4.2.0 grey"}, C: {"dot": "250 ok"}}},
        (OK, D), (LATER, RCPT), 1,
    ),
    "refused, 354, lone dot unanswered": (
        {"hasty": True, "dot": "cut",
         "to": {A: {"dot": "250 ok"}, B: {"rcpt": "550 5.1.1 no"}, C: {"dot": "250 ok"}}},
        (OK, D), (NEVER, RCPT), 2,
    ),
    "refused, RSET refused": (
        {"rset": "500 5.5.1 what", "to": {B: {"rcpt": "550 5.1.1 no"}}}, (OK, D), (NEVER, RCPT), 2,
    ),
    "refused, RSET unanswered": (
        {"rset": "silence", "to": {B: {"rcpt": "550 5.1.1 no"}}}, (OK, D), (NEVER, RCPT), 2,
    ),
    "glued DATA: 4yz": ({"to": {B: {"data": "451 4.3.0 later"}}}, (OK, D), (LATER, DATA), 1),
    "glued DATA: 5yz": ({"to": {B: {"data": "554 5.7.1 no"}}}, (OK, D), (NEVER, DATA), 1),
    "glued DATA: 421": ({"to": {B: {"data": "421 4.3.2 bye"}}}, (OK, D), (LATER, DATA), 2),
    "glued DATA: 250": ({"to": {B: {"data": "250 eh"}}}, (OK, D), (LATER, DATA), 2),
    "glued DATA: cut": ({"to": {B: {"data": "cut"}}}, (OK, D), (LATER, DATA), 2),
    "a yes too many": ({"to": {A: {"dot": r"keep|raw 250 ok\r\n250 ok\r\n"}}}, (OK, D), (LATER, DATA), 2),
    "a no too many": ({"to": {A: {"dot": r"keep|raw 250 ok\r\n550 5.0.0 no\r\n"}}}, (OK, D), (LATER, MAIL), 2),
    "354 and a no at once": (
        {"to": {B: {"data": r"raw 354 go\r\n550 5.0.0 no\r\n"}}}, (OK, D), (LATER, BODY), 2,
    ),
    "refused in the body": ({"to": {A: {"body": "after 20|552 5.3.4 full"}}}, (NEVER, DOT), (OK, D), 1),
    "refused in the body, and closed": (
        {"to": {A: {"body": "after 20|552 5.3.4 full|close"}}}, (NEVER, DOT), (OK, D), 2,
    ),
    "refused in the body, and at the dot": (
        {"to": {A: {"body": r"after 20|raw 552 full\r\n552 full\r\n"}}}, (NEVER, DOT), (LATER, MAIL), 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("script", "a", "b", "connections"), STORIES.values(), ids=STORIES)
async def test_what_befalls_one_message_is_not_taken_for_the_next_ones(
    script: Mapping[str, Any], a: tuple[Any, Any], b: tuple[Any, Any], connections: int
) -> None:
    noted: list[str] = []
    async with running({"extensions": OFFERS, **script}) as relay:
        outcomes = await handed_over(session_to(relay), [message(to) for to in WHO], noted)
    assert [(type(each), getattr(each, "phase", None)) for each in outcomes] == [a, b, (Accepted, None)]
    assert relay.connections == connections
    taken = [received.recipient for received in relay.accepted]
    assert len(set(taken)) == len(taken)
    for to, outcome in zip(WHO, outcomes, strict=True):
        if not isinstance(outcome, InDoubt):
            assert (to in taken) == isinstance(outcome, Accepted)
        assert (to in noted) == (isinstance(outcome, (Accepted, InDoubt)) or outcome.phase is Phase.DOT)
    assert len(set(noted)) == len(noted)


async def test_a_message_is_one_write() -> None:
    tape = Tape({})
    session = session_over(tape, "pipelining")
    outcomes = await handed_over(session, [message(to) for to in WHO])
    assert [type(each) for each in outcomes] == [Accepted] * 3

    def group(to: str) -> bytes:
        return f"MAIL FROM:<shop@kardelen.example>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode()

    def data(to: str) -> bytes:
        return message(to).data + b".\r\n"

    assert tape.writes == [group(A), data(A) + group(B), data(B) + group(C), data(C), b"QUIT\r\n"]


async def test_without_the_relays_offer_nothing_is_glued() -> None:
    asked: list[str] = []
    async with running() as relay:
        session = session_to(relay)
        for to in WHO:
            await session.send(message(to), lambda: True, follow=lambda: asked.append("follow"))
        await session.close()
    assert asked == []
    assert relay.verbs() == ["EHLO", *["MAIL", "RCPT", "DATA"] * 3, "QUIT"]


@pytest.mark.parametrize("to", [B, C])
async def test_a_promised_message_that_does_not_come_is_never_begun(to: str) -> None:
    """Its DATA has left: only by closing does the relay learn that no data follows."""
    async with running({"extensions": OFFERS}) as relay:
        session = session_to(relay)
        assert isinstance(await session.send(message(A), lambda: True, follow=lambda: message(B)), Accepted)
        outcome = await session.send(message(to), lambda: True)  # equal, but not the very one
        await session.close()
    assert isinstance(outcome, Accepted)
    assert [(each.recipient, each.connection) for each in relay.messages] == [(A, 1), (to, 2)]


async def test_leaving_with_a_promise_open_sends_nothing() -> None:
    async with running({"extensions": OFFERS}) as relay:
        session = session_to(relay)
        assert isinstance(await session.send(message(A), lambda: True, follow=lambda: message(B)), Accepted)
        await session.close()
    assert [each.recipient for each in relay.messages] == [A]
    assert "QUIT" not in relay.verbs()


async def test_getting_ready_keeps_the_glued_envelope() -> None:
    promised = message(B)
    async with running({"extensions": OFFERS}) as relay:
        session = session_to(relay, messages_per_connection=2)
        await session.send(message(A), lambda: True, follow=lambda: promised)
        assert await session.ready() is None
        assert isinstance(await session.send(promised, lambda: True), Accepted)
        await session.close()
    assert relay.connections == 1


async def test_a_message_the_relay_cannot_carry_is_not_glued() -> None:
    unfit = message("ayşe@example.com")
    async with running({"extensions": OFFERS}) as relay:
        session = session_to(relay)
        assert isinstance(await session.send(message(A), lambda: True, follow=lambda: unfit), Accepted)
        with pytest.raises(NotRepresentable):
            await session.send(unfit, lambda: True)
        assert isinstance(await session.send(message(C), lambda: True), Accepted)
        await session.close()
    assert relay.connections == 1


async def test_the_share_of_a_connection_counts_what_is_glued() -> None:
    async with running({"extensions": OFFERS}) as relay:
        await handed_over(session_to(relay, messages_per_connection=2), [message(to) for to in WHO + WHO[:2]])
    assert [received.connection for received in relay.accepted] == [1, 1, 2, 2, 3]
    assert relay.verbs().count("QUIT") == 3


async def test_what_may_no_longer_go_stops_a_glued_message_too() -> None:
    promised, may = message(B), [True]
    async with running({"extensions": OFFERS}) as relay:
        session = session_to(relay)
        assert isinstance(await session.send(message(A), lambda: may[0], follow=lambda: promised), Accepted)
        may[0] = False
        assert await session.send(promised, lambda: may[0]) == TryLater(Phase.BODY, detail="held")
        await session.close()
    assert [each.recipient for each in relay.messages] == [A]


async def test_a_dot_that_cannot_be_noted_down_takes_nothing_with_it() -> None:
    promised = message(B)

    def full() -> None:
        raise OSError(28, "No space left on device")

    async with running({"extensions": OFFERS}) as relay:
        session = session_to(relay)
        outcome = await session.send(message(A), lambda: True, before_dot=full, follow=lambda: promised)
        assert isinstance(outcome, TryLater)
        assert isinstance(await session.send(promised, lambda: True), Accepted)
        await session.close()
    assert [(each.recipient, each.connection) for each in relay.messages] == [(B, 2)]


@pytest.mark.parametrize("failing", ["before_dot", "follow", "may_start", "may_start at the dot"])
@pytest.mark.parametrize("error", [RuntimeError, NotRepresentable])
@pytest.mark.parametrize("offers", [["PIPELINING"], []])
async def test_a_caller_that_fails_on_the_way_has_sent_nothing(
    failing: str, error: type[Exception], offers: list[str]
) -> None:
    may = iter([True])

    def broken() -> Any:
        if failing == "may_start at the dot" and next(may, False):
            return True
        raise error("away")

    calls: dict[str, Callable[[], Any]] = {
        "may_start": lambda: True,
        failing.split(" ", maxsplit=1)[0]: broken,
    }
    if failing == "follow" and not offers:
        calls = {"may_start": broken}  # nothing is glued, so nobody asks what follows
    async with running({"extensions": offers}) as relay:
        session = session_to(relay)
        with pytest.raises(error):
            await session.send(message(A), **calls)
        assert isinstance(await session.send(message(B), lambda: True), Accepted)
        await session.close()
    assert [each.recipient for each in relay.messages] == [B]


async def test_stopping_in_the_middle_leaves_neither_message_behind() -> None:
    promised = message(B)
    async with running({"extensions": OFFERS, "to": {A: {"dot": "silence"}}}) as relay:
        session = session_to(relay)
        sending = asyncio.ensure_future(session.send(message(A), lambda: True, follow=lambda: promised))
        await asyncio.sleep(0.1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert isinstance(await session.send(promised, lambda: True), Accepted)
        await session.close()
    assert [(each.recipient, each.connection) for each in relay.accepted] == [(B, 2)]


@pytest.mark.parametrize("mode", [Tls.NONE, Tls.STARTTLS])
@pytest.mark.parametrize("size", [65_400, 65_536, 200_000])
async def test_large_messages_are_glued_as_well(mode: Tls, size: int) -> None:
    body = (b".line of text".ljust(98) + b"\r\n") * (size // 100)
    async with running({"extensions": OFFERS, "tls": mode.value}) as relay:
        session = session_to(relay, tls=mode, ca_file=str(TLS / "ca.pem"))
        outcomes = await handed_over(session, [message(to, body) for to in WHO])
    assert [type(each) for each in outcomes] == [Accepted] * 3
    assert [received.data for received in relay.accepted] == [message(to, body).data for to in WHO]
    assert relay.connections == 1


async def test_a_refusal_in_the_middle_of_a_large_body_spares_the_next_message() -> None:
    body = b"x" * 98 + b"\r\n"
    script = {"to": {A: {"body": "after 1000|552 5.3.4 too much|wait 5"}}, "extensions": OFFERS}
    async with running(script) as relay:
        outcomes = await handed_over(session_to(relay), [message(A, body * 200_000), message(B)])
    assert isinstance(outcomes[0], Refused)
    assert outcomes[0].phase is Phase.BODY
    assert [(each.recipient, each.connection) for each in relay.accepted] == [(B, 2)]


async def test_one_slow_connection_does_not_hold_up_another() -> None:
    async with running({"extensions": OFFERS, "to": {A: {"dot": "wait 0.4|250 ok"}}}) as relay:
        slow = asyncio.ensure_future(handed_over(session_to(relay), [message(A)]))
        outcomes = await handed_over(session_to(relay), [message(B) for _ in range(20)])
        assert not slow.done()
        assert [type(each) for each in [*outcomes, *await slow]] == [Accepted] * 21
