"""The mailbox keeps what it is handed, within bounds, for several processes at once."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtplib import SMTP, SMTPResponseException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer.errors import SettingsError, UsageError
from mailer.mailbox import reading
from mailer.mailbox.reading import Stored
from mailer.mailbox.server import MailboxServer, serve
from mailer.mailbox.storage import Mailbox
from mailer.testing import FrozenClock

NOW = datetime(2027, 5, 10, 7, 0, 0, tzinfo=UTC)


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "mailbox", FrozenClock(NOW))


@asynccontextmanager
async def served(mailbox: Mailbox) -> AsyncIterator[MailboxServer]:
    server = await serve(mailbox)
    try:
        yield server
    finally:
        await server.close()
        await asyncio.sleep(0.01)


def birthday() -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Kardelen <merhaba@kardelen.example>"
    mail["To"] = "Ayşe Yılmaz <ayse@example.com>"
    mail["Subject"] = "İyi ki doğdun, Ayşe"
    mail["Message-ID"] = "<d1@kardelen.example>"
    mail.set_content("Sana bir hediye: DG-ABCD2345\n")
    mail.add_alternative("<p>Sana bir <b>hediye</b></p>\n", subtype="html")
    html = mail.get_payload(1)
    assert isinstance(html, EmailMessage)
    html.add_related(b"\x89PNG", "image", "png", cid="<logo@kardelen>", filename="logo.png")
    return mail


async def test_an_empty_mailbox_is_an_empty_list(mailbox: Mailbox) -> None:
    assert await mailbox.list() == []


async def test_a_mail_is_listed_and_shown_as_it_came(mailbox: Mailbox) -> None:
    raw = birthday().as_bytes()
    kept = await mailbox.add("b@kardelen.example", ["ayse@example.com"], raw)
    (row,) = await mailbox.list()
    assert row.facts() == {
        "id": kept,
        "at": NOW,
        "from": "Kardelen <merhaba@kardelen.example>",
        "to": "ayse@example.com",
        "subject": "İyi ki doğdun, Ayşe",
        "size": len(raw),
        "message_id": "<d1@kardelen.example>",
    }
    mail = await mailbox.get(kept)
    assert mail.raw == raw
    assert mail.row == row
    assert mail.mail_from == "b@kardelen.example"
    assert mail.text == "Sana bir hediye: DG-ABCD2345\n"
    assert mail.html == "<p>Sana bir <b>hediye</b></p>\n"
    assert [(part.name, part.type, part.content_id, part.content) for part in mail.attachments] == [
        ("logo.png", "image/png", "logo@kardelen", b"\x89PNG")
    ]
    assert ("Subject", "İyi ki doğdun, Ayşe") in mail.headers


async def test_ids_are_short_and_the_newest_comes_first(mailbox: Mailbox) -> None:
    ids = [await mailbox.add("", [f"c{n}@example.com"], b"Subject: x\r\n\r\n") for n in range(3)]
    assert ids == ["1", "2", "3"]
    assert [row.id for row in await mailbox.list()] == ["3", "2", "1"]
    assert (await mailbox.get("000002")).row.to == "c1@example.com"


async def test_a_page_of_it_is_read_alone(mailbox: Mailbox) -> None:
    for number in range(5):
        await mailbox.add("", ["a@example.com"], f"Subject: {number}\r\n\r\n".encode())
    rows, total = await mailbox.page(1, 2)
    assert ([row.subject for row in rows], total) == (["3", "2"], 5)
    assert await mailbox.page(5, 2) == ([], 5)


async def test_mails_are_found_by_their_message_ids(mailbox: Mailbox) -> None:
    heads = (
        "Message-ID: <one@x>",
        "message-id:\r\n <folded@x>",
        "Subject: <two@x>\r\nIn-Reply-To: <one@x>\r\n\r\nMessage-ID: <body@x>",
        "Subject: again\r\nMessage-ID: <one@x>",
    )
    for head in heads:
        await mailbox.add("", ["a@example.com"], f"{head}\r\n\r\nHello".encode())
    wanted = {"<one@x>", "<folded@x>", "<two@x>", "<body@x>", "<none@x>"}
    assert await mailbox.find(wanted) == {"<one@x>": "4", "<folded@x>": "2"}
    assert await mailbox.find(()) == {}


@pytest.mark.parametrize("mail_id", ["7", "", "../../etc/passwd", "1.eml", "-1", "١", "9" * 5000, "1\n"])
async def test_an_id_nobody_has_is_said_plainly(mailbox: Mailbox, mail_id: str) -> None:
    await mailbox.add("", ["a@example.com"], b"\r\n")
    with pytest.raises(UsageError, match="no mail"):
        await mailbox.get(mail_id)


async def test_the_oldest_make_room(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path, FrozenClock(NOW), max_mails=10)
    for _ in range(35):
        await mailbox.add("", ["a@example.com"], b"\r\n")
    assert [row.id for row in await mailbox.list()] == [str(number) for number in range(35, 25, -1)]


async def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path, FrozenClock(NOW), max_mails=10, max_bytes=50_000)
    for _ in range(20):
        await mailbox.add("", ["a@example.com"], b"x" * 10_000)
    assert sum(row.size for row in await mailbox.list()) <= 50_000
    assert (await mailbox.list())[0].id == "20"


async def test_a_stale_writer_does_not_go_back_to_old_numbers(tmp_path: Path) -> None:
    first, second = (Mailbox(tmp_path, FrozenClock(NOW), max_mails=5) for _ in range(2))
    await first.add("", ["a@example.com"], b"\r\n")
    for _ in range(20):
        await second.add("", ["a@example.com"], b"\r\n")
    assert await first.add("", ["a@example.com"], b"\r\n") == "22"


async def test_what_is_half_written_or_foreign_is_not_shown(mailbox: Mailbox, tmp_path: Path) -> None:
    await mailbox.add("", ["a@example.com"], b"Subject: whole\r\n\r\n")
    folder = tmp_path / "mailbox"
    (folder / "000002.eml").touch()
    (folder / "000003.part").write_bytes(b"Return-Path: <>\r\n")
    (folder / "000004.eml").write_bytes(b"\xff\xfe")
    (folder / "notes.txt").write_text("mine")
    assert [row.subject for row in await mailbox.list()] == ["whole"]
    assert await mailbox.add("", ["a@example.com"], b"\r\n") == "3"


def _write(folder: str, count: int) -> None:
    async def run() -> None:
        mailbox = Mailbox(Path(folder), FrozenClock(NOW))
        for _ in range(count):
            await mailbox.add("", ["a@example.com"], b"Subject: from another process\r\n\r\nwhole\r\n")

    asyncio.run(run())


async def test_two_processes_write_while_a_third_reads(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(str(tmp_path), 40)) for _ in range(2)]
    for writer in writers:
        writer.start()
    mailbox = Mailbox(tmp_path, FrozenClock(NOW))
    async with asyncio.timeout(60):
        seen = 0
        while seen < 80:
            rows = await mailbox.list()
            assert all(row.subject == "from another process" for row in rows)
            for row in rows[:3]:
                assert (await mailbox.get(row.id)).text == "whole\r\n"
            assert len(rows) >= seen
            seen = len(rows)
            await asyncio.sleep(0.01)
    for writer in writers:
        writer.join()
    assert sorted(int(row.id) for row in rows) == list(range(1, 81))


async def test_what_is_sent_to_the_server_lies_in_the_mailbox(mailbox: Mailbox) -> None:
    async with served(mailbox) as server:
        client = SMTP(hostname=server.host, port=server.port, start_tls=False)
        await client.connect()
        await client.sendmail("shop@kardelen.example", ["ayşe@example.com"], b"Subject: hi\r\n\r\n.dot\r\n",
                              mail_options=["SMTPUTF8"])  # fmt: skip
        await client.quit()
    (row,) = await mailbox.list()
    assert row.to == "ayşe@example.com"
    assert (await mailbox.get(row.id)).text == ".dot\r\n"


async def test_many_connections_at_once(mailbox: Mailbox) -> None:
    async with served(mailbox) as server:

        async def send(name: str) -> None:
            client = SMTP(hostname=server.host, port=server.port, start_tls=False)
            await client.connect()
            for number in range(5):
                await client.sendmail("s@x.example", [f"{name}{number}@example.com"], b"Subject: hi\r\n\r\n")
            await client.quit()

        await asyncio.gather(*(send(f"c{n}-") for n in range(8)))
    rows = await mailbox.list()
    assert len({row.to for row in rows}) == len({row.id for row in rows}) == 40


async def test_no_room_is_a_later_never_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with served(Mailbox(tmp_path / "file" / "mailbox", FrozenClock(NOW))) as server:
        client = SMTP(hostname=server.host, port=server.port, start_tls=False)
        await client.connect()
        with pytest.raises(SMTPResponseException) as raised:
            await client.sendmail("s@x.example", ["a@example.com"], b"Subject: hi\r\n\r\n")
        await client.quit()
    assert raised.value.code == 452


async def test_closing_cuts_connections_that_are_open(mailbox: Mailbox) -> None:
    async with served(mailbox) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        await reader.readline()
        await server.close()
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "mail.example"])  # noqa: S104 -- it must be refused
async def test_it_listens_on_loopback_only(mailbox: Mailbox, host: str) -> None:
    with pytest.raises(SettingsError, match="loopback only"):
        await serve(mailbox, host)


async def test_a_taken_port_is_said(mailbox: Mailbox) -> None:
    async with served(mailbox) as server:
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{server.port}"):
            await serve(mailbox, port=server.port)


CROOKED = [
    b"From: ",
    b"<a@b",
    b"Subject: ",
    b"Message-ID: <@>",
    b"Content-Type: multipart/mixed; boundary=x\r\n",
    b"Content-Type: text/html; charset=no-such\r\n",
    b"Content-Type: text/plain; charset*=utf-8''%ff; name*0*=x\r\n",
    b"Content-Disposition: attachment; filename*=",
    b"Content-Transfer-Encoding: base64\r\n",
    b"--x\r\n",
    b"=?utf-8?q?",
    b"=0D=0ABcc",
    b"?=",
    b"\x1b[31m",
    b"\xff",
    b"\x00",
    b"\r\n",
    b"a",
]


@given(st.lists(st.sampled_from(CROOKED)))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_crooked_mail_breaks_the_reader(parts: list[bytes]) -> None:
    stored = Stored("a\r\nb\udcff", "ayşe@example.com", NOW)
    again, raw = Stored.split(stored.lines() + b"".join(parts))
    assert raw == b"".join(parts)
    assert (again.rcpt_to, again.at) == (stored.rcpt_to, NOW)
    shown = reading.mail("1", again, raw)
    for text in (
        shown.row.sender,
        shown.row.subject,
        shown.mail_from,
        *(value for _, value in shown.headers),
    ):
        assert text.isprintable()
