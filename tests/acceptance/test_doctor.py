"""`mailer doctor` as an owner runs it, against a nameserver and a relay on this machine."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests import nameserver
from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.shop import Shop

RSA, ED25519 = rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()
DER = base64.b64encode(
    RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
RAW = base64.b64encode(ED25519.public_key().public_bytes_raw()).decode()
RECORD = f"v=DKIM1; k=rsa; p={DER}"
CUT = f'"{RECORD[:255]}" "{RECORD[255:]}"'
DKIM = {
    "domain": "kardelen.example",
    "selector": "r1",
    "key_file": "keys/rsa.pem",
    "ed25519_selector": "e1",
    "ed25519_key_file": "keys/ed25519.pem",
}
ZONE: nameserver.Zone = {
    "TXT bounce.kardelen.example": '"v=spf1 include:provider.example ip6:2001:db8::/48 -all"',
    "TXT provider.example": '"v=spf1 ip4:203.0.113.0/24 -all"',
    "MX bounce.kardelen.example": "10 mx.kardelen.example.",
    "MX kardelen.example": "10 mx.kardelen.example.",
    "A mx.kardelen.example": "203.0.113.7",
    "A mail.kardelen.example": "203.0.113.5",
    "TXT r1._domainkey.kardelen.example": CUT,
    "CNAME e1._domainkey.kardelen.example": "e1.keys.example.",
    "TXT e1.keys.example": f'"v=DKIM1; k=ed25519; p={RAW}"',
    "TXT _dmarc.kardelen.example": '"v=DMARC1; p=quarantine; rua=mailto:dmarc@kardelen.example"',
    "PTR 5.113.0.203.in-addr.arpa": "mail.kardelen.example.",
}


def signing(here: Shop) -> None:
    for name, key in (("rsa", RSA), ("ed25519", ED25519)):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        here.write(f"keys/{name}.pem", pem).chmod(0o600)
    here.set(
        dkim=DKIM,
        bounces={
            "address": "b@bounce.kardelen.example",
            "complaints": "fbl@bounce.kardelen.example",
            "maildir": "back",
        },
    )


def told(rows: list[dict[str, Any]]) -> Mapping[str, set[str]]:
    """The verdicts of each check."""
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["check"], set()).add(row["verdict"])
    return found


def test_a_domain_that_is_well_has_no_fault(shop: OpenShop) -> None:
    here = shop("welcome")
    signing(here)
    with nameserver.running(ZONE) as server:
        words = ["doctor", "--ip", "::ffff:203.0.113.5", "--nameserver", server.address, "--json"]
        words += ["--ip", "203.0.113.5"]  # the same one
        answer = here.mailer(*words, status=1)  # two warnings are something to look at
    found = told(answer.rows)
    good = ["spf.", "dkim.", "dmarc.", "reverse.", "returns.", "machine.", "sender."]
    for check, verdicts in found.items():
        if check.startswith(tuple(good)):
            assert verdicts == {"ok"}, check
    assert found["relay.use"] == found["unsubscribe.address"] == {"warn"}  # nothing leaves yet
    assert found["gmail.spf"] == found["yahoo.dmarc"] == found["outlook.dkim"] == {"ok"}
    assert [row["check"] for row in answer.rows].count("reverse.ptr") == 1
    assert "0 faults, 2 warnings" in answer.err
    keys = {"area", "check", "verdict", "what", "where", "todo", "paste", "source"}
    assert {frozenset(row) for row in answer.rows} == {frozenset(keys)}


def test_both_senders_are_looked_at(shop: OpenShop) -> None:
    here = shop("welcome", "outage")
    signing(here)
    own = "haber.kardelen.example"
    here.set(
        dkim=DKIM | {"service_domain": own},
        tenant=here.settings["tenant"] | {"service_from": f"Kardelen <bilgi@{own}>"},
    )
    zone = dict(ZONE) | {f"TXT r1._domainkey.{own}": CUT, f"MX {own}": "10 mx.kardelen.example."}
    with nameserver.running(zone) as server:
        words = ["doctor", "--ip", "203.0.113.5", "--nameserver", server.address, "--json"]
        rows = here.mailer(*words, status=1).rows
    found = told(rows)
    assert found["sender.apart"] == found["gmail.apart"] == found["dmarc.alignment"] == {"ok"}
    [missing] = [row for row in rows if row["verdict"] == "fault" and row["area"] == "dkim"]
    assert missing["paste"] == [f'e1._domainkey.{own}. IN TXT "v=DKIM1; k=ed25519; p={RAW}"']
    assert {row["where"] for row in rows if row["check"] == "sender.replies"} == {
        f"MX {own}",
        "MX kardelen.example",
    }


def test_each_fault_comes_with_what_to_do(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop("welcome", "outage"), relay({"banner": "554 5.7.1 not you"})
    signing(here)
    here.relay(post.port)
    here.write("keys/rsa.pem", (here.folder / "keys/rsa.pem").read_bytes()).chmod(0o644)
    zone = dict(ZONE) | {
        "TXT bounce.kardelen.example": ['"v=spf1 mx -all"', '"v=spf1 include:provider.example -all"'],
        "TXT r1._domainkey.kardelen.example": '"v=DKIM1; p="',
        "TXT _dmarc.kardelen.example": "SERVFAIL",
        "PTR 5.113.0.203.in-addr.arpa": "host-5.provider.example.",
    }
    with nameserver.running(zone) as server:
        words = ["doctor", "--ip", "203.0.113.5", "--nameserver", server.address]
        rows = here.mailer(*words, "--json", status=1).rows
        people = here.mailer(*words, status=1)
    found = told(rows)
    assert (
        found["spf.record"]
        == found["dkim.revoked"]
        == found["reverse.ptr"]
        == found["relay.use"]
        == {"fault"}
    )
    assert found["machine.files"] == {"ok", "warn"}
    assert found["unsubscribe.address"] == {"fault"}
    assert found["dmarc.record"] == {"unknown"}
    assert found["dkim.record"] == {"ok"}  # the other key's
    assert found["sender.apart"] == {"warn"}
    [spf] = [row for row in rows if row["check"] == "spf.record"]
    assert spf["paste"] == ['bounce.kardelen.example. IN TXT "v=spf1 include:provider.example mx -all"']
    [key] = [row for row in rows if row["check"] == "dkim.revoked"]
    assert key["paste"] == [f'r1._domainkey.kardelen.example. IN TXT "{RECORD[:255]}" "{RECORD[255:]}"']
    assert spf["source"]["url"].startswith("https://www.rfc-editor.org/rfc/rfc7208")
    for line in (
        *spf["paste"],
        *key["paste"],
        "554 5.7.1 not you",
        "Google, Email sender guidelines: https://",
    ):
        assert line in people.out  # whole, on one line
    assert not set("✓✗") & set(people.out)


def test_silence_ends_in_time(shop: OpenShop) -> None:
    here = shop("welcome")
    names = ("TXT kardelen.example", "TXT _dmarc.kardelen.example", "MX kardelen.example")
    with nameserver.running(dict.fromkeys(names, "SILENT")) as server:
        answer = here.mailer("doctor", "--nameserver", server.address, "--json", status=1)
    found = told(answer.rows)
    assert found["spf.record"] == found["dmarc.record"] == found["returns.mx"] == {"unknown"}


def test_words_that_are_wrong_are_told_in_one_sentence(shop: OpenShop) -> None:
    here = shop()
    for words in (
        ["--ip", "300.1.1.1"],
        ["--ip", "10.0.0.1"],
        ["--ip", "::1"],
        ["--nameserver", "dns.example"],
    ):
        said = here.mailer("doctor", *words, status=2).err
        assert words[0] in said
        assert len(said.splitlines()) == 1


def test_a_database_that_is_away_is_one_finding_among_others(shop: OpenShop) -> None:
    here = shop("welcome", database_url="postgresql://nobody@127.0.0.1:1/none")
    with nameserver.running(ZONE) as server:
        found = told(here.mailer("doctor", "--nameserver", server.address, "--json", status=1).rows)
    assert found["machine.database"] == {"fault"}
    assert found["dmarc.record"] == {"ok"}
