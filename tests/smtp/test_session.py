"""What the relay does at each phase, and what we then know of the message."""

from __future__ import annotations

import asyncio
import errno
from typing import Any

import pytest

from mailer.core.delivery import Accepted, InDoubt, Outcome, Phase, Refused, TryLater
from mailer.core.message import Message
from mailer.errors import NotRepresentable, TooLarge
from mailer.smtp.relay import RelayConfig, Timeouts, Tls
from mailer.smtp.session import Session
from tests.relay import Relay, running

QUICK = Timeouts(connect=0.5, command=0.5, block=0.5, dot=0.5, farewell=0.5)


def yes() -> bool:
    return True


def config(relay: Relay, **changes: Any) -> RelayConfig:
    options: dict[str, Any] = {"tls": Tls.NONE, "local_hostname": "sender.test", "timeouts": QUICK}
    return RelayConfig("127.0.0.1", relay.port, **(options | changes))


def message(to: str = "ayse@example.com", body: bytes = b"hello\r\n", **changes: Any) -> Message:
    data = b"From: shop@kardelen.example\r\nMessage-ID: <1@kardelen.example>\r\n\r\n" + body
    options: dict[str, Any] = {"mail_from": "shop@kardelen.example", "rcpt_to": to, "data": data}
    return Message(message_id="<1@kardelen.example>", **(options | changes))


OFFERS = ["SIZE 100000000", "8BITMIME", "SMTPUTF8"]


@pytest.fixture(params=[[], ["PIPELINING"]], ids=["plain", "pipelined"])
def offers(request: pytest.FixtureRequest) -> list[str]:
    """What the relay offers, without and with PIPELINING."""
    return [*OFFERS, *request.param]


async def send_one(relay: Relay, **changes: Any) -> Outcome:
    session = Session(config(relay))
    try:
        return await session.send(message(**changes), yes)
    finally:
        await session.close()


BIG = b"x" * 70 + b"\r\n"

ANSWERS = [
    # banner, EHLO: the relay's trouble, whatever the digit
    ("banner", "421 4.3.2 busy", TryLater, Phase.CONNECT, 421),
    ("banner", "554 5.3.2 go away", TryLater, Phase.CONNECT, 554),
    ("banner", "silence", TryLater, Phase.CONNECT, None),
    ("banner", "cut", TryLater, Phase.CONNECT, None),
    ("banner", "close", TryLater, Phase.CONNECT, None),
    ("banner", r"raw SSH-2.0-OpenSSH_9\r\n", TryLater, Phase.CONNECT, None),
    ("banner", "flood 5000000", TryLater, Phase.CONNECT, None),
    ("banner", "endless", TryLater, Phase.CONNECT, None),
    ("banner", "drip 0.1|220 slow", TryLater, Phase.CONNECT, None),
    ("ehlo", "421 4.3.2 busy", TryLater, Phase.HELLO, 421),
    ("ehlo", "451 later", TryLater, Phase.HELLO, 451),
    ("ehlo", "cut", TryLater, Phase.HELLO, None),
    ("ehlo", "endless", TryLater, Phase.HELLO, None),
    # the envelope
    ("mail", "421 4.3.2 closing", TryLater, Phase.MAIL, 421),
    ("mail", "451 4.7.1 later", TryLater, Phase.MAIL, 451),
    ("mail", "550 5.7.1 not you", Refused, Phase.MAIL, 550),
    ("mail", "530 5.7.0 log in first", TryLater, Phase.AUTH, 530),
    ("mail", "cut", TryLater, Phase.MAIL, None),
    ("mail", "silence", TryLater, Phase.MAIL, None),
    ("mail", "flood 5000000", TryLater, Phase.MAIL, None),
    ("mail", "354 what", TryLater, Phase.MAIL, 354),
    ("rcpt", "421 4.3.2 closing|close", TryLater, Phase.RCPT, 421),
    ("rcpt", "450 4.2.0 greylisted", TryLater, Phase.RCPT, 450),
    ("rcpt", "550 5.1.1 nobody", Refused, Phase.RCPT, 550),
    ("rcpt", "251 will forward", Accepted, None, 250),
    ("rcpt", "cut", TryLater, Phase.RCPT, None),
    ("rcpt", "silence", TryLater, Phase.RCPT, None),
    ("rcpt", "endless", TryLater, Phase.RCPT, None),
    # DATA: no 354, so nothing can have arrived
    ("data", "421 4.3.2 closing", TryLater, Phase.DATA, 421),
    ("data", "451 4.3.0 later", TryLater, Phase.DATA, 451),
    ("data", "554 5.5.0 no", Refused, Phase.DATA, 554),
    ("data", "250 eh", TryLater, Phase.DATA, 250),
    ("data", "cut", TryLater, Phase.DATA, None),
    ("data", "silence", TryLater, Phase.DATA, None),
    ("data", r"raw 354 go\r\n550 5.7.1 or not\r\n", TryLater, Phase.BODY, None),
    # the dot has left: only a reply tells
    ("dot", "250 2.0.0 ok", Accepted, None, 250),
    ("dot", "251 ok too", Accepted, None, 251),
    ("dot", "250 ok|cut", Accepted, None, 250),
    ("dot", "421 4.3.2 closing", TryLater, Phase.DOT, 421),
    ("dot", "451 4.3.0 later", TryLater, Phase.DOT, 451),
    ("dot", "552 5.2.2 full", Refused, Phase.DOT, 552),
    ("dot", "554 5.7.1 spam", Refused, Phase.DOT, 554),
    ("dot", "354 again", InDoubt, None, None),
    ("dot", "cut", InDoubt, None, None),
    ("dot", "keep|cut", InDoubt, None, None),
    ("dot", "close", InDoubt, None, None),
    ("dot", "silence", InDoubt, None, None),
    ("dot", "flood 5000000", InDoubt, None, None),
    ("dot", "endless", InDoubt, None, None),
    ("dot", r"raw ok\r\n", InDoubt, None, None),
    ("dot", "drip 0.1|250 2.0.0 too slow", InDoubt, None, None),
    ("dot", "wait 0.2|250 2.0.0 slow", Accepted, None, 250),
]


