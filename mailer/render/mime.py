"""From a rendered message and its letterhead to RFC 5322 bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from email.utils import format_datetime

from mailer.core.message import Image, Letter, Message, Rendered
from mailer.errors import HeaderRefused, TooLarge
from mailer.render import headers
from mailer.render.headers import LINE_LIMIT, Field

#: The largest message made, in bytes; many providers refuse more.
SIZE_LIMIT = 10_000_000
_RESERVED = re.compile(
    r"(?:resent-|content-|list-|received|return-path|dkim-|arc-|authentication-)|(?:from|to|cc|bcc|sender|reply-to"
    r"|subject|date|message-id|in-reply-to|references|mime-version|auto-submitted)$",
    re.IGNORECASE,
)
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_Part = tuple[list[str], bytes]  # header lines, body


def assemble(rendered: Rendered, letter: Letter, max_bytes: int = SIZE_LIMIT) -> Message:
    """Put a message together: text and HTML as alternatives, pictures beside the HTML, headers gated.

    The same input gives the same bytes, so a message made again for another attempt is the same message.

    Raises:
        HeaderRefused: data that would change a header.
        NotRepresentable: an address this relay cannot carry.
        TooLarge: over `max_bytes`.
    """
    sender = headers.address(letter.from_address, "the sender's address", smtputf8=letter.smtputf8)
    recipient = headers.address(letter.to_address, "the recipient's address", smtputf8=letter.smtputf8)
    bounces = sender
    if letter.envelope_from is not None:
        bounces = headers.address(letter.envelope_from, "the bounce address", smtputf8=letter.smtputf8)
    fields = [
        headers.mailbox("From", letter.from_name, sender),
        headers.mailbox("To", letter.to_name, recipient),
        headers.unstructured("Subject", rendered.subject),
        *_letterhead(letter),
        *_extra(letter.headers),
        headers.plain("MIME-Version", "1.0"),
    ]
    part_head, body = _body(rendered, letter.message_id)
    fields += [Field(name, f"{name}: {value}", value) for name, value in map(_split, part_head)]
    head = "\r\n".join(field.written for field in fields) + "\r\n\r\n"
    headers.verify(head, fields)
    data = head.encode() + body
    if len(data) > max_bytes:
        raise TooLarge(f"the message has {len(data):,} bytes; {max_bytes:,} is the most")
    utf8 = not head.isascii() or not bounces.isascii()
    return Message(bounces, recipient, data, letter.message_id, smtputf8=utf8)


def _letterhead(letter: Letter) -> Iterator[Field]:
    if letter.date.tzinfo is None:
        raise ValueError("the date of a letter needs its time zone")
    yield headers.plain("Date", format_datetime(letter.date.astimezone(UTC)))
    yield headers.message_ids("Message-ID", [letter.message_id])
    if letter.in_reply_to:
        yield headers.message_ids("In-Reply-To", [letter.in_reply_to])
    if letter.references:
        yield headers.message_ids("References", letter.references)
    if letter.list_id:
        yield headers.list_id(letter.list_id)
    links = [link for link in (letter.unsubscribe_url, letter.unsubscribe_mailto) if link]
    if links:
        yield headers.addresses_in_brackets("List-Unsubscribe", links)
    if letter.unsubscribe_url:
        yield headers.plain("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
    if letter.auto_submitted:
        yield headers.plain("Auto-Submitted", "auto-generated")


def _extra(extra: Mapping[str, str]) -> Iterator[Field]:
    for name, value in extra.items():
        if _RESERVED.match(name):
            raise HeaderRefused(f"{name[:80]} is not a header to add")
        yield headers.plain(name, value)


def _split(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name, value


def _body(rendered: Rendered, message_id: str) -> _Part:
    text = _text("plain", rendered.text)
    if rendered.html is None:
        return text
    page = _text("html", rendered.html)
    seed = hashlib.sha256(message_id.encode()).hexdigest()[:24]
    if rendered.images:
        pictures = [_picture(cid, image) for cid, image in rendered.images.items()]
        page = _multipart("related", [page, *pictures], f"=_r{seed}", '; type="text/html"')
    return _multipart("alternative", [text, page], f"=_a{seed}")


def encoded_html(html: str) -> bytes:
    """The HTML as it travels: what mail readers count when they clip a message."""
    return _text("html", html)[1]


def _text(subtype: str, text: str) -> _Part:
    data = _LINE_ENDS.sub("\r\n", text).encode("utf-8", "replace")
    if not data.endswith(b"\r\n"):
        data += b"\r\n"
    encoding, data = _encode(data)
    return [f"Content-Type: text/{subtype}; charset=utf-8", f"Content-Transfer-Encoding: {encoding}"], data


def _encode(data: bytes) -> tuple[str, bytes]:
    """7bit where lines and letters allow it, else whichever is shorter (RFC 2045 §6). `data` ends in CRLF."""
    if data.isascii() and b"\0" not in data and max(map(len, data.split(b"\r\n"))) <= LINE_LIMIT:
        return "7bit", data
    quoted = binascii.b2a_qp(data, istext=True)
    if len(quoted) <= len(data) * 4 // 3 * 78 // 76 + 4:
        return "quoted-printable", quoted
    return "base64", _base64(data)


def _base64(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def _picture(content_id: str, image: Image) -> _Part:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", image.name)[:60]
    head = [
        f"Content-Type: {image.media_type}",
        "Content-Transfer-Encoding: base64",
        f"Content-ID: <{content_id}>",
        f'Content-Disposition: inline; filename="{name}"',
    ]
    return head, _base64(image.data)


def _multipart(subtype: str, parts: Sequence[_Part], boundary: str, more: str = "") -> _Part:
    bodies = ["\r\n".join(head).encode() + b"\r\n\r\n" + body for head, body in parts]
    while any(boundary.encode() in body for body in bodies):
        boundary += "x"
    line = f"--{boundary}".encode()
    body = b"".join(line + b"\r\n" + each + b"\r\n" for each in bodies) + line + b"--\r\n"
    return [f'Content-Type: multipart/{subtype}; boundary="{boundary}"{more}'], body
