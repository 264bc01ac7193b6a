"""The mails of the six stock campaigns in Turkish and in English, as they really leave: made by the program, signed,
and taken by a relay.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.acceptance.plays import event
from tests.acceptance.post import RelayProcess
from tests.acceptance.shop import Shop

SIX = ("welcome", "offer", "referral", "newsletter", "birthday", "outage")
LANGUAGES = ("en", "tr")

_LONG_AGO, _A_WEEK_BEFORE = "2026-03-02T08:00:00Z", "2027-05-04T07:00:00Z"
_MONDAY, _TUESDAY = "2027-05-10T08:00:00Z", "2027-05-11T07:00:00Z"  # ten in the morning of Istanbul
_SIGNED = {
    "domain": "kardelen.example",
    "selector": "r1",
    "key_file": "keys/rsa.pem",
    "ed25519_selector": "e1",
    "ed25519_key_file": "keys/ed25519.pem",
}


@dataclass(frozen=True)
class Left:
    """A mail that left, by campaign and language."""

    campaign: str
    language: str
    content: bytes

    @property
    def name(self) -> str:
        return f"{self.campaign}.{self.language}"

    @property
    def mail(self) -> EmailMessage:
        return BytesParser(policy=policy.default).parsebytes(self.content)

    @property
    def html(self) -> str:
        part = self.mail.get_body(("html",))
        assert part is not None, f"{self.name} has no HTML"
        return str(part.get_content())


@dataclass(frozen=True)
class Sent:
    """All of them, and the records that a receiver finds the keys by."""

    mails: tuple[Left, ...]
    records: dict[str, str]


def send(open_shop: Callable[..., Shop], open_relay: Callable[..., RelayProcess]) -> Sent:
    """Send them all."""
    here, post = open_shop(*SIX), open_relay()
    here.relay(post.port)
    here.set(
        dkim=_SIGNED,
        secret_key="a-key-for-these-tests-and-no-others",
        public_url="https://mail.kardelen.example",
        policy={"cap": {"day": 20, "week": 20}},
    )
    records = _keys(here.folder)
    _people(here)
    here.mailer("campaigns", "run", "offer", now=_MONDAY)
    here.run(_MONDAY)
    here.mailer(
        *("incidents", "open", "--title", "Kadıköy fiber arızası", "--postal", "347*"),
        *("--message", "Moda Caddesi’ndeki kazıda ana kablomuz koptu.", "--eta", "2027-05-11T10:00:00Z"),
        now=_TUESDAY,
    )
    here.run(_TUESDAY)
    return Sent(tuple(_chosen(here, post)), records)


def _people(here: Shop) -> None:
    """Somebody for each campaign in each language."""
    common = {"consent": "yes", "timezone": "Europe/Istanbul"}
    names = {"tr": "Ayşe", "en": "Emily"}
    people, events = [], []
    for language in LANGUAGES:
        who = common | {"locale": language, "first_name": names[language]}
        for campaign in SIX:
            key = f"{campaign}-{language}"
            born = {"birthday": "1990-05-10"} if campaign == "birthday" else {}
            people.append(who | {"id": key, "email": f"{key}@posta.example"} | born)
        promoter, newcomer = f"referral-{language}", f"welcome-{language}"
        events += [
            event(
                f"o{n}{language}", promoter, "order.placed", f"2027-04-0{n}T08:00:00Z", order=f"A{n}", net=90
            )
            for n in (1, 2)
        ]
        events.append(event(f"d{language}", promoter, "order.delivered", "2027-05-03T08:00:00Z", order="A2"))
        events.append(event(f"c{language}", newcomer, "consent.confirmed", _MONDAY))
    posts = [
        event("corba", None, "post.published", "2027-05-06T08:00:00Z", title="Kış sofrasına üç çorba",
              url="https://kardelen.example/yazilar/corba", summary="Üçü de kolay, üçü de doyurucu.",
              title_en="Three soups for a winter table", summary_en="All three are easy."),
        event("keten", None, "post.published", "2027-05-07T08:00:00Z", title="Keten nasıl yıkanır?",
              url="https://kardelen.example/yazilar/keten", summary="Ilık su ve biraz sabır.",
              title_en="How to wash linen", summary_en="Warm water and a little patience."),
    ]  # fmt: skip
    here.customers(*people, now=_LONG_AGO)
    here.take(
        "points",
        [
            {
                "customer": f"outage-{each}",
                "id": "ev",
                "service": "fibre",
                "postal_code": "34710",
                "label": "Ev",
            }
            for each in LANGUAGES
        ],
        _LONG_AGO,
    )
    here.run(_A_WEEK_BEFORE)  # what lies before is known from now on
    here.events(*events, *posts, now=_MONDAY)


def _chosen(here: Shop, post: RelayProcess) -> list[Left]:
    """One of each, by the Message-ID that the ledger knows."""
    kept = {}
    for file in post.keep.glob("*.eml"):
        content = file.read_bytes()
        kept[BytesParser(policy=policy.default).parsebytes(content, headersonly=True)["Message-ID"]] = content
    left = []
    for row in here.deliveries():
        campaign, language = row["campaign"], row["customer"][-2:]
        if row["state"] == "sent" and row["customer"] == f"{campaign}-{language}":
            left.append(Left(campaign, language, kept[row["message_id"]]))
    found = sorted(each.name for each in left)
    assert found == sorted(f"{campaign}.{each}" for campaign in SIX for each in LANGUAGES), found
    return sorted(left, key=lambda each: each.name)


def _keys(folder: Path) -> dict[str, str]:
    """Make both keys; the records that publish them."""
    ours, theirs = rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()
    (folder / "keys").mkdir()
    pair: list[tuple[str, Any]] = [("rsa", ours), ("ed25519", theirs)]
    for name, key in pair:
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"keys/{name}.pem").write_bytes(pem)
    spki = ours.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "r1._domainkey.kardelen.example": f"v=DKIM1; k=rsa; p={base64.b64encode(spki).decode()}",
        "e1._domainkey.kardelen.example": "v=DKIM1; k=ed25519; p="
        + base64.b64encode(theirs.public_key().public_bytes_raw()).decode(),
    }
