from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.doctor import keys
from mailer.core.doctor.dkim_check import check
from mailer.core.doctor.dns import Answer, Book, Question, Status
from mailer.core.doctor.finding import Verdict
from mailer.core.doctor.sending import PublicKey
from tests.core.doctoring import Zone, only, run, sending, verdicts

OK, WARN, FAULT, UNKNOWN = Verdict.OK, Verdict.WARN, Verdict.FAULT, Verdict.UNKNOWN

_RSA = rsa.generate_private_key(65537, 2048).public_key()
_SHORT = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505 - it is to be found too short


def wrapped(key: rsa.RSAPublicKey, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> str:
    return base64.b64encode(key.public_bytes(Encoding.DER, form)).decode()


OURS, SHORT = wrapped(_RSA), wrapped(_SHORT)
EDWARDS = base64.b64encode(ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
NAME = "TXT s1._domainkey.shop.example"
SIGNED = sending(dkim_domain="shop.example", keys=[PublicKey("s1", "rsa", OURS, "keys/dkim.pem")])
RELAYED = sending(selectors=["s1"])


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        pytest.param({NAME: f"v=DKIM1; k=rsa; p={OURS}"}, {"dkim.record": OK}, id="good"),
        pytest.param({NAME: f"p={OURS}"}, {"dkim.record": OK}, id="the key alone"),
        pytest.param({NAME: f"p={OURS[:100]} {OURS[100:]};t=s; n=x"}, {"dkim.record": OK}, id="with a blank"),
        pytest.param(
            {NAME: f"v=DKIM1; p={wrapped(_RSA, PublicFormat.PKCS1)}"}, {"dkim.record": OK}, id="bare"
        ),
        pytest.param({}, {"dkim.record": FAULT}, id="missing"),
        pytest.param({NAME: "SERVFAIL"}, {"dkim.record": UNKNOWN}, id="servfail"),
        pytest.param({NAME: "SILENT"}, {"dkim.record": UNKNOWN}, id="silent"),
        pytest.param({NAME: [f"p={OURS}", f"p={SHORT}"]}, {"dkim.record": FAULT}, id="several"),
        pytest.param({NAME: "v=DKIM1; p="}, {"dkim.revoked": FAULT}, id="revoked"),
        pytest.param({NAME: f"v=DKIM1; p={SHORT}"}, {"dkim.match": FAULT}, id="another key"),
        pytest.param({NAME: f"v=DKIM1; k=ed25519; p={EDWARDS}"}, {"dkim.match": FAULT}, id="another kind"),
        pytest.param(
            {NAME: f"v=DKIM1; t=y:s; p={OURS}"}, {"dkim.record": OK, "dkim.testing": WARN}, id="t=y"
        ),
        pytest.param({NAME: f"v=DKIM1; h=sha1; p={OURS}"}, {"dkim.record": FAULT}, id="sha1 only"),
        pytest.param({NAME: f"v=DKIM1; s=tlsrpt; p={OURS}"}, {"dkim.record": FAULT}, id="not for mail"),
        pytest.param({NAME: f"v=DKIM1; k=dsa; p={OURS}"}, {"dkim.record": FAULT}, id="no such kind"),
        pytest.param({NAME: f"v=DKIM2; p={OURS}"}, {"dkim.record": FAULT}, id="another version"),
        pytest.param({NAME: f"p={OURS}; v=DKIM1"}, {"dkim.record": FAULT}, id="version last"),
        pytest.param({NAME: "v=DKIM1; k=rsa"}, {"dkim.record": FAULT}, id="no key"),
        pytest.param({NAME: f"v=DKIM1; p={OURS[:200]}"}, {"dkim.record": FAULT}, id="cut off"),
        pytest.param({NAME: f'v=DKIM1; p="{OURS}"'}, {"dkim.record": FAULT}, id="with quotes"),
        pytest.param({NAME: "nothing of it"}, {"dkim.record": FAULT}, id="no tags"),
    ],
)
def test_a_record_is_held_against_the_key(zone: Zone, expected: dict[str, Verdict]) -> None:
    assert verdicts(run(check, zone, SIGNED)) == expected


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        pytest.param({NAME: f"v=DKIM1; p={OURS}"}, {"dkim.record": OK}, id="good"),
        pytest.param({NAME: f"v=DKIM1; p={SHORT}"}, {"dkim.record": OK, "dkim.bits": WARN}, id="1024 bits"),
        pytest.param({NAME: f"v=DKIM1; k=ed25519; p={EDWARDS}"}, {"dkim.record": OK}, id="ed25519"),
        pytest.param({NAME: f"k=ed25519; p={EDWARDS[:20]}"}, {"dkim.record": FAULT}, id="cut off"),
        pytest.param({}, {"dkim.record": FAULT}, id="missing"),
    ],
)
def test_a_record_of_the_relays(zone: Zone, expected: dict[str, Verdict]) -> None:
    assert verdicts(run(check, zone, RELAYED)) == expected


def test_a_key_of_few_bits_is_believed_by_nobody() -> None:
    modulus = (1 << 511 | 1).to_bytes(65, "big")
    der = b"\x02\x41" + modulus + b"\x02\x03\x01\x00\x01"
    key = base64.b64encode(b"\x30" + bytes([len(der)]) + der).decode()
    text = f"v=DKIM1; p={key}"
    assert keys.parse(text).bits == 512
    assert verdicts(run(check, {NAME: text}, RELAYED)) == {"dkim.bits": FAULT}


def test_a_missing_record_is_ready_to_paste_in_strings_that_fit() -> None:
    found = only(run(check, {}, SIGNED), "dkim.record")
    [line] = found.paste
    name, *strings = line.split(' "')
    assert name == "s1._domainkey.shop.example. IN TXT"
    assert [len(each.rstrip('"')) <= 255 for each in strings] == [True, True]
    assert "".join(each.rstrip('"') for each in strings) == f"v=DKIM1; k=rsa; p={OURS}"


def test_a_cname_that_leads_nowhere_is_told() -> None:
    question = Question("s1._domainkey.shop.example", "TXT")
    book = Book({question: Answer(Status.NO_NAME, canonical="s1.dkim.provider.example")})
    assert "a CNAME to s1.dkim.provider.example" in only(check(RELAYED, book), "dkim.record").what


def test_who_signs_is_asked_where_it_is_not_known() -> None:
    found = only(run(check, {}), "dkim.record")
    assert found.verdict is UNKNOWN
    assert "d=shop.example" in found.todo


def test_a_key_file_that_cannot_be_used_is_a_fault() -> None:
    broken = PublicKey(
        "s1", "rsa", "", "keys/dkim.pem", "keys/dkim.pem cannot be read: No such file or directory"
    )
    found = run(check, {NAME: f"p={OURS}"}, sending(dkim_domain="shop.example", keys=[broken]))
    assert verdicts(found) == {"dkim.key": FAULT}


@given(st.binary(max_size=80), st.sampled_from(["rsa", "ed25519", "x"]))
def test_no_key_breaks_the_reader(key: bytes, kind: str) -> None:
    try:
        keys.parse(f"v=DKIM1; k={kind}; p={base64.b64encode(key).decode()}")
    except ValueError as fault:
        assert "key (p=)" in str(fault)  # noqa: PT017 - it may well be read
