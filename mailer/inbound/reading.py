"""From a mail that came in to what it says about a mail of ours. Nothing here knows whether that is true."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.message import Message

from mailer.core.bounce import Kind, Returned
from mailer.core.verp import tokens_in
from mailer.inbound import arf, dsn, freetext
from mailer.inbound.parts import Unreadable, about, first, header, headers, line, parse

#: Where a mail system writes whom a mail was for.
_TO = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")
_ID = re.compile(r"<[^<>\s]{1,400}>")
_MOST_TOKENS = 5
_MOST_WORDS = 30_000  # bytes in which a bounce in words has said so


def read(data: bytes, recipients: Sequence[str] = ()) -> list[Returned]:
    """What a mail reports; nothing where it is no report: somebody's answer, a vacation notice, advertising.

    `recipients` are those of its envelope; without them its headers say whom it was for.
    """
    try:
        message = parse(data)
        return _read(message, recipients, data)
    except Unreadable:
        return []
    except Exception:  # noqa: BLE001 - the standard library's ways through a mail fail in many ways, and anybody may write one
        return []


def _read(message: Message, recipients: Sequence[str], data: bytes) -> list[Returned]:
    if arf.is_feedback(message):
        return _complaint(message, recipients)
    statuses = dsn.statuses(message)
    if statuses is not None:
        return _bounce(message, statuses, recipients)
    if (
        first(message, "message/disposition-notification") is not None
    ):  # it was read, or deleted unread (RFC 8098)
        return []
    words = freetext.failed(parse(data[:_MOST_WORDS]))
    if words is None:
        return []
    kind, recipient, status, diagnostic = words
    return [Returned(kind, "text", recipient, status, diagnostic, tokens=_tokens(message, None, recipients))]


def _bounce(message: Message, statuses: Sequence[dsn.Status], recipients: Sequence[str]) -> list[Returned]:
    failed = [status for status in statuses if status.kind is Kind.BOUNCE] or list(statuses)
    if not failed:
        return []
    said, original = failed[0], about(message)
    assert said.kind is not None  # noqa: S101 - `statuses` leaves the others out
    return [
        Returned(
            said.kind, "dsn", said.recipient, said.status, said.diagnostic,
            message_id=_message_id(original), tokens=_tokens(message, original, recipients),
        )
    ]  # fmt: skip


def _complaint(message: Message, recipients: Sequence[str]) -> list[Returned]:
    fields = arf.complaint(message)
    if fields is None:
        return []
    original = about(message)
    sender = tokens_in(header(fields, "Original-Mail-From"))
    tokens = dict.fromkeys((*sender, *_tokens(message, original, recipients)))
    return [
        Returned(
            Kind.COMPLAINT, "arf", header(fields, "Original-Rcpt-To").strip("<>"),
            diagnostic=line(header(fields, "Feedback-Type") + " " + header(fields, "User-Agent"))[:200],
            message_id=_message_id(original), tokens=tuple(tokens),
        )
    ]  # fmt: skip


def _tokens(message: Message, original: Message | None, recipients: Sequence[str]) -> tuple[str, ...]:
    """What may be tokens of ours: of the envelope, else of the headers, else of what came back."""
    places = list(recipients) or [said for name in _TO for said in headers(message, name)]
    if original is not None:
        places += headers(original, "Return-Path")
    found = dict.fromkeys(token for place in places for token in tokens_in(place))
    return tuple(found)[:_MOST_TOKENS]


def _message_id(original: Message | None) -> str:
    found = _ID.search(header(original, "Message-ID")) if original is not None else None
    return found[0] if found else ""
