from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.message import Image, Letter, Message, Rendered
from mailer.errors import HeaderRefused, NotRepresentable, TooLarge
from mailer.render.mime import assemble
from mailer.render.plain import ODD
from mailer.render.text import clean

LETTER = Letter(
    from_name="Kardelen",
    from_address="merhaba@kardelen.example",
    to_name="Ayşe Yılmaz",
    to_address="ayse@shop.example",
    message_id="<d.7@kardelen.example>",
    date=datetime(2027, 5, 10, 10, 0, tzinfo=timezone(timedelta(hours=3))),
)
RENDERED = Rendered("Merhaba", "Merhaba\n", "<p>Merhaba</p>\n", "tr")


def parsed(message: Message) -> EmailMessage:
    found = message_from_bytes(message.data, policy=policy.SMTP)
    assert isinstance(found, EmailMessage)
    return found


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content.replace("\r\n", "\n")


def name_of(raw: str) -> str:
    """The display name as RFC 2047 has it: no blank between two encoded words."""
    phrase = raw.replace("\r\n", "").rpartition("<")[0].strip()
    if phrase.startswith('"'):
        return phrase[1:-1].replace("\\\\", "\0").replace("\\", "").replace("\0", "\\")
    return str(make_header(decode_header(phrase)))


def letter(**changes: Any) -> Letter:
    return replace(LETTER, **changes)


NAMES = st.text(st.characters(min_codepoint=32, exclude_categories=("C", "Zl", "Zp")), max_size=200)
BODIES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=3000)


def collapsed(text: str) -> str:
    return " ".join(word for word in text.split(" ") if word)


@settings(max_examples=150)
@given(
    subject=NAMES.filter(lambda text: text.strip(" ") and "=?" not in text),
    name=NAMES,
    text=BODIES,
    html=BODIES,
)
def test_what_goes_in_is_what_a_receiver_reads(subject: str, name: str, text: str, html: str) -> None:
    if "=?" in name:
        name = name.replace("=?", "")
    made = assemble(Rendered(subject, text, html), letter(to_name=name))
    assert all(len(line) <= 998 for line in made.data.split(b"\r\n"))
    assert made.data.endswith(b"\r\n")
    assert not set(b"\r\n") & set(made.data.replace(b"\r\n", b""))
    assert b"\r" not in made.data.replace(b"\r\n", b"")
    assert made.data.isascii()
    message = parsed(made)
    assert str(message["Subject"]) == collapsed(subject)
    raw = dict(message.raw_items())
    assert name_of(str(raw["To"])) == collapsed(name)
    assert [each.addr_spec for each in message["To"].addresses] == ["ayse@shop.example"]
    for kind, given_text in (("plain", text), ("html", html)):
        wanted = given_text.replace("\r\n", "\n").replace("\r", "\n")
        assert body(message, kind) == (wanted if wanted.endswith("\n") else wanted + "\n")


def by_the_library(rendered: Rendered, letter: Letter) -> EmailMessage:
    """The same letter as the standard library writes it, read back."""
    message = EmailMessage(policy=policy.SMTP)
    message["To"] = Address(letter.to_name, addr_spec=letter.to_address)
    message["Subject"] = rendered.subject
    message["Date"] = letter.date
    message.set_content(rendered.text)
    message.add_alternative(rendered.html or "", subtype="html")
    found = message_from_bytes(message.as_bytes(), policy=policy.SMTP)
    assert isinstance(found, EmailMessage)
    return found


LETTERS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp", "Zs")) | st.just(" "), max_size=80
)


@settings(max_examples=100)
@given(
    subject=LETTERS.map(collapsed).filter(lambda text: text and "=?" not in text),
    name=LETTERS.map(collapsed).filter(lambda text: "=?" not in text),
    text=BODIES,
    html=BODIES,
    exact=st.booleans(),
)
def test_it_says_what_the_library_would_have_said(
    subject: str, name: str, text: str, html: str, exact: bool
) -> None:
    text, html = clean(text), clean(html)
    exact = exact and not ODD.search(html)
    ours = parsed(assemble(Rendered(subject, text, html, exact=exact), letter(to_name=name)))
    theirs = by_the_library(Rendered(subject, text, html), letter(to_name=name))
    assert (ours["Subject"], ours["Date"].datetime) == (theirs["Subject"], theirs["Date"].datetime)
    # The library may lose a blank where it folds a long name before a bracket; that we keep it is tried above.
    names = [name_of(dict(each.raw_items())["To"]).replace(" ", "") for each in (ours, theirs)]
    assert names[0] == names[1]
    assert [part.get_content_type() for part in ours.walk()] == [
        part.get_content_type() for part in theirs.walk()
    ]
    assert body(ours, "plain") == body(theirs, "plain")
    if "7bit" in str(ours.get_body(("html",))["Content-Transfer-Encoding"]) and exact:  # type: ignore[index]
        assert all(page.isascii() for page in [body(ours, "html")])
    else:
        assert body(ours, "html") == body(theirs, "html")


