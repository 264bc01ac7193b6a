"""The shop that is measured: a folder with settings, a campaign and its template, and as many customers as asked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailer import settings as settings_file
from mailer.app import App
from mailer.bench.postfix import HOST, SESSIONS
from mailer.bench.process import run
from mailer.core.customer import Customer
from mailer.core.importing import Row
from mailer.core.message import Message
from mailer.core.samples import sample_job
from mailer.errors import MailerError, UsageError
from mailer.flow.lots import Progress
from mailer.settings import Settings

CAMPAIGN = "collection"
_FILES = Path(__file__).parent / "files"
_SAMPLES = 20
_DOMAIN = "shop.example"
_KEY = "dkim.pem"
ED25519, RSA = "ed25519", "rsa"

_FIRST = ("Ayşe", "Bora", "Çiğdem", "Deniz", "Elif", "Gökhan", "İpek", "Kerem", "Şule", "Umut")
_LAST = ("Yılmaz", "Kaya", "Demir", "Şahin", "Çelik", "Öztürk", "Aydın", "Arslan")
_CITIES = ("İstanbul", "Ankara", "İzmir", "Bursa", "Antalya", "Eskişehir")
_TIERS = ("new", "silver", "gold")
_SHELVES = ("linen", "tableware", "coffee", "garden")


@dataclass(frozen=True, slots=True)
class Mode:
    """What the mails carry besides their text."""

    links: bool = False  # every link is tracked
    coupon: bool = False  # each mail carries a code of its own
    dkim: str | None = None  # signed by us: ed25519 or rsa

    def __str__(self) -> str:
        parts = ["links"] * self.links + ["coupon"] * self.coupon + ([self.dkim] if self.dkim else [])
        return " + ".join(parts) or "plain"


async def make_key(folder: Path, mode: Mode) -> None:
    """A key that signs, where the mode wants one: for `write_shop` of folders beside it.

    Raises:
        UsageError: there is no openssl to make it.
    """
    if mode.dkim is None:
        return
    openssl = shutil.which("openssl")
    if openssl is None:
        raise UsageError("--dkim needs openssl to make a key; install the Debian package openssl.")
    kind = ["rsa", "-pkeyopt", "rsa_keygen_bits:2048"] if mode.dkim == RSA else [ED25519]
    await run([openssl, "genpkey", "-algorithm", *kind, "-out", folder / _KEY])


def write_shop(folder: Path, database_url: str, port: int, mode: Mode) -> Settings:
    """A shop in a folder of its own, sending to a port of the loopback; its settings, read.

    Raises:
        SettingsError: this version cannot do what the mode wants.
    """
    folder.mkdir(exist_ok=True)
    shutil.copytree(_FILES / "templates", folder / "templates")
    campaign: dict[str, Any] = {
        "description": "The spring collection, to every member with a hundred points.",
        "purpose": "commercial",
        "trigger": "manual",
        "audience": {"attr": {"points": {"gte": 100}}},
        "once": "run",
        "priority": 40,
    }
    if mode.coupon:
        campaign["coupon"] = {"kind": "generated", "prefix": "SPRING", "percent": 10, "valid": "30d"}
    values: dict[str, Any] = {
        "database_url": database_url,
        "state_dir": "var",
        "public_url": f"https://mail.{_DOMAIN}",
        "tenant": {
            "name": "Kardelen",
            "from": f"Kardelen <hello@{_DOMAIN}>",
            "locale": "en",
            "postal_address": "Moda Cad. No. 12, 34710 Kadıköy/İstanbul",
        },
        "relay": {"host": HOST, "port": port, "tls": "none", "connections": SESSIONS},
        "policy": {"quiet_hours": ""},  # whatever the hour is, the figures are wanted now
        "tracking": {"clicks": mode.links, "opens": False},
    }
    key = str(folder.parent / _KEY)
    if mode.dkim == RSA:
        values["dkim"] = {"domain": _DOMAIN, "selector": "bench", "key_file": key}
    elif mode.dkim == ED25519:
        values["dkim"] = {"domain": _DOMAIN, "ed25519_selector": "bench", "ed25519_key_file": key}
    (folder / "jobs").mkdir()
    (folder / "var").mkdir()
    (folder / "jobs" / f"{CAMPAIGN}.yaml").write_text(json.dumps(campaign), "utf-8")  # JSON is YAML
    file = folder / "settings.yaml"
    file.write_text(json.dumps(values, ensure_ascii=False), "utf-8")
    return settings_file.load(file, environment={})


async def fill(app: App, customers: int, progress: Progress | None = None) -> None:
    """Take the customers in, and publish the template: what a shop has done long before it sends.

    Raises:
        MailerError: not every customer was taken.
    """
    report = await app.customer_import.run(_rows(customers), now=app.clock(), progress=progress)
    if report.created != customers:
        fault = report.rejected[0].reason if report.rejected else "some were there before"
        raise MailerError(f"Of {customers} customers {report.created} were taken: {fault}")
    await app.version_for(CAMPAIGN)  # tried in a process of its own, once


def samples(app: App) -> list[Message]:
    """A few of the mails as they will be, so that other senders get the same bytes to carry."""
    campaign = app.campaign(CAMPAIGN)
    app.composer.install(0, app.published(campaign.template_folder), campaign.description)
    made = []
    for number in range(_SAMPLES):
        values = customer(number)
        fields = {key: values.pop(key) for key in ("id", "email", "first_name", "last_name", "locale")}
        del values["consent"]
        job = sample_job(campaign, Customer(**fields, attributes=values), day=app.clock())
        made.append(app.composer.compose(job, app.clock()))
    return made


def customer(number: int) -> dict[str, Any]:
    """The facts of one customer, the same for the same number."""
    city = _CITIES[number % len(_CITIES)]
    return {
        "id": f"M{number:07d}",
        "email": f"member{number}@reader.example",
        "first_name": _FIRST[number % len(_FIRST)],
        "last_name": _LAST[number % len(_LAST)],
        "locale": "en",
        "consent": "yes",
        "city": city,
        "store": f"the shop in {city}",
        "adviser": _FIRST[(number // 7) % len(_FIRST)],
        "tier": _TIERS[number % len(_TIERS)],
        "points": 100 + number % 900,
        "points_until": f"2027-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
        "held_until": f"2027-05-{number % 28 + 1:02d}",
        "saved": number % 5_000,
        "next_reward": 1_000 + number % 3 * 500,
        "favourite": _SHELVES[number % len(_SHELVES)],
        "last_order": _SHELVES[(number // 3) % len(_SHELVES)],
    }


def _rows(customers: int) -> Iterator[Row]:
    for number in range(customers):
        yield Row(number + 1, customer(number))
