"""How what comes back about mails reaches us, as the settings name it: by mail, and from providers."""

from __future__ import annotations

import re
from posixpath import join
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from mailer.core.booking import SoftRule
from mailer.core.dkim import domain_name
from mailer.core.listen import LAST_PORT, Listen
from mailer.core.verp import MOST_LOCAL

_LOCAL = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]{1,256}")

#: The header that makes Postmark bring a value back, and the name it comes back under.
POSTMARK_TAG, POSTMARK_NAME = "X-PM-Metadata-mail", "mail"


def _own(text: str) -> str:
    local, _, domain = text.lower().rpartition("@")
    if not _LOCAL.fullmatch(local):
        raise ValueError(
            f"{text!r} is not an address of letters, digits, '.', '_' and '-', such as b@shop.example"
        )
    return f"{local}@{domain_name(domain)}"


def _short(text: str) -> str:
    if len(text.rpartition("@")[0]) > MOST_LOCAL:
        raise ValueError(
            f"{text!r} is too long before the @: {MOST_LOCAL} characters leave room for what is added"
        )
    return text


def _topic(text: str) -> str:
    if not _TOPIC.fullmatch(text):
        raise ValueError(
            f"{text!r} is not the ARN of an SNS topic, such as arn:aws:sns:eu-central-1:123456789012:name"
        )
    return text


def _secret(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().strip():
        raise ValueError("an empty secret is none; write it, or take the section out")  # anybody could sign
    return secret


Secret = Annotated[SecretStr, AfterValidator(_secret)]


def _words(value: object) -> object:
    """A variable of the environment names several with commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Imap(_Section):
    """A mailbox that nothing but returns comes to."""

    host: str
    port: Annotated[int, Field(ge=1, le=LAST_PORT)] = 993
    username: str
    password: Secret
    tls: Literal["none", "starttls", "implicit"] = "implicit"
    folder: str = "INBOX"
    handled: str = "handled"  # the folder for what was read


class Soft(_Section):
    """When an address is given up that failed again and again."""

    count: Annotated[int, Field(ge=1, le=1000)] = 5
    days: Annotated[int, Field(ge=1, le=365)] = 14

    @property
    def rule(self) -> SoftRule:
        """The same as a value."""
        return SoftRule(self.count, self.days)


class Bounces(_Section):
    """Where mail that cannot be delivered comes back to. Nothing of it is used unless it is set."""

    address: Annotated[str, AfterValidator(_own), AfterValidator(_short)] | None = None
    complaints: Annotated[str, AfterValidator(_own)] | None = None  # what feedback loops are told
    listen: Listen | None = None
    protocol: Literal["smtp", "lmtp"] = "smtp"
    maildir: str | None = None
    imap: Imap | None = None
    every: Annotated[int, Field(ge=1, le=86_400)] = 60  # seconds between two looks into mailboxes
    soft: Soft = Soft()

    @model_validator(mode="after")
    def _whole(self) -> Bounces:
        if self.reads and self.address is None and self.complaints is None:
            raise ValueError(
                "listen, maildir and imap need an address that mail comes back to; set bounces.address"
            )
        return self

    @property
    def polls(self) -> bool:
        """Whether there is a mailbox to look into."""
        return self.maildir is not None or self.imap is not None

    @property
    def reads(self) -> bool:
        """Whether there is any way back by mail."""
        return self.listen is not None or self.polls

    def under(self, folder: str) -> Bounces:
        """The same, the Maildir counted from `folder`."""
        return self.model_copy(update={"maildir": self.maildir and join(folder, self.maildir)})


class Ses(_Section):
    """Amazon SES, through topics of SNS."""

    topics: Annotated[
        tuple[Annotated[str, AfterValidator(_topic)], ...], BeforeValidator(_words), Field(min_length=1)
    ]


class SendGrid(_Section):
    """Twilio SendGrid's signed event webhook."""

    public_key: Annotated[str, Field(min_length=1)]  # base64, as its settings page shows it


class Mailgun(_Section):
    """Mailgun's webhooks."""

    signing_key: Secret


class Postmark(_Section):
    """Postmark's webhooks, which sign nothing: they log in."""

    username: Annotated[str, Field(min_length=1, pattern=r"^[^:]+$")]
    password: Secret


class Webhooks(_Section):
    """The providers that may tell us what became of mails."""

    ses: Ses | None = None
    sendgrid: SendGrid | None = None
    mailgun: Mailgun | None = None
    postmark: Postmark | None = None
