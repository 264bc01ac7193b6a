"""Postmark's webhooks: one record each. They carry no signature and log in instead.

https://postmarkapp.com/developer/webhooks/bounce-webhook. Its own Message-ID stands in for ours; ours comes along as
metadata, which mails are given when this webhook is set.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from mailer.core.bounce import DIAGNOSTIC, Kind, Returned, status_of
from mailer.core.ways_back import POSTMARK_NAME, Postmark
from mailer.inbound.proof import Forged, document, mapping, same, words

#: What its kinds of bounces say as codes, where the details say nothing.
_TYPES = {
    "HardBounce": "5.1.1",
    "BadEmailAddress": "5.1.3",
    "SoftBounce": "5.2.0",
    "Blocked": "5.7.1",
    "SpamNotification": "5.7.1",
    "VirusNotification": "5.6.0",
    "DnsError": "5.4.4",
    "DMARCPolicy": "5.7.1",
    "TemplateRenderingFailed": "5.6.0",
}
_DELAYED = ("Transient",)
_COMPLAINTS = ("SpamComplaint",)


def read(config: Postmark, headers: Mapping[str, str], body: bytes) -> list[Returned]:
    """What a record says.

    Raises:
        Forged: it does not know our user name and password.
        Malformed: it is no JSON.
    """
    wanted = base64.b64encode(f"{config.username}:{config.password.get_secret_value()}".encode()).decode()
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if not same(wanted, given.strip()) or scheme.lower() != "basic":
        raise Forged("it does not know the user name and password")
    record = mapping(document(body))
    kind = _kind(record)
    if kind is None:
        return []
    details = words(record.get("Details") or record.get("Description"), DIAGNOSTIC)
    ours = words(mapping(record.get("Metadata")).get(POSTMARK_NAME))
    event = words(record.get("ID"), 100)
    return [
        Returned(
            kind, "postmark", words(record.get("Email"), 320),
            status_of(_TYPES.get(words(record.get("Type")), ""), details), details,
            tokens=(ours,) if ours else (), event_id=event and f"postmark:{kind}:{event}", vouched=True,
        )
    ]  # fmt: skip


def _kind(record: dict[str, Any]) -> Kind | None:
    """Vacation notices, confirmations and the like are among its bounces; they are none."""
    what, which = words(record.get("RecordType")), words(record.get("Type"))
    if what in _COMPLAINTS or which in _COMPLAINTS:
        return Kind.COMPLAINT
    if what != "Bounce":
        return None
    if which in _DELAYED:
        return Kind.DELAY
    return Kind.BOUNCE if which in _TYPES else None
