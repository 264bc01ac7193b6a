"""Providers' requests, signed as they sign them; and every way to forge one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr

from mailer.core.bounce import Kind, Returned
from mailer.core.ways_back import Mailgun, Postmark, SendGrid, Ses, Webhooks
from mailer.errors import SettingsError
from mailer.inbound import fetch
from mailer.inbound import mailgun as mailgun_module
from mailer.inbound.hooks import Hooks
from mailer.inbound.proof import Forged, Malformed, instant
from tests.inbound.mails import MESSAGE_ID, TO, TOKEN

NOW = datetime(2027, 5, 10, 7, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-central-1:123456789012:bounces"
CERTIFICATE = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-x.pem"
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
PUBLIC = base64.b64encode(
    EC.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
PEM = (
    x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(RSA.public_key()).serial_number(1)
    .not_valid_before(NOW - timedelta(days=9)).not_valid_after(NOW + timedelta(days=9)).sign(RSA, SHA256())
    .public_bytes(Encoding.PEM)
)  # fmt: skip


class Amazon:
    """What is fetched from Amazon."""

    def __init__(self, answer: bytes = PEM) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        return self.answer


AMAZON = Amazon()
ALL = Webhooks(
    ses=Ses(topics=(TOPIC,)),
    sendgrid=SendGrid(public_key=PUBLIC),
    mailgun=Mailgun(signing_key=SecretStr("key")),
    postmark=Postmark(username="hook", password=SecretStr("geheim")),
)


def hooks(amazon: Amazon = AMAZON, now: datetime = NOW) -> Hooks:
    return Hooks(ALL, lambda: now, amazon.fetch)


# Each signs as its provider does.


def sendgrid(
    events: Any, at: datetime = NOW, key: ec.EllipticCurvePrivateKey = EC
) -> tuple[dict[str, str], bytes]:
    body, time = json.dumps(events).encode(), str(int(at.timestamp()))
    signature = key.sign(time.encode() + body, ec.ECDSA(SHA256()))
    return {
        "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
        "x-twilio-email-event-webhook-timestamp": time,
    }, body


def mailgun(
    event: Mapping[str, Any], at: datetime = NOW, key: bytes = b"key", token: str = "t" * 50
) -> tuple[dict[str, str], bytes]:
    time = str(int(at.timestamp()))
    signature = hmac.new(key, f"{time}{token}".encode(), hashlib.sha256).hexdigest()
    proof = {"timestamp": time, "token": token, "signature": signature}
    return {}, json.dumps({"signature": proof, "event-data": event}).encode()


def postmark(record: Mapping[str, Any], login: str = "hook:geheim") -> tuple[dict[str, str], bytes]:
    return {"authorization": "Basic " + base64.b64encode(login.encode()).decode()}, json.dumps(
        record
    ).encode()


def sns(
    message: Any, *, version: str = "2", key: rsa.RSAPrivateKey = RSA, **changes: Any
) -> tuple[dict[str, str], bytes]:
    said: dict[str, Any] = {
        "Type": "Notification", "MessageId": "m1", "TopicArn": TOPIC, "Message": json.dumps(message),
        "Timestamp": NOW.isoformat().replace("+00:00", ".000Z"), "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
    } | changes  # fmt: skip
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{said[name]}\n" for name in names if name in said)
    hashed = SHA256() if version == "2" else SHA1()  # noqa: S303 -- what its first version signs with
    said["Signature"] = base64.b64encode(key.sign(text.encode(), PKCS1v15(), hashed)).decode()
    return {}, json.dumps(said).encode()


SES_MAIL = {"source": TO, "commonHeaders": {"messageId": MESSAGE_ID}, "messageId": "0100-ses"}
SES_BOUNCE = {
    "notificationType": "Bounce", "mail": SES_MAIL,
    "bounce": {
        "bounceType": "Permanent", "bounceSubType": "General", "feedbackId": "f1",
        "bouncedRecipients": [{
            "emailAddress": "ayse@away.example", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown",
        }],
    },
}  # fmt: skip
SES_SUPPRESSED = SES_BOUNCE | {
    "bounce": {
        "bounceType": "Permanent", "bounceSubType": "OnAccountSuppressionList", "feedbackId": "f2",
        "bouncedRecipients": [{"emailAddress": "ayse@away.example"}],
    },
}  # fmt: skip
SES_COMPLAINT = {
    "eventType": "Complaint", "mail": {"headers": [{"name": "Message-ID", "value": MESSAGE_ID}]},
    "complaint": {
        "feedbackId": "f3", "complaintFeedbackType": "abuse",
        "complainedRecipients": [{"emailAddress": "ayse@away.example"}],
    },
}  # fmt: skip
SES_DELAY = {
    "eventType": "DeliveryDelay", "mail": SES_MAIL,
    "deliveryDelay": {"delayedRecipients": [{"emailAddress": "ayse@away.example", "status": "4.4.1"}]},
}  # fmt: skip
SENDGRID = {
    "email": "ayse@away.example", "event": "bounce", "status": "5.2.2", "reason": "552 5.2.2 full", "sg_event_id": "e1",
    "smtp-id": MESSAGE_ID,
}  # fmt: skip
MAILGUN = {
    "event": "failed", "severity": "permanent", "id": "g1", "recipient": "ayse@away.example",
    "delivery-status": {"code": 550, "enhanced-code": "5.7.1", "message": "5.7.1 blocked"},
    "message": {"headers": {"message-id": MESSAGE_ID.strip("<>")}}, "envelope": {"sender": TO},
}  # fmt: skip
POSTMARK = {
    "RecordType": "Bounce", "Type": "HardBounce", "ID": 42, "Email": "ayse@away.example",
    "Details": "smtp;550 5.1.1 no such user", "Metadata": {"mail": TOKEN},
}  # fmt: skip

SAID = [
    ("ses", sns(SES_BOUNCE), Kind.BOUNCE, "5.1.1", (TOKEN,), MESSAGE_ID, "ses:f1:ayse@away.example"),
    ("ses", sns(SES_BOUNCE, version="1"), Kind.BOUNCE, "5.1.1", (TOKEN,), MESSAGE_ID, "ses:f1:ayse@away.example"),
    ("ses", sns(SES_SUPPRESSED), Kind.BOUNCE, "5.1.1", (TOKEN,), MESSAGE_ID, "ses:f2:ayse@away.example"),
    ("ses", sns(SES_COMPLAINT), Kind.COMPLAINT, "", (), MESSAGE_ID, "ses:f3:ayse@away.example"),
    ("ses", sns(SES_DELAY), Kind.DELAY, "4.4.1", (TOKEN,), MESSAGE_ID, ""),
    ("sendgrid", sendgrid([SENDGRID]), Kind.BOUNCE, "5.2.2", (), MESSAGE_ID, "sendgrid:e1"),
    ("sendgrid", sendgrid([SENDGRID | {"event": "dropped", "status": "", "reason": "Bounced Address"}]), Kind.BOUNCE,
     "5.1.1", (), MESSAGE_ID, "sendgrid:e1"),
    ("sendgrid", sendgrid([SENDGRID | {"event": "spamreport", "status": "", "reason": ""}]), Kind.COMPLAINT, "", (),
     MESSAGE_ID, "sendgrid:e1"),
    ("sendgrid", sendgrid([{"event": "deferred", "email": "ayse@away.example", "response": "451 4.7.1 later"}]),
     Kind.DELAY, "4.7.1", (), "", ""),
    ("mailgun", mailgun(MAILGUN), Kind.BOUNCE, "5.7.1", (TOKEN,), MESSAGE_ID, "mailgun:g1"),
    ("mailgun", mailgun(MAILGUN | {"severity": "temporary"}), Kind.DELAY, "5.7.1", (TOKEN,), MESSAGE_ID, "mailgun:g1"),
    ("mailgun", mailgun({**MAILGUN, "event": "complained", "delivery-status": {}}), Kind.COMPLAINT, "", (TOKEN,),
     MESSAGE_ID, "mailgun:g1"),
    ("mailgun", mailgun({**MAILGUN, "reason": "suppress-bounce", "delivery-status": {}}), Kind.BOUNCE, "5.1.1",
     (TOKEN,), MESSAGE_ID, "mailgun:g1"),
    ("postmark", postmark(POSTMARK), Kind.BOUNCE, "5.1.1", (TOKEN,), "", "postmark:bounce:42"),
    ("postmark", postmark(POSTMARK | {"Type": "SoftBounce", "Details": "busy"}), Kind.BOUNCE, "5.2.0", (TOKEN,), "",
     "postmark:bounce:42"),
    ("postmark", postmark(POSTMARK | {"Type": "Transient"}), Kind.DELAY, "5.1.1", (TOKEN,), "", "postmark:delay:42"),
    ("postmark", postmark(POSTMARK | {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "Details": ""}),
     Kind.COMPLAINT, "", (TOKEN,), "", "postmark:complaint:42"),
]  # fmt: skip


@pytest.mark.parametrize(
    "evil", ["\x1b[31mred\x07", "\0", "\ud800", "\u202eabc\u2066", "\x9b2J", "a\r\n b\u2028"]
)
async def test_what_strangers_say_in_an_event_is_a_plain_line(evil: str) -> None:
    """Their server's words are signed with the rest; half a letter in one event would cost all of a request."""
    event = {name: f"{said}{evil}" for name, said in SENDGRID.items() if name not in ("event", "smtp-id")}
    found = await hooks().read("sendgrid", *sendgrid([SENDGRID | event]))
    assert found is not None
    [said] = found
    for each in (said.recipient, said.diagnostic, said.event_id, said.status):
        assert each.isprintable()
        each.encode()


