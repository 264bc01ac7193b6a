"""The listener: takes mail for our own addresses, one at a time, and nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage

import aiosmtplib
import pytest

from mailer.errors import SettingsError
from mailer.inbound.listener import SIZE_LIMIT, Door, Listener, listen
from tests.inbound.mails import TO, dsn


class Desk:
    """Knows one address; what it is told to answer decides."""

    def __init__(self) -> None:
        self.taken: list[tuple[bytes, list[str]]] = []
        self.answer: bool | Exception = True

    def knows(self, address: str) -> bool:
        return address.lower() == TO

    async def take(self, data: bytes, recipients: list[str]) -> bool:
        self.taken.append((data, recipients))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@asynccontextmanager
async def listening(desk: Desk, protocol: str = "smtp") -> AsyncIterator[Listener]:
    listener = await listen("127.0.0.1:0", Door(desk.knows, desk.take), protocol=protocol)
    try:
        yield listener
    finally:
        await listener.close()


@asynccontextmanager
async def speaking(listener: Listener) -> AsyncIterator[aiosmtplib.SMTP]:
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=listener.port, start_tls=False, timeout=10)
    async with client:
        yield client


async def test_what_a_stranger_says_is_not_repeated_to_whoever_watches(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with listening(Desk()) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        await reader.readline()
        for line in (b"\x1b[31mred\x1b]0;title\x07\r\n", b"GET / HTTP/1.1\r\n", b"MAIL FROM:<\x1b[2J>\r\n"):
            writer.write(line)
            assert (await reader.readline()).startswith(b"5")
        writer.close()
        await writer.wait_closed()
    assert caplog.records == []


async def test_mail_for_an_address_of_ours_is_taken() -> None:
    desk = Desk()
    async with listening(desk) as listener, speaking(listener) as client:
        reply = await client.sendmail("", [TO.upper()], dsn())
        assert reply[1].startswith("2.0.0")
    [(data, recipients)] = desk.taken
    assert data.replace(b"\r\n", b"\n") == dsn()
    assert recipients == [TO.upper()]


@pytest.mark.parametrize(
    "address", ["merhaba@kardelen.example", "postmaster", "x@y.example", TO + ".evil.example"]
)
async def test_mail_for_anybody_else_is_refused(address: str) -> None:
    desk = Desk()
    async with listening(desk) as listener, speaking(listener) as client:
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as caught:
            await client.sendmail("a@b.example", [address], b"x")
    assert caught.value.recipients[0].code in (501, 550, 553)
    assert desk.taken == []


async def test_one_recipient_at_a_time() -> None:
    async with listening(Desk()) as listener, speaking(listener) as client:
        await client.mail("")
        await client.rcpt(TO)
        with pytest.raises(aiosmtplib.SMTPRecipientRefused) as caught:
            await client.rcpt(TO)
        assert caught.value.code == 452


@pytest.mark.parametrize("answer", [False, RuntimeError("the reader fell over")])
async def test_what_cannot_be_booked_now_is_brought_again(answer: bool | Exception) -> None:
    desk = Desk()
    desk.answer = answer
    async with listening(desk) as listener, speaking(listener) as client:
        with pytest.raises(aiosmtplib.SMTPDataError) as caught:
            await client.sendmail("", [TO], dsn())
    assert caught.value.code == 451


async def test_long_lines_come_through_and_too_much_does_not() -> None:
    desk = Desk()
    async with listening(desk) as listener, speaking(listener) as client:
        await client.sendmail("", [TO], dsn() + b"x" * 20_000 + b"\r\n")
        assert len(desk.taken) == 1
        with pytest.raises(aiosmtplib.SMTPResponseException) as caught:
            await client.mail("", options=[f"SIZE={SIZE_LIMIT + 1}"])
        assert caught.value.code == 552
    assert len(desk.taken) == 1


async def test_it_speaks_lmtp_where_that_is_wanted() -> None:
    desk = Desk()
    async with listening(desk, "lmtp") as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        for line in ("LHLO x", "MAIL FROM:<>", f"RCPT TO:<{TO}>", "DATA"):
            writer.write(f"{line}\r\n".encode())
        writer.write(b"Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n")
        said = (await asyncio.wait_for(reader.read(), 10)).decode()
        writer.close()
    assert "250 2.0.0 taken" in said
    assert len(desk.taken) == 1


async def test_a_client_that_leaves_in_the_middle_and_one_too_many() -> None:
    desk = Desk()
    async with listening(desk) as listener:
        for _each in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(f"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<{TO}>\r\nDATA\r\nhalf".encode())
            await writer.drain()
            writer.transport.abort()
        for _each in range(40):  # those that leave make room
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"220")
            writer.write(b"QUIT\r\n")
            await asyncio.wait_for(reader.read(), 10)
            writer.close()
        crowd = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(60)]
        said = [await asyncio.wait_for(reader.readline(), 10) for reader, _ in crowd]
        assert [line[:3] for line in said] == [b"220"] * 20 + [b"421"] * 40
        for _, writer in crowd:
            writer.close()
    assert desk.taken == []


async def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(
            SettingsError, match=r"bounces.listen: mail that comes back cannot be taken at 127"
        ):
            await listen(address, Door(Desk().knows, Desk().take), place="settings.yaml:3")


async def test_a_mail_program_can_speak_with_it() -> None:
    desk = Desk()
    mail = EmailMessage()
    mail["To"], mail["From"], mail["Subject"] = TO, "a@b.example", "ünlü"
    mail.set_content("şğü\n.\n")
    async with listening(desk) as listener, speaking(listener) as client:
        await client.send_message(mail)
    assert b"\r\n.\r\n" in desk.taken[0][0] or b"=" in desk.taken[0][0]
