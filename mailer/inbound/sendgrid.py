"""Twilio SendGrid's event webhook: a list of events, signed with ECDSA over the time and the body.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mailer.core.bounce import Kind, Returned, status_of
from mailer.core.verp import tokens_in
from mailer.core.ways_back import SendGrid
from mailer.errors import SettingsError
from mailer.inbound.proof import Forged, Malformed, decoded, document, fresh, instant, listed, words

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIME = "x-twilio-email-event-webhook-timestamp"
_KINDS = {
    "bounce": Kind.BOUNCE,
    "dropped": Kind.BOUNCE,
    "deferred": Kind.DELAY,
    "spamreport": Kind.COMPLAINT,
}
#: It did not even try, for what it knew of the address.
_DROPPED = {"bounced address": "5.1.1", "invalid": "5.1.3", "spam content": "5.7.1"}


def read(config: SendGrid, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Returned]:
    """What its events say.

    Raises:
        Forged: the signature is not of its key, or too old.
        Malformed: it is no list of events.
        SettingsError: the key of the settings cannot be read.
    """
    at = headers.get(_TIME, "")
    signature = decoded(headers.get(_SIGNATURE, ""))
    try:
        read_key(config).verify(signature, at.encode() + body, ECDSA(SHA256()))
    except InvalidSignature:
        raise Forged("its signature is wrong") from None
    fresh(instant(at), now)
    events = document(body)
    if not isinstance(events, list):
        raise Malformed("it is no list of events")
    return [_event(event, _KINDS[event["event"]]) for event in listed(events) if _known(event)]


def _known(event: dict[str, Any]) -> bool:
    return isinstance(event.get("event"), str) and event["event"] in _KINDS


def _event(event: dict[str, Any], kind: Kind) -> Returned:
    said = words(event.get("reason") or event.get("response"))
    stated = words(event.get("status"))
    if event["event"] == "dropped":
        stated = _DROPPED.get(said.lower(), "")
    number = words(event.get("smtp-id"))
    return Returned(
        kind, "sendgrid", words(event.get("email"), 320), status_of(stated, said), said,
        message_id=number if number.startswith("<") else number and f"<{number}>",
        tokens=tuple(tokens_in(words(event.get("envelope_from")))),
        event_id=f"sendgrid:{words(event.get('sg_event_id'), 200)}" if event.get("sg_event_id") else "",
        vouched=True,
    )  # fmt: skip


def read_key(config: SendGrid) -> EllipticCurvePublicKey:
    """The key that signs its events.

    Raises:
        SettingsError: it cannot be read. What was written is not in the sentence.
    """
    try:
        key = load_der_public_key(decoded("".join(config.public_key.split())))
    except (ValueError, UnsupportedAlgorithm, Forged):
        key = None
    if not isinstance(key, EllipticCurvePublicKey):
        raise SettingsError(
            "this is not the key SendGrid shows beside its event webhook; write its base64 text in one line"
        )
    return key
