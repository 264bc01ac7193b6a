"""Amazon SES, which tells through topics of SNS: every message signed with a key whose certificate is fetched.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html,
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import Certificate, load_pem_x509_certificate

from mailer.core.bounce import DIAGNOSTIC, Kind, Returned, status_of
from mailer.core.verp import tokens_in
from mailer.core.ways_back import Ses
from mailer.inbound.proof import Forged, Malformed, decoded, document, fresh, listed, mapping, words

Fetch = Callable[[str], Awaitable[bytes]]

_HOST = re.compile(r"sns\.[a-z0-9-]{3,30}\.amazonaws\.com(?:\.cn)?")
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
    ),
}  # fmt: skip
_HASHES = {"1": SHA1, "2": SHA256}
_MOST_CERTIFICATES = 10

#: What its kinds of bounces say as codes, where the recipient's own record says nothing.
_SUBTYPES = {
    "NoEmail": "5.1.1",
    "Suppressed": "5.1.1",
    "OnAccountSuppressionList": "5.1.1",
    "MailboxFull": "5.2.2",
    "MessageTooLarge": "5.3.4",
    "ContentRejected": "5.6.0",
    "AttachmentRejected": "5.6.0",
}
_UNWANTED = ("abuse", "fraud", "other", "")


class Hook:
    """Reads them. Certificates are kept for the life of the process."""

    def __init__(self, config: Ses, fetch: Fetch) -> None:
        self._topics = config.topics
        self._fetch = fetch
        self._certificates: dict[str, Certificate] = {}

    async def read(self, body: bytes, now: datetime) -> list[Returned]:
        """What a message says. The subscription to a topic of the settings is confirmed on the way.

        Raises:
            Forged: the signature is wrong or old, or the topic none of ours.
            Malformed: it is no JSON, or of a kind we do not know.
            OSError: the certificate or the confirmation cannot be had now.
        """
        message = mapping(document(body))
        kind = words(message.get("Type"))
        topic = words(message.get("TopicArn"))
        if topic not in self._topics:
            raise Forged("its topic is none of webhooks.ses.topics")
        if kind not in _SIGNED:
            if kind == "UnsubscribeConfirmation":
                return []
            raise Malformed("it is of a kind we do not know")
        await self._verify(message, kind, now)
        if kind == "SubscriptionConfirmation":
            await self._fetch(_amazon(words(message.get("SubscribeURL"), 2_000)))
            return []
        return notification(mapping(document(str(message.get("Message")).encode("utf-8", "replace"))))

    async def _verify(self, message: dict[str, Any], kind: str, now: datetime) -> None:
        algorithm = _HASHES.get(words(message.get("SignatureVersion")))
        if algorithm is None:
            raise Forged("it is signed in a way we do not know")
        signature = decoded(words(message.get("Signature"), 2_000))
        certificate = await self._certificate(_amazon(words(message.get("SigningCertURL"), 2_000)))
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise Forged("its certificate is not good now")
        key = certificate.public_key()
        said = "".join(
            f"{name}\n{message[name]}\n" for name in _SIGNED[kind] if isinstance(message.get(name), str)
        )
        if not isinstance(key, RSAPublicKey):
            raise Forged("its certificate has no such key")
        try:
            key.verify(signature, said.encode("utf-8", "replace"), PKCS1v15(), algorithm())
        except InvalidSignature:
            raise Forged("its signature is wrong") from None
        fresh(_time(words(message.get("Timestamp"))), now)

    async def _certificate(self, url: str) -> Certificate:
        if url not in self._certificates:
            try:
                found = load_pem_x509_certificate(await self._fetch(url))
            except ValueError:
                raise Forged("its certificate cannot be read") from None
            if len(self._certificates) >= _MOST_CERTIFICATES:
                self._certificates.clear()
            self._certificates[url] = found
        return self._certificates[url]


def notification(message: dict[str, Any]) -> list[Returned]:
    """What SES says, as a notification or as an event (`notificationType`, `eventType`)."""
    mail = mapping(message.get("mail"))
    what = words(message.get("notificationType") or message.get("eventType"))
    if what == "Bounce":
        bounce = mapping(message.get("bounce"))
        return [
            _bounce(mail, bounce, of) for of in _recipients(message, "bounce") if not _is_answer(bounce, of)
        ]
    if what == "Complaint":
        complaint = mapping(message.get("complaint"))
        if words(complaint.get("complaintFeedbackType")) not in _UNWANTED:
            return []
        return [_complaint(mail, complaint, of) for of in _recipients(message, "complaint")]
    if what == "DeliveryDelay":
        return [_delay(mail, of) for of in _recipients(message, "deliveryDelay", "delayedRecipients")]
    return []


def _recipients(message: dict[str, Any], what: str, name: str = "") -> list[dict[str, Any]]:
    names = {"bounce": "bouncedRecipients", "complaint": "complainedRecipients"}
    return listed(mapping(message.get(what)).get(name or names[what]))[:50]


def _is_answer(bounce: dict[str, Any], of: dict[str, Any]) -> bool:
    """Whether it may be a vacation notice: SES tells of those as passing bounces, without the words of any server."""
    kinds = (words(bounce.get("bounceType")), words(bounce.get("bounceSubType")))
    return kinds == ("Transient", "General") and not any(
        words(of.get(each)) for each in ("status", "diagnosticCode")
    )


def _bounce(mail: dict[str, Any], bounce: dict[str, Any], of: dict[str, Any]) -> Returned:
    diagnostic = words(of.get("diagnosticCode"), DIAGNOSTIC).removeprefix("smtp; ")
    stated = words(of.get("status")) or _SUBTYPES.get(words(bounce.get("bounceSubType")), "")
    if not stated:
        stated = "5.1.1" if bounce.get("bounceType") == "Permanent" and not diagnostic else ""
    recipient = words(of.get("emailAddress"), 320)
    event = words(bounce.get("feedbackId"), 200)
    return Returned(
        Kind.BOUNCE, "ses", recipient, status_of(stated, diagnostic), diagnostic,
        message_id=_message_id(mail), tokens=_tokens(mail),
        event_id=event and f"ses:{event}:{recipient}", vouched=True,
    )  # fmt: skip


def _complaint(mail: dict[str, Any], complaint: dict[str, Any], of: dict[str, Any]) -> Returned:
    recipient = words(of.get("emailAddress"), 320)
    event = words(complaint.get("feedbackId"), 200)
    return Returned(
        Kind.COMPLAINT, "ses", recipient, diagnostic=words(complaint.get("complaintFeedbackType")),
        message_id=_message_id(mail), tokens=_tokens(mail),
        event_id=event and f"ses:{event}:{recipient}", vouched=True,
    )  # fmt: skip


def _delay(mail: dict[str, Any], of: dict[str, Any]) -> Returned:
    diagnostic = words(of.get("diagnosticCode"), DIAGNOSTIC)
    status = status_of(words(of.get("status")), diagnostic)
    return Returned(
        Kind.DELAY, "ses", words(of.get("emailAddress"), 320), status, diagnostic,
        message_id=_message_id(mail), tokens=_tokens(mail), vouched=True,
    )  # fmt: skip


def _message_id(mail: dict[str, Any]) -> str:
    """Ours: SES writes its own into the mail and keeps what it replaced among the headers."""
    for each in listed(mail.get("headers")):
        if words(each.get("name")).lower() == "message-id":
            return words(each.get("value"))
    return words(mapping(mail.get("commonHeaders")).get("messageId"))


def _tokens(mail: dict[str, Any]) -> tuple[str, ...]:
    return tuple(tokens_in(words(mail.get("source"))))


def _amazon(url: str) -> str:
    """An address of Amazon's own: what a request names is fetched from nowhere else.

    Raises:
        Forged: it is another.
    """
    try:
        parts = urlsplit(url)
        fine = parts.scheme == "https" and parts.port is None and parts.username is None
    except ValueError:
        fine = False
    if not fine or not _HOST.fullmatch(parts.netloc):
        raise Forged("it names an address that is not Amazon's")
    return url


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Forged("it has no time") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
