"""Signatures of ours: what arrives is believed, and a key that cannot sign is told before anything is sent."""

from __future__ import annotations

import base64

import dkim
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.acceptance.conftest import OpenShop, StartRelay

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


def record(name: bytes, timeout: int = 5) -> bytes | None:
    return RECORDS.get(name)


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
    for name, key in (("rsa", RSA), ("ed25519", ED25519)):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        here.write(f"keys/{name}.pem", pem)
    here.mailer("campaigns", "run", "letter", now=NOW)
    assert here.run(NOW).err == ""
    [mail] = [path.read_bytes() for path in post.keep.glob("*.eml")]
    arrived = dkim.DKIM(mail)
    assert [arrived.verify(idx=each, dnsfunc=record) for each in range(2)] == [True, True]
