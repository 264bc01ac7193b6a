"""Providers whose relays are known by name, and what they ask to be included in SPF."""

from __future__ import annotations

from collections.abc import Sequence

from mailer.core.doctor.dns import is_below

_INCLUDES = {
    "amazonaws.com": "amazonses.com",
    "sendgrid.net": "sendgrid.net",
    "mailgun.org": "mailgun.org",
    "postmarkapp.com": "spf.mtasv.net",
    "brevo.com": "spf.brevo.com",
    "mandrillapp.com": "spf.mandrillapp.com",
    "gmail.com": "_spf.google.com",
    "google.com": "_spf.google.com",
    "office365.com": "spf.protection.outlook.com",
}


def include_for(relay: str) -> str | None:
    """The domain a relay's provider names its addresses under; None: we do not know it."""
    host = relay.lower().rstrip(".")
    return next((include for suffix, include in _INCLUDES.items() if is_below(host, suffix)), None)


def mechanisms(relays: Sequence[str], domain: str) -> list[str]:
    """What stands for these relays in an SPF record, as far as their names tell."""
    found: list[str] = []
    for relay in relays:
        include = include_for(relay)
        if include is not None:
            found.append(f"include:{include}")
        elif is_below(relay.lower(), domain):
            found.append(f"a:{relay.lower()}")
    return list(dict.fromkeys(found))
