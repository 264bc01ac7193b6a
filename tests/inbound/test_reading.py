"""Mails that came back, to what they say: by every writer we know, and by those who mean harm."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from quopri import encodestring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.bounce import Kind
from mailer.inbound.parts import LOOKED_AT, Unreadable, parse
from mailer.inbound.reading import read
from tests.inbound import mails
from tests.inbound.mails import MESSAGE_ID, TO, TOKEN, arf, dsn


def test_a_report_by_the_book() -> None:
    [said] = read(dsn())
    assert (said.kind, said.source, said.recipient, said.status) == (
        Kind.BOUNCE, "dsn", "ayse@away.example", "5.1.1",
    )  # fmt: skip
    assert said.diagnostic == "550 5.1.1 <ayse@away.example>: User unknown"
    assert (said.message_id, said.tokens, said.vouched) == (MESSAGE_ID, (TOKEN,), False)


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (dsn(action="delayed", status="4.4.1", code="smtp; 451 4.4.1 no answer"), Kind.DELAY, "4.4.1"),
        (dsn(action="FAILED ", status="5.0.0", code="smtp; 550 5.2.2 full"), Kind.BOUNCE, "5.2.2"),
        (dsn(action="failed (for good)"), Kind.BOUNCE, "5.1.1"),
        (dsn(status="5.0.0", code="x-unix; user unknown"), Kind.BOUNCE, "5.0.0"),
        (dsn(code="550 no kind before it"), Kind.BOUNCE, "5.1.1"),
        (dsn(status="5.1.1 (bad destination mailbox address)"), Kind.BOUNCE, "5.1.1"),
        (dsn(status=""), Kind.BOUNCE, "5.1.1"),
        (dsn(kind="message/global-delivery-status"), Kind.BOUNCE, "5.1.1"),
        (dsn(original="text/rfc822-headers"), Kind.BOUNCE, "5.1.1"),
        (dsn(original="message/global"), Kind.BOUNCE, "5.1.1"),
        (dsn(recipients=3), Kind.BOUNCE, "5.1.1"),
        (dsn().replace(b"\n", b"\r\n"), Kind.BOUNCE, "5.1.1"),
        (
            dsn().replace(b"multipart/report; report-type=delivery-status", b"multipart/mixed"),
            Kind.BOUNCE,
            "5.1.1",
        ),
        (dsn().replace(b"--b0--\n", b""), Kind.BOUNCE, "5.1.1"),
    ],
)
def test_reports_as_they_come(data: bytes, kind: Kind, status: str) -> None:
    [said] = read(data)
    assert (said.kind, said.status, said.tokens) == (kind, status, (TOKEN,))
    assert said.recipient == "ayse@away.example"
    assert said.message_id == MESSAGE_ID


@pytest.mark.parametrize("kind", ["message/delivery-status", "message/global-delivery-status"])
@pytest.mark.parametrize(
    ("encoding", "encode"), [("base64", base64.encodebytes), ("quoted-printable", encodestring)]
)
def test_a_report_whose_fields_are_encoded(
    kind: str, encoding: str, encode: Callable[[bytes], bytes]
) -> None:
    fields = (
        "Reporting-MTA: dns; mx.away.example\n\nFinal-Recipient: utf-8; ayşe@away.example\nAction: failed\n"
        "Status: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 ayşe = kimse\n yok\n"
    )
    data = (
        f"From: MAILER-DAEMON@mx.away.example\nTo: {TO}\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        f"--b\nContent-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n"
        f"{encode(fields.encode()).decode()}\n--b--\n"
    )
    for ends in ("\n", "\r\n"):
        [said] = read(data.replace("\n", ends).encode())
        assert (said.kind, said.status, said.recipient) == (Kind.BOUNCE, "5.1.1", "ayşe@away.example")
        assert said.diagnostic == "550 5.1.1 ayşe = kimse yok"


def test_a_failure_says_more_than_a_delay() -> None:
    delayed = "\nFinal-Recipient: rfc822; x@away.example\nAction: delayed\nStatus: 4.4.1\n"
    [said] = read(dsn(more=delayed))
    assert said.kind is Kind.BOUNCE


@pytest.mark.parametrize(
    ("data", "status", "diagnostic"),
    [
        (mails.QMAIL, "5.1.1", "Remote host said: 550 5.1.1 User unknown"),
        (mails.EXIM, "5.2.2", "host mx.away.example [192.0.2.1]: 552 5.2.2 mailbox full"),
    ],
)
def test_bounces_in_words(data: bytes, status: str, diagnostic: str) -> None:
    [said] = read(data)
    assert (said.kind, said.source, said.recipient) == (Kind.BOUNCE, "text", "ayse@away.example")
    assert (said.status, said.diagnostic, said.tokens) == (status, diagnostic, (TOKEN,))


@pytest.mark.parametrize(
    "data", [text.encode() for text in mails.NO_BOUNCES.values()], ids=list(mails.NO_BOUNCES)
)
def test_what_is_no_report(data: bytes) -> None:
    assert read(data, [TO]) == []


@pytest.mark.parametrize(
    ("data", "tokens"),
    [
        (arf(), (TOKEN,)),
        (arf(sender=f"Original-Mail-From: <{TO.upper()}>\n"), (TOKEN,)),
        (arf(original="text/rfc822-headers"), (TOKEN,)),
        (arf().replace(b"Return-Path", b"X-Was"), ()),
        (arf(kind="fraud"), (TOKEN,)),
        (arf().replace(b"\n", b"\r\n"), (TOKEN,)),
    ],
)
def test_complaints(data: bytes, tokens: tuple[str, ...]) -> None:
    [said] = read(data)
    assert (said.kind, said.source, said.message_id) == (Kind.COMPLAINT, "arf", MESSAGE_ID)
    assert said.tokens == tokens
    assert said.recipient == "ayse@away.example"


def test_the_envelope_says_more_than_the_headers() -> None:
    other = TO.replace("+4d-", "+4e-")
    [said] = read(dsn(to=TO), [other])
    assert said.tokens[0] == TOKEN.replace("4d-", "4e-")
    [said] = read(dsn(to="somebody@else.example").replace(b"Return-Path", b"X-Was"))
    assert said.tokens == ()
    for name in (b"Delivered-To", b"X-Original-To", b"Envelope-To"):
        found = (
            name + b": <" + TO.encode() + b">\n" + dsn(to="x@else.example").replace(b"Return-Path", b"X-Was")
        )
        assert read(found)[0].tokens == (TOKEN,)


DEEP = b"".join(
    b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (number, number) for number in range(3_000)
)
NESTED_MAILS = b"Content-Type: message/rfc822\n\n" * 10_000
NEST = dsn().replace(b"Merhaba!", b"--b0\nContent-Type: message/rfc822\n\n" * 20)

HOSTILE = {
    "deep": DEEP,
    "mails in mails": NESTED_MAILS,
    "some mails in a report": NEST,
    "huge": dsn() + b"x" * 20_000_000,
    "one line": b"Subject: " + b"a" * 5_000_000,
    "ten thousand headers": b"Received: x\n" * 100_000 + dsn(),
    "ten thousand recipients": dsn(recipients=1_500),
    "no boundary": dsn().replace(b'; boundary="b0"', b""),
    "empty boundary": dsn().replace(b'"b0"', b'""'),
    "boundary of stars": dsn().replace(b"b0", b"*" * 60),
    "nul": dsn().replace(b"failed", b"fai\0led").replace(b"User", b"\0\0"),
    "no such charset": mails.QMAIL.replace(b"Subject", b"Content-Type: text/plain; charset=klingon\nSubject"),
    "charset of codec tricks": mails.QMAIL.replace(
        b"Subject", b"Content-Type: text/plain; charset=zlib\nSubject"
    ),
    "rot13": mails.QMAIL.replace(b"Subject", b"Content-Type: text/plain; charset=rot13\nSubject"),
    "utf-16": mails.QMAIL.replace(b"Subject", b"Content-Type: text/plain; charset=utf-16\nSubject"),
    "idna": mails.QMAIL.replace(b"Subject", b"Content-Type: text/plain; charset=idna\nSubject"),
    "charset in pieces": b"Content-Type: multipart/report; charset*0*=utf-8''x; boundary*=x\n\n\xff\n",
    "bad base64": mails.QMAIL.replace(b"Subject", b"Content-Transfer-Encoding: base64\nSubject"),
    "uuencode": mails.QMAIL.replace(b"Subject", b"Content-Transfer-Encoding: x-uuencode\nSubject"),
    "broken words": dsn().replace(b"Action: failed", b"Action: =?utf-8?b?====?= =?x?q?=ff?="),
    "words of a strange charset": dsn(code="smtp; =?klingon?b?AAAA?= 550"),
    "latin letters": dsn(code="smtp; 550 5.1.1 kullan\u0131c\u0131 yok").decode().encode("iso-8859-9"),
    "parameters without end": dsn().replace(
        b"report-type", b"a*0=b; a*1=c; a*999999999999=" + b"d;" * 5_000 + b"x"
    ),
    "spaces": b"From: MAILER-DAEMON@x\n\n" + b" \n" * 100_000,
    "angle brackets": b"From: MAILER-DAEMON@x\nTo: x@y\n\n" + b"<" * 200_000,
    "at signs": b"From: MAILER-DAEMON@x\nTo: x@y\n\n" + b"a@" * 100_000,
    "like qmail": mails.QMAIL + b"<a@b.example>:\n" * 20_000,
    "like exim": b"X-Failed-Recipients: " + b"a@b.example, " * 20_000 + b"\nFrom: MAILER-DAEMON@x\n\nx",
    "tokens": dsn(to=", ".join([TO] * 5_000)),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=list(HOSTILE))
def test_what_is_made_to_hurt_does_not(data: bytes) -> None:
    began = time.process_time()
    said = read(data, [TO])
    assert time.process_time() - began < 2.0
    assert len(said) <= 1
    for each in said:
        assert len(each.diagnostic) <= 500
        assert len(each.tokens) <= 10
        assert each.diagnostic.isprintable()


def test_little_of_a_mail_is_looked_at() -> None:
    assert read(b"X: " + b"y" * LOOKED_AT + b"\n" + dsn()) == []


PIECES = st.sampled_from(
    [
        b"Content-Type: multipart/report; boundary=b\n", b"Content-Type: message/delivery-status\n", b"\n\n", b"--b\n",
        b"--b--\n", b"Action: failed\n", b"Status: 5.1.1\n", b"Final-Recipient: rfc822; a@b\n", b"Subject: =?utf-8?",
        b"Content-Transfer-Encoding: base64\n", b"Content-Type: message/feedback-report\n", b"Feedback-Type: abuse\n",
        b"From: MAILER-DAEMON@x\n", b"Content-Type: text/plain; charset=", b"Content-Type: message/rfc822\n",
        b"\xff\0;", b"X-Failed-Recipients: a@b\n", b"To: b+4d-1-aaaa-0123456789abcdef01234567@x\n",
    ]
)  # fmt: skip


@settings(max_examples=150)
@given(st.lists(PIECES | st.binary(max_size=20), max_size=30))
def test_nothing_anybody_sends_breaks_the_reader(pieces: list[bytes]) -> None:
    assert len(read(b"".join(pieces))) <= 1


DELAYED = f"""\
From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>
To: {TO}
Subject: Delivery Status Notification (Delay)

Delivery to the following recipient has been delayed:

     ayse@away.example

Message will be retried for 2 more day(s)
""".encode()


def test_words_that_say_not_yet_are_no_bounce() -> None:
    [said] = read(DELAYED)
    assert (said.kind, said.source, said.recipient) == (Kind.DELAY, "text", "ayse@away.example")


def test_words_of_a_mail_system_for_somebody_who_is_away_are_no_bounce() -> None:
    assert read(mails.EXIM)
    assert read(b"X-Autoreply: yes\n" + mails.EXIM) == []


def test_of_several_recipients_the_one_that_failed_counts() -> None:
    late = "Final-Recipient: rfc822; late@away.example\nAction: delayed\nStatus: 4.4.1\n\nFinal-Recipient:"
    [said] = read(dsn().replace(b"Final-Recipient:", late.encode(), 1))
    assert (said.kind, said.recipient, said.status) == (Kind.BOUNCE, "ayse@away.example", "5.1.1")


def test_a_mail_of_parts_in_parts_is_not_taken_apart() -> None:
    nested = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 31
    with pytest.raises(Unreadable):
        parse(nested)
    assert parse(nested[: len(nested) * 30 // 31]).is_multipart()