@pytest.mark.parametrize(
    ("step", "answer", "kind", "phase", "code"), ANSWERS, ids=[f"{row[0]}: {row[1]}" for row in ANSWERS]
)
async def test_each_answer_at_each_phase_has_one_meaning(
    step: str, answer: str, kind: type[Outcome], phase: Phase | None, code: int | None
) -> None:
    async def one(offers: list[str]) -> Outcome:
        async with running({"extensions": offers, step: [answer, ""]}) as relay:
            return await send_one(relay)

    for outcome in await asyncio.gather(one(OFFERS), one([*OFFERS, "PIPELINING"])):
        assert type(outcome) is kind
        assert getattr(outcome, "phase", None) == phase
        reply = getattr(outcome, "reply", None)
        assert (reply.code if reply else None) == code
        if code is None and not isinstance(outcome, Accepted):
            assert isinstance(outcome, (TryLater, InDoubt))
            assert outcome.detail
            assert len(outcome.detail) < 600


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize(
    "answer", ["451 4.0.0 later", "550 5.0.0 no", "421 4.0.0 bye|close", "cut", r"raw x\r\n"]
)
async def test_the_next_message_is_untouched_by_the_last_ones_trouble(
    offers: list[str], step: str, answer: str
) -> None:
    async with running(
        {
            "extensions": offers,
            "to": {"bad@*": {step: answer}},
            **({step: [answer, "250 ok"]} if step == "mail" else {}),
        }
    ) as relay:
        session = Session(config(relay))
        first = await session.send(message("bad@example.com"), yes)
        second = await session.send(message("good@example.com"), yes)
        await session.close()
    assert not isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert [received.recipient for received in relay.accepted] == ["good@example.com"]
    kept_open = answer[0] in "45" and not answer.startswith("421")
    assert relay.connections == (1 if kept_open else 2)


async def test_one_connection_carries_many_messages(offers: list[str]) -> None:
    async with running({"extensions": offers}) as relay:
        session = Session(config(relay))
        for number in range(20):
            assert isinstance(await session.send(message(f"c{number}@example.com"), yes), Accepted)
        await session.close()
    assert relay.connections == 1
    assert relay.verbs() == ["EHLO", *["MAIL", "RCPT", "DATA"] * 20, "QUIT"]


async def test_a_connection_ends_after_its_share(offers: list[str]) -> None:
    async with running({"extensions": offers}) as relay:
        session = Session(config(relay, messages_per_connection=3))
        for _ in range(7):
            await session.send(message(), yes)
        await session.close()
    assert [received.connection for received in relay.accepted] == [1, 1, 1, 2, 2, 2, 3]
    assert relay.verbs().count("QUIT") == 3


async def test_a_relay_that_closes_after_each_message_costs_none(offers: list[str]) -> None:
    async with running({"extensions": offers, "close_after": 1}) as relay:
        session = Session(config(relay))
        outcomes = [await session.send(message(), yes) for _ in range(5)]
        await session.close()
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert relay.connections == 5


async def test_an_idle_connection_closed_at_mail_is_opened_again(offers: list[str]) -> None:
    async with running({"extensions": offers, "mail": ["250 ok", "close", "250 ok"]}) as relay:
        session = Session(config(relay))
        outcomes = [await session.send(message(), yes) for _ in range(2)]
        await session.close()
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert relay.connections == 2