@pytest.mark.parametrize(
    "text",
    [
        "a\n.\nb",
        "a\r.\rb",
        "a\n.\r\nb",
        ".",
        "\n.\n",
        "x" * 10_000,
        "ğ" * 10_000,
        "a \nb\t\n",
        "From me\nFrom you",
    ],
)
def test_hostile_bodies_arrive_as_they_are(text: str) -> None:
    made = assemble(Rendered("Hi", text, text), LETTER)
    assert all(len(line) <= 998 for line in made.data.split(b"\r\n"))
    wanted = text.replace("\r\n", "\n").replace("\r", "\n")
    for kind in ("plain", "html"):
        assert body(parsed(made), kind) == wanted + ("" if wanted.endswith("\n") else "\n")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain\n", "7bit"),
        ("ığdır çay\n" + "ascii " * 40, "quoted-printable"),
        ("日本語のメール" * 40, "base64"),
    ],
)
def test_the_encoding_fits_the_text(text: str, encoding: str) -> None:
    message = parsed(assemble(Rendered("Hi", text), LETTER))
    assert message["Content-Transfer-Encoding"] == encoding


def test_a_whole_letter() -> None:
    made = assemble(
        replace(RENDERED, images={"abc@images.mailer": Image("logo ş.png", "image/png", b"\x89PNG" * 60)}),
        letter(
            list_id="Doğum günü <birthday.kardelen.example>",
            unsubscribe_url="https://shop.example/u/" + "A1b2" * 200,
            unsubscribe_mailto="mailto:u@kardelen.example?subject=u",
            in_reply_to="<first@kardelen.example>",
            references=("<first@kardelen.example>", f"<{'x' * 90}@kardelen.example>"),
            auto_submitted=True,
            headers={"Feedback-ID": "birthday:kardelen"},
            envelope_from="bounce+7@kardelen.example",
        ),
    )
    assert (made.mail_from, made.rcpt_to) == ("bounce+7@kardelen.example", "ayse@shop.example")
    assert not made.smtputf8
    head = made.data.partition(b"\r\n\r\n")[0].decode()
    assert f"\r\nList-Unsubscribe: <https://shop.example/u/{'A1b2' * 200}>,\r\n <mailto:" in head
    message = parsed(made)
    assert message.keys() == [
        "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "List-Id",
        "List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted", "Feedback-ID",
        "MIME-Version", "Content-Type",
    ]  # fmt: skip
    assert message["Date"] == "Mon, 10 May 2027 07:00:00 +0000"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
    ]  # fmt: skip
    picture = list(message.walk())[-1]
    assert picture["Content-ID"] == "<abc@images.mailer>"
    assert picture.get_content() == b"\x89PNG" * 60
    assert not [part.defects for part in message.walk() if part.defects]


def test_the_same_input_gives_the_same_bytes() -> None:
    assert assemble(RENDERED, LETTER).data == assemble(RENDERED, LETTER).data


def test_a_text_alone_is_no_multipart() -> None:
    assert parsed(assemble(replace(RENDERED, html=None), LETTER)).get_content_type() == "text/plain"


