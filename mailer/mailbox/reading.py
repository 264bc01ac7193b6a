"""Reading a mail back for people: its fields, its two texts, its attachments. Nothing in it is trusted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """A mail as a list shows it. Its id is its number; `at` is the arrival, in UTC."""

    id: str
    at: datetime
    sender: str  # the From field
    to: str  # the envelope's recipients
    subject: str
    size: int  # bytes of the mail
    message_id: str

    def facts(self) -> dict[str, Any]:
        """The row under the names the world uses."""
        return {
            "id": self.id,
            "at": self.at,
            "from": self.sender,
            "to": self.to,
            "subject": self.subject,
            "size": self.size,
            "message_id": self.message_id,
        }


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is neither text nor HTML of the mail itself, images inside the HTML included."""

    name: str
    type: str
    content_id: str  # without its brackets
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail, read for showing."""

    row: Row
    mail_from: str
    headers: tuple[tuple[str, str], ...]  # decoded, in their order
    text: str | None
    html: str | None
    attachments: tuple[Attachment, ...]
    raw: bytes = field(repr=False)  # as it came


@dataclass(frozen=True, slots=True)
class Stored:
    """The envelope and the arrival, which stand in three lines above a kept mail."""

    mail_from: str
    rcpt_to: str
    at: datetime

    def lines(self) -> bytes:
        """The three lines (RFC 5321 §4.4 for the first)."""
        lines = (
            f"Return-Path: <{_printable(self.mail_from)}>",
            f"Delivered-To: {_printable(self.rcpt_to)}",
            f"Delivery-Date: {self.at.astimezone(UTC).isoformat()}",
        )
        return "".join(f"{line}\r\n" for line in lines).encode()

    @classmethod
    def split(cls, content: bytes) -> tuple[Stored, bytes]:
        """The envelope and the mail of a kept file.

        Raises:
            ValueError: it is none of ours.
        """
        try:
            first, second, third, raw = content.split(b"\r\n", 3)
            mail_from, rcpt_to, at = (line.decode().split(": ", 1)[1] for line in (first, second, third))
        except IndexError:
            raise ValueError("the three lines of the mailbox are missing") from None
        return cls(mail_from.removeprefix("<").removesuffix(">"), rcpt_to, datetime.fromisoformat(at)), raw


def row(mail_id: str, stored: Stored, head: bytes, size: int) -> Row:
    """What a list says of a mail of which `head` is at least the header."""
    fields = BytesHeaderParser(policy=policy.default).parsebytes(head)
    return Row(
        id=mail_id,
        at=stored.at,
        sender=_field(fields, "from"),
        to=stored.rcpt_to,
        subject=_field(fields, "subject"),
        size=size,
        message_id=_field(fields, "message-id"),
    )


def mail(mail_id: str, stored: Stored, raw: bytes) -> Mail:
    """The whole mail."""
    parsed = message_from_bytes(raw, policy=policy.default)
    texts: dict[str, str] = {}
    attachments = []
    for part in parsed.walk():
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        if kind in ("text/plain", "text/html") and not part.is_attachment() and kind not in texts:
            texts[kind] = _text(part)
        else:
            attachments.append(_attachment(part, kind))
    return Mail(
        row=row(mail_id, stored, raw, len(raw)),
        mail_from=stored.mail_from,
        headers=tuple(_fields(parsed)),
        text=texts.get("text/plain"),
        html=texts.get("text/html"),
        attachments=tuple(attachments),
        raw=raw,
    )


def _fields(parsed: EmailMessage) -> Iterator[tuple[str, str]]:
    for name, raw in parsed.raw_items():
        yield name, _decoded(parsed, name, raw)


def _field(parsed: Any, name: str) -> str:
    for other, raw in parsed.raw_items():
        if other.lower() == name:
            return _decoded(parsed, other, raw)
    return ""


def _decoded(parsed: Any, name: str, raw: Any) -> str:
    try:
        value = str(parsed.policy.header_fetch_parse(name, raw))
    except Exception:  # noqa: BLE001 -- the standard parser raises many things on crooked fields; we only show them
        value = str(raw)
    return _printable(" ".join(value.split()))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _text(part: EmailMessage) -> str:
    content = part.get_payload(decode=True)
    body = content if isinstance(content, bytes) else b""
    try:
        return body.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _attachment(part: EmailMessage, kind: str) -> Attachment:
    content = part.get_payload(decode=True)
    return Attachment(
        name=part.get_filename() or "",
        type=kind,
        content_id=_field(part, "content-id").strip("<>"),
        content=content if isinstance(content, bytes) else b"",
    )