async def test_what_may_not_start_leaves_no_data_and_keeps_the_connection(offers: list[str]) -> None:
    async with running({"extensions": offers}) as relay:
        session = Session(config(relay))
        assert await session.send(message(), lambda: False) == TryLater(Phase.DATA, detail="held")
        assert relay.verbs() == (["EHLO"] if "PIPELINING" in offers else ["EHLO", "MAIL", "RCPT", "RSET"])
        assert isinstance(await session.send(message(), yes), Accepted)
        await session.close()
    assert relay.connections == 1
    assert len(relay.messages) == 1


async def test_what_may_no_longer_go_stops_before_the_dot(offers: list[str]) -> None:
    """The relay took so long with its 354 that somebody else may have the delivery by now."""
    answers = iter([True, False, True, True])
    async with running({"extensions": offers}) as relay:
        session = Session(config(relay))
        assert await session.send(message(), lambda: next(answers)) == TryLater(Phase.BODY, detail="held")
        assert isinstance(await session.send(message(), lambda: next(answers)), Accepted)
        await session.close()
    assert len(relay.messages) == 1
    assert relay.connections == 2


async def test_a_dot_that_cannot_be_noted_down_is_not_written(offers: list[str]) -> None:
    noted: list[str] = []

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with running({"extensions": offers}) as relay:
        session = Session(config(relay))
        outcome = await session.send(message(), yes, before_dot=full)
        assert isinstance(outcome, TryLater)
        assert outcome.phase is Phase.BODY
        assert "No space left" in outcome.detail
        sent = await session.send(message(), yes, before_dot=lambda: noted.append("dot"))
        assert isinstance(sent, Accepted)
        await session.close()
    assert len(relay.messages) == 1
    assert noted == ["dot"]
    assert relay.connections == 2


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
async def test_a_dot_is_not_noted_down_for_a_message_that_was_refused(offers: list[str], step: str) -> None:
    noted: list[str] = []
    async with running({"extensions": offers, step: "550 5.0.0 no", "hasty": True}) as relay:
        session = Session(config(relay))
        assert isinstance(await session.send(message(), yes, before_dot=lambda: noted.append("dot")), Refused)
        await session.close()
    assert noted == []
    assert relay.accepted == []


async def test_a_failing_fence_stops_the_message(offers: list[str]) -> None:
    def broken() -> bool:
        raise RuntimeError("database away")

    async with running({"extensions": offers}) as relay:
        session = Session(config(relay))
        with pytest.raises(RuntimeError):
            await session.send(message(), broken)
        assert isinstance(await session.send(message(), yes), Accepted)
        await session.close()
    assert len(relay.messages) == 1
    assert relay.connections == 2


async def test_a_refusal_in_the_middle_of_the_body_is_a_definite_no(offers: list[str]) -> None:
    async with running({"body": "after 1000|552 5.3.4 too much|wait 5", "extensions": offers}) as relay:
        outcome = await send_one(relay, body=BIG * 400_000)
    assert isinstance(outcome, Refused)
    assert (outcome.phase, outcome.reply.code) == (Phase.BODY, 552)
    assert relay.accepted == []


@pytest.mark.parametrize("actions", ["cut", "wait 5"])
async def test_a_body_that_cannot_leave_is_a_definite_no(offers: list[str], actions: str) -> None:
    async with running({"body": f"after 1000|{actions}", "extensions": offers}) as relay:
        outcome = await send_one(relay, body=BIG * 400_000)
    assert isinstance(outcome, TryLater)
    assert outcome.phase is Phase.BODY


async def test_a_connection_cut_right_after_354_is_never_more_than_doubt(offers: list[str]) -> None:
    async with running({"extensions": offers, "data": "354 go ahead|cut"}) as relay:
        outcome = await send_one(relay)
    assert isinstance(outcome, InDoubt) or outcome == TryLater(Phase.BODY, detail="the connection was lost")


async def test_replies_that_arrive_unasked_are_never_paired_with_the_next_message(offers: list[str]) -> None:
    async with running(
        {"extensions": offers, "dot": [r"raw 451 4.0.0 later\r\n250 ok\r\n", "250 ok"]}
    ) as relay:
        session = Session(config(relay))
        first = await session.send(message("a@example.com"), yes)
        second = await session.send(message("a@example.com"), yes)
        await session.close()
    assert isinstance(first, TryLater)
    assert isinstance(second, Accepted)
    assert [received.connection for received in relay.accepted] == [2]


async def test_a_relay_that_speaks_out_of_turn_from_the_start_is_not_spoken_to() -> None:
    async with running({"ehlo": r"raw 250-relay.test\r\n250 SIZE\r\n250 ok\r\n"}) as relay:
        outcome = await send_one(relay)
    assert outcome == TryLater(Phase.HELLO, detail="the relay spoke out of turn")
    assert relay.verbs() == ["EHLO"]