@pytest.mark.parametrize(
    ("of", "count"), [({}, 0), ({"status": "4.4.7"}, 1), ({"diagnosticCode": "smtp; 450 busy"}, 1)]
)
async def test_a_vacation_notice_told_by_ses_is_no_bounce(of: dict[str, str], count: int) -> None:
    bounce = {
        "bounceType": "Transient", "bounceSubType": "General", "feedbackId": "f4",
        "bouncedRecipients": [{"emailAddress": "ayse@away.example"} | of],
    }  # fmt: skip
    found = await hooks().read("ses", *sns(SES_BOUNCE | {"bounce": bounce}))
    assert found is not None
    assert len(found) == count


@pytest.mark.parametrize(("provider", "request_", "kind", "status", "tokens", "message_id", "event"), SAID)
async def test_all_are_made_the_same(
    provider: str,
    request_: tuple[dict[str, str], bytes],
    kind: Kind,
    status: str,
    tokens: tuple[str, ...],
    message_id: str,
    event: str,
) -> None:
    found = await hooks().read(provider, *request_)
    assert found is not None
    [said] = found
    assert isinstance(said, Returned)
    assert (said.kind, said.source, said.recipient, said.status) == (
        kind,
        provider,
        "ayse@away.example",
        status,
    )
    assert (said.tokens, said.message_id, said.event_id, said.vouched) == (tokens, message_id, event, True)


