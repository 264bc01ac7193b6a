from __future__ import annotations

from email.header import decode_header

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.errors import HeaderRefused, RenderError
from mailer.render.headers import Field, address, list_id, mailbox, unstructured, verify


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", "To: a@b.c"),
        ("Ada", "To: Ada <a@b.c>"),
        ("Ada  Lovelace", "To: Ada Lovelace <a@b.c>"),
        ("Lovelace, Ada", 'To: "Lovelace, Ada" <a@b.c>'),
        ('A "x" \\y', 'To: "A \\"x\\" \\\\y" <a@b.c>'),
        ("a@evil.example", 'To: "a@evil.example" <a@b.c>'),
        ("Ayşe", "To: =?utf-8?q?Ay=C5=9Fe?= <a@b.c>"),
        ("日本", "To: =?utf-8?b?5pel5pys?= <a@b.c>"),
    ],
)
def test_a_name_is_written_as_plainly_as_it_can_be(name: str, written: str) -> None:
    field = mailbox("To", name, "a@b.c")
    assert field.written == written
    verify(f"{field.written}\r\n\r\n", [field])


def test_an_ascii_subject_folds_at_blanks() -> None:
    field = unstructured("Subject", "word " * 40)
    assert max(map(len, field.written.split("\r\n"))) <= 76
    assert field.written.replace("\r\n", "") == "Subject: " + "word " * 39 + "word"


@pytest.mark.parametrize(
    ("head", "fields"),
    [
        ("Subject: a\r\nBcc: e@e.com\r\n\r\n", [Field("Subject", "", "a")]),
        ("Subject: a\r\n\r\nBcc: e@e.com\r\n\r\n", [Field("Subject", "", "a"), Field("Bcc", "", "")]),
        ("Subject: b\r\n\r\n", [Field("Subject", "", "a")]),
        ("To: a@b.c, e@e.com\r\n\r\n", [Field("To", "", ("", "a@b.c"))]),
        ("To: x <e@e.com>\r\n\r\n", [Field("To", "", ("x", "a@b.c"))]),
        ("X-A: =?utf-8?q?a?=\r\n\r\n", [Field("X-A", "", "a")]),
    ],
)
def test_a_head_that_reads_otherwise_is_refused(head: str, fields: list[Field]) -> None:
    with pytest.raises(HeaderRefused, match="meant"):
        verify(head, fields)


@pytest.mark.parametrize("text", ["birthday", "a b.c", "<a.b> x", "a..b", "a.b\r\nBcc: x", ""])
def test_what_is_no_list_id(text: str) -> None:
    with pytest.raises(HeaderRefused):
        list_id(text)


DATA = st.text(
    st.characters(codec="utf-8") | st.sampled_from('=?_"\\<>@,;:() \r\n\t\x85\u2028\u200d\xa0İşğ日'),
    max_size=120,
)
DATA |= st.sampled_from(
    ["=?utf-8?q?a=0D=0ABcc:_e@e.com?=", "a\r\nBcc: e@e.com", '"x" <e@e.com>', "=?", "?=", "a, b"]
)


@settings(max_examples=300)
@given(name=DATA, subject=DATA, local=st.text("abcXYZ019.+-_=?'{}|~ş", min_size=1, max_size=30))
def test_what_is_proven_reads_as_it_was_meant(name: str, subject: str, local: str) -> None:
    fields: list[Field] = []
    for make in (
        lambda: mailbox("To", name, "ayse@shop.example"),
        lambda: mailbox("To", name[:20], address(f"{local}@shop.example", "it", smtputf8=True)),
        lambda: unstructured("Subject", subject or "x"),
    ):
        try:
            fields.append(make())
        except RenderError:
            continue
    for field in fields:
        if field.proven:
            assert field.written.isascii()
            verify(f"{field.written}\r\n\r\n", [field])


@pytest.mark.parametrize(
    ("name", "proven"),
    [
        ("Ada Lovelace", True), ("O'Neil, Jr. (Ann)", True), ("Ayşe Yılmaz", True), ("日本", True), ("", True),
        ("A =? B", False), ('A "B"', False), ("A\\B", False), ("a@b", False), ("A: B; <C>", False),
    ],
)  # fmt: skip
def test_what_needs_no_second_reader(name: str, proven: bool) -> None:
    assert mailbox("To", name, "a@b.example").proven is proven
    assert not mailbox("To", name, "a=?b@b.example").proven


@given(st.from_regex(r"[A-Za-z0-9_+.-]{1,70}@[A-Za-z0-9.-]{1,70}", fullmatch=True))
def test_plain_addresses_are_judged_alike(text: str) -> None:
    def judged(given: str) -> str | None:
        try:
            return address(given, "it", smtputf8=False)
        except RenderError:
            return None

    local, _, domain = text.rpartition("@")
    long_way = judged(f"{local}@{domain.upper()}")  # capitals are never taken at sight
    assert judged(text) == (long_way if any(map(str.isalpha, domain)) else judged(text))
    assert judged(f"{local}@{domain.lower()}") == judged(text)


@given(
    st.text(st.sampled_from("aşğ ,_=?İ€𝒜é"), min_size=1, max_size=120),
    st.sampled_from(["To", "Subject", "X" * 40]),
)
def test_encoded_words_are_whole_letters_and_fill_their_lines(said: str, name: str) -> None:
    said = " ".join(said.split())
    if said.isascii() or "=?" in said:
        return
    words = unstructured(name, said).written.removeprefix(f"{name}:").split()
    parts = [decode_header(word)[0] for word in words]
    assert "".join(octets.decode(charset) for octets, charset in parts) == said  # no letter is cut
    assert max(len(word) for word in words) <= 75
    if "?q?" in words[0]:
        assert [word.removeprefix("=?utf-8?q?").removesuffix("?=") for word in words] == filled(
            said, len(name)
        )


def filled(said: str, used: int) -> list[str]:
    """As many letters as a line takes, one after the other."""
    lines, room = [""], 76 - used - 2 - 12
    for letter in said:
        written = "_" if letter == " " else letter if letter == "a" else encoded(letter)
        if lines[-1] and len(lines[-1]) + len(written) > room:
            lines.append("")
            room = 76 - 1 - 12
        lines[-1] += written
    return lines


def encoded(letter: str) -> str:
    return "".join(f"={octet:02X}" for octet in letter.encode())