async def test_an_unsolicited_421_between_messages_is_not_taken_for_an_answer(offers: list[str]) -> None:
    async with running(
        {"extensions": offers, "dot": ["250 ok|wait 0.05|421 4.4.2 idle too long|close", "250 ok"]}
    ) as relay:
        session = Session(config(relay))
        assert isinstance(await session.send(message("a@example.com"), yes), Accepted)
        await asyncio.sleep(0.2)
        assert session._link is not None
        assert not session._link.alive
        assert isinstance(await session.send(message("a@example.com"), yes), Accepted)
        await session.close()
    assert relay.connections == 2


async def test_a_relay_that_only_knows_helo_is_spoken_to() -> None:
    async with running({"ehlo": "502 5.5.1 what"}) as relay:
        assert isinstance(await send_one(relay), Accepted)


async def test_the_envelope_says_what_the_message_needs() -> None:
    async with running() as relay:
        await send_one(relay)
        await send_one(
            relay, to="ayşe@example.com", smtputf8=True, data="To: ayşe@example.com\r\n\r\n.\r\n".encode()
        )
    plain, utf8 = relay.accepted
    assert plain.options == f"SIZE={len(message().data)}"
    assert utf8.options == "SIZE=28 BODY=8BITMIME SMTPUTF8"
    assert utf8.recipient == "ayşe@example.com"


UNFIT = {
    "no SMTPUTF8": ([], {"to": "ayşe@example.com", "smtputf8": True}, NotRepresentable),
    "local part beyond ASCII": (["SMTPUTF8"], {"to": "ayşe@example.com"}, NotRepresentable),
    "8-bit data": ([], {"body": b"\xff\r\n"}, NotRepresentable),
    "a second command": ([], {"to": "a@b.example>\r\nRCPT TO:<e@evil.example"}, NotRepresentable),
    "a parameter": ([], {"to": "a@b.example> NOTIFY=NEVER"}, NotRepresentable),
    "two addresses": ([], {"to": "a@b.example,c@d.example"}, NotRepresentable),
    "no recipient": ([], {"to": ""}, NotRepresentable),
    "over SIZE": (["SIZE 50"], {}, TooLarge),
}


@pytest.mark.parametrize(("extensions", "changes", "error"), UNFIT.values(), ids=UNFIT)
async def test_a_message_this_relay_cannot_carry_is_not_begun(
    extensions: list[str], changes: dict[str, Any], error: type[Exception]
) -> None:
    async with running({"extensions": extensions}) as relay:
        session = Session(config(relay))
        with pytest.raises(error):
            await session.send(message(**changes), yes)
        assert relay.verbs() == ["EHLO"]
        assert isinstance(await session.send(message(data=b"a"), yes), Accepted)
        await session.close()
    assert relay.connections == 1


async def test_a_size_refused_at_mail_is_too_large(offers: list[str]) -> None:
    async with running({"extensions": offers, "mail": ["552 5.3.4 message too big", "250 ok"]}) as relay:
        session = Session(config(relay))
        with pytest.raises(TooLarge):
            await session.send(message(), yes)
        assert isinstance(await session.send(message(), yes), Accepted)
        await session.close()
    assert relay.connections == 1


async def test_getting_ready_connects_once_and_begins_nothing() -> None:
    async with running() as relay:
        session = Session(config(relay))
        assert await session.ready() is None
        assert await session.ready() is None
        assert relay.verbs() == ["EHLO"]
        assert isinstance(await session.send(message(), yes), Accepted)
        await session.close()
    assert relay.connections == 1


@pytest.mark.parametrize("answer", ["421 4.3.2 busy", "554 5.3.2 go away", "cut", r"raw what\r\n"])
async def test_getting_ready_says_what_keeps_us(answer: str) -> None:
    async with running({"banner": [answer, "220 ok"]}) as relay:
        session = Session(config(relay))
        trouble = await session.ready()
        assert isinstance(trouble, TryLater)
        assert trouble.phase is Phase.CONNECT
        assert await session.ready() is None
        await session.close()


async def test_nobody_listens() -> None:
    async with running() as relay:
        pass
    outcome = await send_one(relay)
    assert outcome == TryLater(Phase.CONNECT, detail="the connection was refused: nothing listens there")


async def test_a_cancellation_while_it_connects_is_heard_at_every_moment() -> None:
    async with running() as relay:
        for moment in range(400):
            session = Session(config(relay))
            connecting = asyncio.create_task(session.ready())
            for _ in range(moment % 100):
                await asyncio.sleep(0)
            if moment >= 100:  # right after something was heard
                await asyncio.sleep(0.00001 * (moment % 100))
            if connecting.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await connecting
            await session.close()
