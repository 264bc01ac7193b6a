"""Signatures of ours: what arrives is believed, and a key that cannot sign is told before anything is sent."""

from __future__ import annotations

import base64
from email import policy
from email.parser import BytesParser

import dkim
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.shop import Shop

NOW = "2027-01-15T08:00:00Z"
RSA, ED25519 = rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()
SETTINGS = {
    "domain": "kardelen.example",
    "selector": "r1",
    "key_file": "keys/rsa.pem",
    "ed25519_selector": "e1",
    "ed25519_key_file": "keys/ed25519.pem",
}
RECORDS = {
    b"r1._domainkey.kardelen.example.": b"v=DKIM1; k=rsa; p="
    + base64.b64encode(RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
    b"e1._domainkey.kardelen.example.": b"v=DKIM1; k=ed25519; p="
    + base64.b64encode(ED25519.public_key().public_bytes_raw()),
}
APART = {name.replace(b"kardelen", b"haber.kardelen"): key for name, key in RECORDS.items()}  # the same keys


def record(name: bytes, timeout: int = 5) -> bytes | None:
    return (RECORDS | APART).get(name)


def keys(here: Shop) -> None:
    for name, key in (("rsa", RSA), ("ed25519", ED25519)):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        here.write(f"keys/{name}.pem", pem)


def test_mails_arrive_with_signatures_that_are_believed(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay()
    here.relay(post.port)
    here.set(dkim=SETTINGS)
    here.campaign("letter", "purpose: service\ntrigger: manual\n", body=".\n.. Merhaba!\n.\n")
    here.customers({"id": "1", "email": "ayse@x.example", "first_name": "Ayşe"}, now="2027-01-01T00:00:00Z")
    refused = here.mailer("run", "--until-idle", now=NOW, status=2).err
    assert "dkim.key_file" in refused
    assert "rsa.pem cannot be read: No such file or directory" in refused
    assert len(refused.splitlines()) == 1
    keys(here)
    here.mailer("campaigns", "run", "letter", now=NOW)
    assert here.run(NOW).err == ""
    [mail] = [path.read_bytes() for path in post.keep.glob("*.eml")]
    arrived = dkim.DKIM(mail)
    assert [arrived.verify(idx=each, dnsfunc=record) for each in range(2)] == [True, True]


def test_commercial_and_service_mail_leave_from_senders_of_their_own(
    shop: OpenShop, relay: StartRelay
) -> None:
    here, post = shop("outage"), relay()
    here.relay(post.port)
    keys(here)
    ours, theirs = "merhaba@kardelen.example", "bilgi@haber.kardelen.example"
    here.set(
        dkim=SETTINGS | {"service_domain": "haber.kardelen.example"},
        tenant=here.settings["tenant"] | {"service_from": f"Kardelen Bilgi <{theirs}>"},
        staff=["editor@shop.example"],
    )
    for name, purpose in (("letter", "commercial"), ("receipt", "service")):
        here.campaign(name, f"purpose: {purpose}\ntrigger: manual\n", subject=name, body="{{ tenant.from }}")
    here.customers({"id": "1", "email": "ayse@x.example", "consent": "yes"}, now="2027-01-01T00:00:00Z")
    here.take("points", [{"customer": "1", "id": "ev", "service": "fibre", "postal_code": "34710"}], NOW)
    here.mailer("incidents", "open", "--title", "Kesinti", "--postal", "347*", now=NOW)
    for name in ("letter", "receipt"):
        here.mailer("campaigns", "run", name, now=NOW)
    assert here.run(NOW).err == ""
    here.mailer("test", "receipt", "--to", "editor@shop.example")
    assert f"From: Kardelen Bilgi <{theirs}>" in here.mailer("preview", "receipt", "--format", "eml").out

    assert sorted(note["mail_from"] for note in post.dots) == [theirs, theirs, theirs, ours]
    left = {}
    for path in post.keep.glob("*.eml"):
        mail = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
        [sender] = mail["From"].addresses
        left[mail["Subject"]] = sender.addr_spec
        domain = sender.domain
        assert mail["Message-ID"].endswith(f"@{domain}>")
        assert [f" d={domain}; " in each for each in mail.get_all("DKIM-Signature")] == [True, True]
        arrived = dkim.DKIM(path.read_bytes())
        assert [arrived.verify(idx=each, dnsfunc=record) for each in range(2)] == [True, True]
    assert len(left) == 4
    assert {subject: sender for subject, sender in left.items() if sender == ours} == {"letter": ours}
    assert {left["receipt"], left["[TEST] receipt"]} == {theirs}
