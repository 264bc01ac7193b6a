"""The sections `bounces` and `webhooks`: what they take, and that no secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_settings import read, said

TOPIC = "arn:aws:sns:eu-central-1:123456789012:bounces"
IMAP = "imap: {host: mail.x.example, username: b, password: geheim}"


def test_everything_is_off_until_set(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert (found.bounces.address, found.bounces.reads, found.bounces.polls) == (None, False, False)
    assert (
        found.webhooks.ses
        is found.webhooks.sendgrid
        is found.webhooks.mailgun
        is found.webhooks.postmark
        is None
    )


def test_variables_set_them_and_secrets_stay_secret(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        f"bounces: {{address: B@Bounce.kardelen.example, maildir: box, {IMAP}}}\n",
        BOUNCES__LISTEN="127.0.0.1:2525",
        BOUNCES__SOFT__COUNT="3",
        BOUNCES__IMAP__PASSWORD="anderes",
        WEBHOOKS__SES__TOPICS=f"{TOPIC}, {TOPIC}2",
        WEBHOOKS__MAILGUN__SIGNING_KEY="schluessel",
        WEBHOOKS__POSTMARK__USERNAME="hook",
        WEBHOOKS__POSTMARK__PASSWORD="passwort",
    )
    bounces = found.bounces
    assert (bounces.address, bounces.maildir) == ("b@bounce.kardelen.example", f"{tmp_path}/box")
    assert (bounces.listen, bounces.soft.rule.count, bounces.soft.rule.days) == ("127.0.0.1:2525", 3, 14)
    assert found.webhooks.ses is not None
    assert found.webhooks.ses.topics == (TOPIC, f"{TOPIC}2")
    assert bounces.imap is not None
    assert bounces.imap.password.get_secret_value() == "anderes"
    for secret in ("geheim", "anderes", "schluessel", "passwort"):
        assert secret not in repr(found)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("address: kardelen.example", "'kardelen.example' is not an address of letters"),
        ("address: a+b@kardelen.example", "is not an address of letters"),
        ("address: 'a b@kardelen.example'", "is not an address of letters"),
        ("address: b@nowhere", "is not a domain"),
        ("address: fourteenletters@kardelen.example", "too long before the @: 13 characters"),
        ("listen: 127.0.0.1:2525", "listen, maildir and imap need an address that mail comes back to"),
        ("maildir: box", "need an address"),
        (IMAP, "need an address"),
        ("address: b@kardelen.example, listen: '127.0.0.1:0'", "has no port between 1 and 65535"),
        ("address: b@kardelen.example, protocol: http", "'smtp' or 'lmtp'"),
        ("address: b@kardelen.example, soft: {count: 0}", "write a number that is 1 or more"),
        ("address: b@kardelen.example, imap: {host: x}", "is missing; write one"),
    ],
)
def test_a_way_back_that_cannot_work_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    found = said(tmp_path, f"bounces: {{{text}}}\n")
    assert found.startswith("settings.yaml:1: bounces")
    assert sentence in found


@pytest.mark.parametrize(
    "text",
    [
        "ses: {topics: []}",
        "ses: {topics: ['arn:aws:s3:::bucket']}",
        "ses: {}",
        "sendgrid: {public_key: ''}",
        "mailgun: {}",
        "mailgun: {signing_key: ''}",
        "mailgun: {signing_key: '  '}",
        "postmark: {username: a, password: ''}",
        "postmark: {username: 'a:b', password: x}",
        "acme: {}",
    ],
)
def test_a_webhook_that_would_believe_anybody_is_refused(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, f"webhooks: {{{text}}}\n").startswith("settings.yaml:1: webhooks")
