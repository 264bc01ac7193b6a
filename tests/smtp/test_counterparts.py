"""Against aiosmtpd, through a line that is cut, and against the scripted relay as a program."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as Peer

from mailer.core.delivery import Accepted, InDoubt, Phase, TryLater
from mailer.core.message import Message
from mailer.smtp.relay import RelayConfig, Timeouts, Tls
from mailer.smtp.session import Session
from tests.noted import noted
from tests.proxy import line_to
from tests.relay import running

QUICK = Timeouts(connect=2, command=2, block=1, dot=1, farewell=1)
PATIENT = Timeouts()  # for a relay in a process of its own, which may be kept from answering as long as we
HEADER = b"Message-ID: <1@kardelen.example>\r\nSubject: x\r\n\r\n"


def session(port: int, timeouts: Timeouts = QUICK) -> Session:
    return Session(RelayConfig("127.0.0.1", port, tls=Tls.NONE, timeouts=timeouts))


def message(body: bytes, to: str = "ayse@example.com") -> Message:
    return Message("shop@kardelen.example", to, HEADER + body, "<1@kardelen.example>")


class Basket:
    """What aiosmtpd took."""

    def __init__(self) -> None:
        self.taken: list[tuple[str | None, list[str], bytes]] = []

    async def handle_DATA(self, _: SMTP, _peer: Peer, envelope: Envelope) -> str:  # noqa: N802 -- theirs
        assert isinstance(envelope.content, bytes)
        self.taken.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        return "250 2.0.0 taken"


@asynccontextmanager
async def aiosmtpd() -> AsyncIterator[tuple[int, Basket]]:
    basket = Basket()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(basket, hostname="there.test", enable_SMTPUTF8=True, loop=loop), "127.0.0.1", 0
    )
    try:
        yield server.sockets[0].getsockname()[1], basket
    finally:
        server.close()
        await asyncio.sleep(0.01)


HOSTILE = {
    "lf dot lf": b"a\n.\nMAIL FROM:<e@evil.example>\nRCPT TO:<v@example.com>\nDATA\nboo\n.\n",
    "cr dot cr": b"a\r.\rMAIL FROM:<e@evil.example>\rRCPT TO:<v@example.com>\rDATA\rboo\r.\r",
    "lf dot crlf": b"a\n.\r\nMAIL FROM:<e@evil.example>\r\nRCPT TO:<v@b.example>\r\nDATA\r\nboo\r\n.\r\n",
    "crlf dot cr": b"a\r\n.\rMAIL FROM:<e@evil.example>\r\n",
    "crlf dot crlf": b"a\r\n.\r\nMAIL FROM:<e@evil.example>\r\nRCPT TO:<v@b.example>\r\nDATA\r\nboo\r\n.\r\n",
    "nul before the dot": b"a\r\n\x00.\r\nb\r\n",
    "dots all over": b".\r\n..\r\n...\r\n.a\r\n",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
async def test_no_body_smuggles_a_second_message(body: bytes) -> None:
    async with aiosmtpd() as (port, basket):
        opened = session(port)
        assert isinstance(await opened.send(message(body), lambda: True), Accepted)
        assert isinstance(await opened.send(message(b"next\r\n"), lambda: True), Accepted)
        await opened.close()
    assert [to for _, to, _ in basket.taken] == [["ayse@example.com"]] * 2
    assert basket.taken[0][2].replace(b"\r\n", b"\n") == HEADER.replace(b"\r\n", b"\n") + body.replace(
        b"\r\n", b"\n"
    ).replace(b"\r", b"\n")
    assert basket.taken[1][2] == HEADER + b"next\r\n"


async def test_an_address_beyond_ascii_reaches_a_relay_that_knows_it() -> None:
    async with aiosmtpd() as (port, basket):
        opened = session(port)
        sent = Message("shop@kardelen.example", "ayşe@örnek.example", HEADER, "<1@x>", smtputf8=True)
        assert isinstance(await opened.send(sent, lambda: True), Accepted)
        await opened.close()
    assert basket.taken[0][1] == ["ayşe@örnek.example"]


BODY = b"0123456789012345678901234567890123456789012345678901234567890123456789\r\n" * 10


@pytest.mark.parametrize("cut_after", [0, 1, 10, 25, 60, 80, 95, 100, 103, 104, 105, 140, 400, 800, 890, 895])
async def test_a_line_cut_after_some_bytes_never_lies(cut_after: int) -> None:
    """Whatever the moment: a definite answer is true, and doubt is only said once the dot had left."""
    async with running() as relay, line_to(relay.port, cut_after=cut_after) as line:
        opened = session(line.port)
        outcome = await opened.send(message(BODY), lambda: True)
        await opened.close()
        data_began = any(verb == "DATA" for verb in relay.verbs())
    arrived = len(relay.accepted)
    assert isinstance(outcome, (Accepted, InDoubt, TryLater))
    if isinstance(outcome, Accepted):
        assert arrived == 1
    elif isinstance(outcome, TryLater):
        assert arrived == 0
    else:
        assert data_began


async def test_a_line_gone_deaf_in_the_body_is_doubt_after_the_dot() -> None:
    async with running() as relay, line_to(relay.port, cut_after=400, deaf=True) as line:
        outcome = await session(line.port).send(message(BODY), lambda: True)
    assert isinstance(outcome, InDoubt)


async def test_a_line_gone_deaf_before_data_is_a_definite_no() -> None:
    async with running() as relay, line_to(relay.port, cut_after=30, deaf=True) as line:
        outcome = await session(line.port).send(message(BODY), lambda: True)
    assert isinstance(outcome, TryLater)
    assert outcome.phase in (Phase.HELLO, Phase.MAIL)


async def test_a_sender_that_is_stopped_leaves_no_connection_behind() -> None:
    async with running({"dot": ["silence", "250 ok"]}) as relay:
        opened = session(relay.port)
        sending = asyncio.ensure_future(opened.send(message(b"x\r\n"), lambda: True))
        await asyncio.sleep(0.2)  # by now it waits for the relay's word
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert isinstance(await opened.send(message(b"x\r\n"), lambda: True), Accepted)
        await opened.close()
    assert relay.connections == 2


async def test_the_relay_as_a_program_writes_its_log_before_it_replies(tmp_path: Path) -> None:
    log = tmp_path / "relay.jsonl"
    script = json.dumps({"rcpt": ["451 4.7.1 greylisted", "250 ok"], "to": {"lost@*": {"dot": "keep|cut"}}})
    program = Path(__file__).parent.parent / "relay.py"
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), "--script", script, "--log", str(log), "--keep", str(tmp_path),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        port = json.loads(await process.stdout.readline())["port"]
        opened = session(port, PATIENT)
        outcomes = [await opened.send(message(b"hi\r\n", to), lambda: True) for to in ("a@x.example",) * 2]
        assert isinstance(outcomes[0], TryLater)
        assert isinstance(outcomes[1], Accepted)
        await opened.send(message(b"hi\r\n", "lost@x.example"), lambda: True)
        lost = await opened.send(message(b"hi\r\n", "lost@x.example"), lambda: True)
        assert isinstance(lost, InDoubt)
        lines = noted(log)
        await opened.close()
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()
    dots = [
        (line["recipient"], line["message_id"], line["accepted"]) for line in lines if line["phase"] == "dot"
    ]
    assert dots == [
        ("a@x.example", "<1@kardelen.example>", True),
        ("lost@x.example", "<1@kardelen.example>", True),
    ]
    assert lines[-1]["sha256"] == hashlib.sha256(HEADER + b"hi\r\n").hexdigest()
    assert (tmp_path / "000002.eml").read_bytes() == HEADER + b"hi\r\n"
