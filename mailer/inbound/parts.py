"""A mail that came in, as far as it is safe to take apart: anybody can send us anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.policy import compat32

#: As much of a mail as is read, in bytes: reports stand before the mail they are about.
LOOKED_AT = 300_000

_MOST_PARTS = 30  # of parts that have parts; a report of a report has five
_LONGEST = 1_000  # characters of a header that is looked at
_TEXT = 60_000  # characters of a text that is looked at

_NESTING = re.compile(rb"content-type\s*:\s*(?:multipart|message)/", re.IGNORECASE)


class Unreadable(ValueError):
    """No mail, or one that was made to be hard to read."""


def parse(data: bytes) -> Message:
    """The mail that begins in `data`.

    Raises:
        Unreadable: it has so many parts in parts that it was made to hurt.
    """
    data = data[:LOOKED_AT]
    if len(_NESTING.findall(data)) > _MOST_PARTS:
        raise Unreadable("too many parts")
    try:
        return message_from_bytes(data, policy=compat32)
    except (MessageError, ValueError, LookupError, RecursionError, TypeError, AttributeError) as error:
        raise Unreadable(type(error).__name__) from None


def header(message: Message, name: str) -> str:
    """A header's text in one line, the first of its name; empty: there is none, or nobody can read it."""
    return next(headers(message, name), "")


def headers(message: Message, name: str) -> Iterator[str]:
    """Every header of that name, each in one line."""
    for value in message.get_all(name, [])[:20]:
        raw = str(value)[:_LONGEST]
        try:
            words = [
                word.decode(charset or "ascii", "replace") if isinstance(word, bytes) else word
                for word, charset in decode_header(raw)
            ]
        except (MessageError, ValueError, LookupError):
            words = [raw]
        yield line("".join(words))


def line(text: str) -> str:
    """A text in one line, of letters that can be seen: no controls, nothing that turns the direction."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def text(part: Message) -> str:
    """The text of a part, whatever it says of its letters."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    payload = payload[:_TEXT]
    try:
        return payload.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):
        return payload.decode("latin-1")


def is_encoded(part: Message) -> bool:
    """Whether its fields were written as base64 or quoted-printable (RFC 6533 §4 allows it of reports)."""
    return header(part, "Content-Transfer-Encoding").lower() in ("base64", "quoted-printable")


def decoded(part: Message) -> str:
    """The text of a part with parts that is encoded: the standard library takes those apart as they stand."""
    whole = Message()
    whole["Content-Type"] = "text/plain; charset=utf-8"
    whole["Content-Transfer-Encoding"] = header(part, "Content-Transfer-Encoding")
    inside = [each.as_string(maxheaderlen=0) for each in kids(part)] or [str(part.get_payload())]
    whole.set_payload("\n".join(inside)[:_TEXT].strip())
    return text(whole)


def kids(part: Message) -> list[Message]:
    """The parts of a part; none of one that has no parts."""
    if not part.is_multipart():  # what it holds would be decoded, as whatever it says it is
        return []
    return [each for each in part.get_payload() if isinstance(each, Message)]


def within(message: Message, *, depth: int = 4) -> Iterator[Message]:
    """Every part that is part of this mail itself, not of a mail inside it."""
    yield message
    if depth and message.get_content_maintype() == "multipart":
        for each in kids(message):
            yield from within(each, depth=depth - 1)


def first(message: Message, *types: str) -> Message | None:
    """The first part of one of these types."""
    return next((part for part in within(message) if part.get_content_type() in types), None)


def about(message: Message) -> Message | None:
    """The mail a report is about, or its headers, as far as the report brings them back."""
    whole = first(message, "message/rfc822", "message/global")
    if whole is not None:
        return next(iter(kids(whole)), None)
    only = first(message, "text/rfc822-headers", "message/rfc822-headers", "message/global-headers")
    if only is None:
        return None
    return next(iter(kids(only)), None) or message_from_bytes(text(only).encode(), policy=compat32)