@pytest.mark.parametrize(
    ("provider", "request_"),
    [
        ("ses", sns({"notificationType": "Delivery"})),
        ("ses", sns({"notificationType": "Bounce", "bounce": {"bouncedRecipients": "no list"}})),
        ("ses", sns({"notificationType": "Complaint", "complaint": {"complaintFeedbackType": "not-spam",
                     "complainedRecipients": [{"emailAddress": "a@b"}]}})),
        ("ses", sns(["a list"])),
        ("ses", sns({}, Type="UnsubscribeConfirmation")),
        ("sendgrid", sendgrid([{"event": "open"}, {"event": ["bounce"]}, "no object", {"event": "delivered"}])),
        ("sendgrid", sendgrid([])),
        ("mailgun", mailgun({"event": "opened"})),
        ("mailgun", mailgun({"event": "delivered", "message": "no object"})),
        ("postmark", postmark({"RecordType": "Bounce", "Type": "AutoResponder"})),
        ("postmark", postmark({"RecordType": "Open"})),
        ("postmark", postmark({"RecordType": "Bounce", "Type": "ManuallyDeactivated"})),
    ],
)  # fmt: skip
async def test_what_says_nothing_of_a_bounce(provider: str, request_: tuple[dict[str, str], bytes]) -> None:
    assert await hooks().read(provider, *request_) == []


LATE, EARLY = NOW - timedelta(hours=25), NOW + timedelta(hours=1)
OTHER_EC, OTHER_RSA = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
STAMP = "%Y-%m-%dT%H:%M:%SZ"


