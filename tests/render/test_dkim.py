"""Signatures, checked by dkimpy as a receiver would."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from dkim.canonicalization import Relaxed
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.message import Message, Rendered
from mailer.render.dkim import Signer, SigningKey, canonical_body, canonical_fields, read_key
from mailer.render.mime import assemble
from tests.render.test_mime import RENDERED, letter

PEM = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
RSA = rsa.generate_private_key(65537, 2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
KEYS = [SigningKey("r2027", RSA), SigningKey("e2027", ED25519)]
SIGNER = Signer("kardelen.example", KEYS)

RECORDS = {
    b"r2027._domainkey.kardelen.example.": b"v=DKIM1; k=rsa; p="
    + base64.b64encode(RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
    b"e2027._domainkey.kardelen.example.": b"v=DKIM1; k=ed25519; p="
    + base64.b64encode(ED25519.public_key().public_bytes_raw()),
}


def record(name: bytes, timeout: int = 5) -> bytes | None:
    return RECORDS.get(name)


def believed(data: bytes) -> list[bool]:
    """What a receiver makes of each signature."""
    found = dkim.DKIM(data)
    said = []
    for number in range(data.count(b"DKIM-Signature: ")):
        try:
            said.append(found.verify(idx=number, dnsfunc=record))
        except dkim.ValidationError:  # another body
            said.append(False)
    return said


LETTER = letter(
    list_id="offer.kardelen.example",
    unsubscribe_url="https://kardelen.example/u/abc",
    in_reply_to="<first@kardelen.example>",
    references=("<first@kardelen.example>",),
    headers={"Feedback-ID": "offer:kardelen"},
)


def test_both_signatures_are_believed() -> None:
    plain = assemble(RENDERED, LETTER)
    made = SIGNER.sign(plain)
    assert believed(made.data) == [True, True]
    assert made.data.endswith(plain.data)
    assert replace(made, data=plain.data) == plain
    assert SIGNER.sign(plain).data == made.data
    assert max(map(len, made.data[: -len(plain.data)].split(b"\r\n"))) <= 78


@pytest.mark.parametrize("key", KEYS, ids=["rsa", "ed25519"])
def test_one_key_will_do(key: SigningKey) -> None:
    assert believed(Signer("kardelen.example", [key]).sign(assemble(RENDERED, LETTER)).data) == [True]


TEXT = st.text(st.sampled_from(" \t\r\n.abcş") | st.characters(exclude_categories=("Cs",)), max_size=200)


@settings(max_examples=60)
@given(text=TEXT, html=TEXT, name=st.text("aA şğ,.'日", max_size=80), subject=st.text("ab ş日", max_size=200))
def test_whatever_a_message_says_its_signature_is_believed(
    text: str, html: str, name: str, subject: str
) -> None:
    made = assemble(Rendered(f"x{subject}", text, html or None), replace(LETTER, to_name=name))
    signed = Signer("kardelen.example", KEYS[1:]).sign(made)
    assert believed(signed.data) == [True]


@given(
    st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b".", b"=20", b"  \r\n"]), max_size=30).map(
        b"".join
    )
)
def test_bodies_are_written_as_the_library_writes_them(body: bytes) -> None:
    # Where a body does not end in a line end, its last blanks are the library's to keep and ours to drop.
    assert canonical_body(body + b"\r\n") == Relaxed.canonicalize_body(body + b"\r\n")
    assert canonical_body(body.rstrip(b" \t\r\n")) == Relaxed.canonicalize_body(
        body.rstrip(b" \t\r\n") or b"\r\n"
    )


VALUES = st.lists(st.sampled_from([b" ", b"\t", b"\r\n ", b"\r\n\t", b"a", b":", b"=?"]), max_size=20).map(
    b"".join
)


@given(VALUES)
def test_fields_are_written_as_the_library_writes_them(value: bytes) -> None:
    [(name, said)] = Relaxed.canonicalize_headers([(b"X-Note", b" x" + value)])
    assert canonical_fields(b"X-Note: x" + value) == {"x-note": name + b":" + said}


def changed(old: bytes, new: bytes) -> bytes:
    data = SIGNER.sign(assemble(RENDERED, LETTER)).data
    assert data.count(old) == 1
    return data.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\r\nFrom: Kardelen", b"\r\nFrom: Kardelem"),
        (b"\r\nFrom: ", b"\r\nFrom: evil@e.example\r\nFrom: "),
        (b"\r\nMIME-Version: ", b"\r\nFrom: evil@e.example\r\nMIME-Version: "),
        (b"\r\nSubject: Merhaba", b"\r\nSubject: Merhab"),
        (b"/u/abc", b"/u/abd"),
        (b"One-Click", b"Two-Click"),
        (b"<d.7@kardelen", b"<d.8@kardelen"),
        (b"ffer:kardelen", b"ffer:karadelen"),
        (b"<p>Merhaba", b"<p>Merhaba!"),
        (b"multipart/alternative", b"multipart/mixed"),
        (b"Date: Mon, 10", b"Date: Mon, 11"),
    ],
    ids=ascii,
)
def test_a_changed_message_is_not_believed(old: bytes, new: bytes) -> None:
    assert believed(changed(old, new)) == [False, False]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: Merhaba", b"SUBJECT:  Merhaba  "),
        (b"\r\nSubject:", b"\r\nX-Relay: seen\r\nSubject:"),
        (b"<p>Merhaba</p>", b"<p>Merhaba</p> \t"),
        (b"List-Id: <", b"List-Id:\r\n\t<"),
    ],
    ids=ascii,
)
def test_what_relays_do_on_the_way_is_forgiven(old: bytes, new: bytes) -> None:
    assert believed(changed(old, new)) == [True, True]


def test_a_recipient_beyond_ascii() -> None:
    made = assemble(RENDERED, replace(LETTER, to_address="ayşe@shop.example", smtputf8=True))
    assert believed(SIGNER.sign(made).data) == [True, True]


def pem(key: Any, *form: Any) -> bytes:
    made: bytes = key.private_bytes(*(form or PEM))
    return made


def test_keys_are_read_and_never_shown() -> None:
    assert read_key(pem(RSA), "s", rsa=True).algorithm == "rsa-sha256"
    traditional = pem(RSA, Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert read_key(traditional, "s", rsa=True).algorithm == "rsa-sha256"
    made = read_key(pem(ED25519), "s", rsa=False)
    assert made.algorithm == "ed25519-sha256"
    assert repr(made) == "SigningKey(selector='s')"
    assert "object" in repr(Signer("a.example", [made]))


@pytest.mark.parametrize(
    ("data", "rsa", "said"),
    [
        (b"", True, "no private key"),
        (b"\xff\x00", True, "no private key"),
        (RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), True, "no private key"),
        (pem(ED25519), True, "of another kind than RSA"),
        (pem(RSA), False, "of another kind than Ed25519"),
        (pem(ec.generate_private_key(ec.SECP256R1())), True, "of another kind than RSA"),
        (pem(rsa.generate_private_key(65537, 1024)), True, "1024 bits; receivers want between 2048 and 4096"),  # noqa: S505
        (pem(RSA, Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")), True, "pass phrase"),
    ],
    ids=["empty", "junk", "public", "ed25519 for rsa", "rsa for ed25519", "another kind", "short", "locked"],
)  # fmt: skip
def test_keys_that_cannot_sign_are_said(data: bytes, rsa: bool, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_key(data, "s", rsa=rsa)


def test_a_signed_message_keeps_its_envelope() -> None:
    made = SIGNER.sign(Message("b@k.example", "a@b.example", b"From: b@k.example\r\n\r\n", "<1@k.example>"))
    assert (made.mail_from, made.rcpt_to, made.message_id) == ("b@k.example", "a@b.example", "<1@k.example>")
    assert believed(made.data) == [True, True]