def test_a_body_cannot_hold_the_boundary() -> None:
    first = assemble(RENDERED, LETTER)
    boundary = parsed(first).get_boundary()
    assert boundary is not None
    hostile = f"\n--{boundary}--\n\n--{boundary}\nContent-Type: text/html\n\nevil"
    made = parsed(assemble(replace(RENDERED, text=hostile), LETTER))
    assert [part.get_content_type() for part in made.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    assert "evil" in body(made, "plain")


EVIL = "=?utf-8?q?a=0D=0ABcc:_e@e.com?="


@pytest.mark.parametrize(
    "evil",
    ["a\rb", "a\nBcc: e@e.com", "a\r\n\r\nbody", "a\0b", "a\x0bb", "a\x1bb", "a\x7fb", "a\x85b", "a\u2028b",
     "a\u2029b", "a\tb", "a\ud800b", EVIL, f"x {EVIL} y", "=?utf-8?b?QmNj?=", "=?x?="],
    ids=ascii,
)  # fmt: skip
def test_controls_and_encoded_words_never_reach_a_header(evil: str) -> None:
    for changes in ({"to_name": evil}, {"from_name": evil}, {"list_id": f"{evil} <a.b>"}):
        with pytest.raises(HeaderRefused):
            assemble(RENDERED, letter(**changes))
    with pytest.raises(HeaderRefused):
        assemble(replace(RENDERED, subject=evil), LETTER)
    for field in (
        "unsubscribe_url",
        "unsubscribe_mailto",
        "in_reply_to",
        "message_id",
        "to_address",
        "from_address",
    ):
        with pytest.raises(HeaderRefused):
            assemble(RENDERED, letter(**{field: evil}))
    with pytest.raises(HeaderRefused):
        assemble(RENDERED, letter(headers={"X-Note": evil}))
    with pytest.raises(HeaderRefused):
        assemble(RENDERED, letter(headers={evil: "x"}))


@pytest.mark.parametrize("evil", ["a\u202eb", "a\u2066b", "\u200ea"], ids=ascii)
def test_names_keep_their_direction(evil: str) -> None:
    with pytest.raises(HeaderRefused):
        assemble(RENDERED, letter(to_name=evil))


@pytest.mark.parametrize(
    "name", ["Bcc", "bcc", "Cc", "From", "Resent-To", "Content-Type", "List-Unsubscribe", "a b", ""]
)
def test_extra_headers_are_not_ours_or_structural(name: str) -> None:
    with pytest.raises(HeaderRefused):
        assemble(RENDERED, letter(headers={name: "x"}))


@pytest.mark.parametrize(
    "address",
    ["", "a", "<>", "a@", "@b.c", "a@b.c\r\nRCPT TO:<e>", '"evil@e.com x"@internal', "a@b,c@d", "a b@c.d",
     "a@b@c.d", "a@b.c>", "<a@b.c>", ".a@b.c", "a.@b.c", "a..b@c.d", f"{'x' * 65}@b.c", f"a@{'x' * 64}.c",
     "a@-b.c", "a@b..c", "a\u202e@b.c",
     "a@b\u200b.c", "a\u00ad@b.c", "a@[127.0.0.1]", "a;b@c.d", "a@b.c (x)"],
    ids=ascii,
)  # fmt: skip
def test_addresses_are_plain_or_refused(address: str) -> None:
    with pytest.raises((HeaderRefused, NotRepresentable)):
        assemble(RENDERED, letter(to_address=address))


@pytest.mark.parametrize(
    ("given_address", "sent"),
    [
        ("a@München.example", "a@xn--mnchen-3ya.example"),
        ("a@faß.example", "a@xn--fa-hia.example"),
        ("A.b+c@Shop.EXAMPLE", "A.b+c@shop.example"),
        ("a@раура.example", "a@xn--80aa0cbo.example"),
    ],
)
def test_international_domains_travel_as_a_labels(given_address: str, sent: str) -> None:
    made = assemble(RENDERED, letter(to_address=given_address))
    assert made.rcpt_to == sent
    assert parsed(made)["To"].addresses[0].addr_spec == sent
    assert not made.smtputf8


def test_a_local_part_that_needs_smtputf8() -> None:
    with pytest.raises(NotRepresentable):
        assemble(RENDERED, letter(to_address="ayşe@shop.example"))
    made = assemble(RENDERED, letter(to_address="ayşe@münchen.example", smtputf8=True))
    assert made.smtputf8
    assert made.rcpt_to == "ayşe@xn--mnchen-3ya.example"
    assert "<ayşe@xn--mnchen-3ya.example>" in made.data.decode()


def test_sizes() -> None:
    with pytest.raises(HeaderRefused, match="3,000 characters"):
        assemble(replace(RENDERED, subject="x" * 3000), LETTER)
    with pytest.raises(HeaderRefused, match="longer than a line"):
        assemble(RENDERED, letter(unsubscribe_url="https://e.example/" + "x" * 2000))
    with pytest.raises(TooLarge):
        assemble(replace(RENDERED, text="x" * 5000), LETTER, max_bytes=5000)
    long = assemble(replace(RENDERED, subject="ğ" * 998), letter(to_name="Ş" * 500))
    assert all(len(line) <= 76 for line in long.data.partition(b"\r\n\r\n")[0].split(b"\r\n"))


def test_a_date_needs_its_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        assemble(RENDERED, letter(date=datetime(2027, 1, 1, tzinfo=UTC).replace(tzinfo=None)))