def changed(request_: tuple[dict[str, str], bytes], old: bytes, new: bytes) -> tuple[dict[str, str], bytes]:
    """One letter of the body is another."""
    assert old in request_[1]
    return request_[0], request_[1].replace(old, new, 1)


FORGED = {
    "sendgrid: nothing": ("sendgrid", ({}, b"[]")),
    "sendgrid: another key": ("sendgrid", sendgrid([SENDGRID], key=OTHER_EC)),
    "sendgrid: another body": ("sendgrid", changed(sendgrid([SENDGRID]), b"ayse", b"oyse")),
    "sendgrid: another time": (
        "sendgrid", (sendgrid([])[0] | {"x-twilio-email-event-webhook-timestamp": "1"}, b"[]"),
    ),
    "sendgrid: no base64": ("sendgrid", (sendgrid([])[0] | {"x-twilio-email-event-webhook-signature": "é"}, b"[]")),
    "sendgrid: old": ("sendgrid", sendgrid([SENDGRID], at=LATE)),
    "sendgrid: ahead": ("sendgrid", sendgrid([SENDGRID], at=EARLY)),
    "mailgun: nothing": ("mailgun", ({}, b"{}")),
    "mailgun: another key": ("mailgun", mailgun(MAILGUN, key=b"yek")),
    "mailgun: old": ("mailgun", mailgun(MAILGUN, at=LATE)),
    "mailgun: no token": ("mailgun", mailgun(MAILGUN, token="")),
    "mailgun: signature is a list": (
        "mailgun", ({}, b'{"signature": {"timestamp": "1", "token": "x", "signature": ["a"]}}'),
    ),
    "postmark: nothing": ("postmark", ({}, b"{}")),
    "postmark: another password": ("postmark", postmark(POSTMARK, "hook:other")),
    "postmark: bearer": ("postmark", ({"authorization": postmark(POSTMARK)[0]["authorization"][6:]}, b"{}")),
    "ses: another key": ("ses", sns(SES_BOUNCE, key=OTHER_RSA)),
    "ses: another message": ("ses", changed(sns(SES_BOUNCE), b"ayse", b"oyse")),
    "ses: another topic": ("ses", sns(SES_BOUNCE, TopicArn=TOPIC + "x")),
    "ses: old": ("ses", sns(SES_BOUNCE, Timestamp=LATE.strftime(STAMP))),
    "ses: ahead": ("ses", sns(SES_BOUNCE, Timestamp=EARLY.strftime(STAMP))),
    "ses: no time": ("ses", sns(SES_BOUNCE, Timestamp="yesterday")),
    "ses: signed in no way": ("ses", changed(sns(SES_BOUNCE), b'"SignatureVersion": "2"', b'"SignatureVersion": "3"')),
    "ses: subscription to another topic": (
        "ses", sns("x", Type="SubscriptionConfirmation", Token="t", TopicArn="arn:aws:sns:x:1:y",
                   SubscribeURL="https://sns.eu-central-1.amazonaws.com/?x"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("provider", "request_"), FORGED.values(), ids=list(FORGED))
async def test_what_is_forged_is_refused(provider: str, request_: tuple[dict[str, str], bytes]) -> None:
    with pytest.raises(Forged):
        await hooks(Amazon()).read(provider, *request_)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-central-1.amazonaws.com/x.pem", "https://sns.eu-central-1.amazonaws.com.evil.example/x.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/x.pem", "https://sns.eu-central-1.amazonaws.com:444/x.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.example/x.pem", "https://s3.amazonaws.com/bucket/x.pem",
        "https://x@sns.eu-central-1.amazonaws.com/x.pem", "file:///etc/passwd", "", "https://[::1", "https://169.254.169.254/",
        "https://sns.evil.example\\.amazonaws.com/", "https://sns.eu-central-1.amazonaws.com\\@evil.example/x.pem",
    ],
)  # fmt: skip
async def test_nothing_is_fetched_from_anywhere_but_amazon(url: str) -> None:
    amazon = Amazon()
    with pytest.raises(Forged):
        await hooks(amazon).read("ses", *sns(SES_BOUNCE, SigningCertURL=url))
    with pytest.raises(Forged):
        await hooks(amazon).read(
            "ses", *sns("x", Type="SubscriptionConfirmation", Token="t", SubscribeURL=url)
        )
    assert amazon.asked in ([], [CERTIFICATE])


async def test_the_subscription_of_a_topic_of_ours_is_confirmed() -> None:
    amazon = Amazon()
    url = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    request_ = sns("x", Type="SubscriptionConfirmation", Token="t", SubscribeURL=url)
    assert await hooks(amazon).read("ses", *request_) == []
    assert amazon.asked == [CERTIFICATE, url]


async def test_a_certificate_is_fetched_once_and_must_be_good_now() -> None:
    amazon = Amazon()
    reader = hooks(amazon)
    for _again in range(3):
        await reader.read("ses", *sns(SES_BOUNCE))
    assert amazon.asked == [CERTIFICATE]
    later = NOW + timedelta(days=30)
    with pytest.raises(Forged):
        await hooks(now=later).read("ses", *sns(SES_BOUNCE, Timestamp=later.strftime(STAMP)))
    with pytest.raises(Forged):
        await hooks(Amazon(b"no certificate")).read("ses", *sns(SES_BOUNCE))


@pytest.mark.parametrize(
    ("provider", "request_"),
    [
        ("sendgrid", sendgrid({"event": "bounce"})),
        ("mailgun", ({}, b"{")),
        ("mailgun", ({}, b"[" * 100_000)),
        ("postmark", (postmark({})[0], b"\xff")),
        ("ses", ({}, b"")),
        ("ses", sns({}, Type="Nonsense")),
        ("ses", sns({}, Message="no JSON")),
    ],
)
async def test_what_cannot_be_read_is_said(provider: str, request_: tuple[dict[str, str], bytes]) -> None:
    with pytest.raises(Malformed):
        await hooks().read(provider, *request_)


async def test_a_token_of_mailgun_carries_one_event() -> None:
    reader = hooks()
    assert await reader.read("mailgun", *mailgun(MAILGUN))
    assert await reader.read("mailgun", *mailgun(MAILGUN))  # it tries again when we were away
    with pytest.raises(Forged):
        await reader.read("mailgun", *mailgun(MAILGUN | {"recipient": "somebody@else.example"}))


async def test_who_is_not_set_is_not_there() -> None:
    nobody = Hooks(Webhooks(), lambda: NOW)
    for provider in ("ses", "sendgrid", "mailgun", "postmark", "", "../x"):
        assert await nobody.read(provider, {}, b"{}") is None
    assert await hooks().read("acme", {}, b"{}") is None


@pytest.mark.parametrize("key", ["", "no key", base64.b64encode(b"x" * 90).decode()])
async def test_a_key_that_is_none_is_told(key: str) -> None:
    reader = Hooks(Webhooks(sendgrid=SendGrid.model_construct(public_key=key)), lambda: NOW)
    with pytest.raises(SettingsError, match="not the key SendGrid shows"):
        await reader.read("sendgrid", *sendgrid([]))


async def test_a_fetch_goes_over_https_alone() -> None:
    with pytest.raises(OSError, match="only https"):
        await fetch.https("http://127.0.0.1/x")
    with pytest.raises(OSError, match="refused"):
        await fetch.https("https://127.0.0.1:1/x")


async def test_of_the_tokens_of_mailgun_only_the_latest_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mailgun_module, "_MOST_SEEN", 2)
    mine = hooks()
    for token in "abc":
        assert await mine.read("mailgun", *mailgun(MAILGUN, token=token * 50))
    again = MAILGUN | {"id": "g2"}
    for token in "bc":
        with pytest.raises(Forged, match="was used before"):
            await mine.read("mailgun", *mailgun(again, token=token * 50))
    assert await mine.read(
        "mailgun", *mailgun(again, token="a" * 50)
    )  # its event is known by its id all the same


async def test_postmark_logs_in_by_its_password_alone() -> None:
    headers, body = postmark(POSTMARK)
    assert await hooks().read("postmark", headers, body)
    with pytest.raises(Forged):
        await hooks().read(
            "postmark", {"authorization": headers["authorization"].replace("Basic", "Bearer")}, body
        )


@pytest.mark.parametrize(
    ("text", "at"),
    [("1809932400", "2027-05-10T07:00:00+00:00"), ("1809932400500", "2027-05-10T07:00:00.500000+00:00")],
)
def test_providers_tell_the_time_in_seconds_or_in_thousandths(text: str, at: str) -> None:
    assert instant(text).isoformat() == at
