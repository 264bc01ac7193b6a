"""From a rendered message and its letterhead to RFC 5322 bytes."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import NamedTuple

from mailer.core.message import Letter, Message, Rendered
from mailer.errors import HeaderRefused, TooLarge
from mailer.render import bodies, headers
from mailer.render.headers import Field

#: The largest message made, in bytes; many providers refuse more.
SIZE_LIMIT = 10_000_000
_RESERVED = re.compile(
    r"(?:resent-|content-|list-|received|return-path|dkim-|arc-|authentication-)|(?:from|to|cc|bcc|sender|reply-to"
    r"|subject|date|message-id|in-reply-to|references|mime-version|auto-submitted)$",
    re.IGNORECASE,
)


class _Standing(NamedTuple):
    """What all letters of a campaign say alike, checked and written once."""

    sender_address: str
    sender: Field
    before: tuple[Field, ...]  # the links to unsubscribe
    after: tuple[Field, ...]
    seed: str  # of boundaries; a body that holds one is given another


def assemble(rendered: Rendered, letter: Letter, max_bytes: int = SIZE_LIMIT) -> Message:
    """Put a message together: text and HTML as alternatives, pictures beside the HTML, headers gated.

    The same input gives the same bytes, so a message made again for another attempt is the same message.

    Raises:
        HeaderRefused: data that would change a header.
        NotRepresentable: an address this relay cannot carry.
        TooLarge: over `max_bytes`.
    """
    standing = _standing(
        letter.from_name, letter.from_address, letter.list_id, letter.auto_submitted,
        tuple(letter.headers.items()), letter.smtputf8,
    )  # fmt: skip
    recipient = headers.address(letter.to_address, "the recipient's address", smtputf8=letter.smtputf8)
    content = bodies.body(rendered, standing.seed)
    fields = [
        standing.sender,
        headers.mailbox("To", letter.to_name, recipient),
        headers.unstructured("Subject", rendered.subject),
        *_own(letter),
        *standing.before,
        *_unsubscribe(letter),
        *standing.after,
    ]
    lines, proven = [], True
    for field in fields:
        lines.append(field.written)
        proven = proven and field.proven
    head = "\r\n".join([*lines, content.head, "\r\n"])
    if not proven:
        headers.verify(head, fields + [_as_field(line) for line in content.head.split("\r\n")])
    data = head.encode() + content.body
    if len(data) > max_bytes:
        raise TooLarge(f"the message has {len(data):,} bytes; {max_bytes:,} is the most")
    bounces = standing.sender_address
    if letter.envelope_from is not None:
        bounces = headers.address(letter.envelope_from, "the bounce address", smtputf8=letter.smtputf8)
    utf8 = not head.isascii() or not bounces.isascii()
    return Message(bounces, recipient, data, letter.message_id, smtputf8=utf8, whole_lines=True)


@lru_cache(maxsize=256)
def _standing(
    from_name: str,
    from_address: str,
    list_id: str | None,
    auto_submitted: bool,
    extra: tuple[tuple[str, str], ...],
    smtputf8: bool,
) -> _Standing:
    sender = headers.address(from_address, "the sender's address", smtputf8=smtputf8)
    after: list[Field] = []
    if auto_submitted:
        after.append(headers.plain("Auto-Submitted", "auto-generated"))
    for name, value in extra:
        if _RESERVED.match(name):
            raise HeaderRefused(f"{name[:80]} is not a header to add")
        after.append(headers.plain(name, value))
    after.append(headers.plain("MIME-Version", "1.0"))
    first = headers.mailbox("From", from_name, sender)
    before = [headers.list_id(list_id)] if list_id else []
    fields = [first, *before, *after]
    headers.verify("\r\n".join(field.written for field in fields) + "\r\n\r\n", fields)
    return _Standing(
        sender,
        first._replace(proven=True),
        tuple(field._replace(proven=True) for field in before),
        tuple(field._replace(proven=True) for field in after),
        # Capitals, which a page holds few of, so that looking for them in it takes no time.
        base64.b32encode(hashlib.sha256(f"{sender}\0{list_id}".encode()).digest()).decode()[:24],
    )


def _own(letter: Letter) -> list[Field]:
    """What tells this letter from all others."""
    if letter.date.tzinfo is None:
        raise ValueError("the date of a letter needs its time zone")
    found = [
        _date(letter.date.replace(microsecond=0)),
        headers.message_ids("Message-ID", (letter.message_id,)),
    ]
    if letter.in_reply_to:
        found.append(headers.message_ids("In-Reply-To", (letter.in_reply_to,)))
    if letter.references:
        found.append(headers.message_ids("References", letter.references))
    found += [headers.plain(name, value) for name, value in letter.own]
    return found


@lru_cache(maxsize=16)  # many leave in one second
def _date(moment: datetime) -> Field:
    return headers.plain("Date", format_datetime(moment.astimezone(UTC)))._replace(proven=True)


_ONE_CLICK = headers.plain("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")._replace(proven=True)


def _unsubscribe(letter: Letter) -> list[Field]:
    links = [link for link in (letter.unsubscribe_url, letter.unsubscribe_mailto) if link]
    if not links:
        return []
    field = headers.addresses_in_brackets("List-Unsubscribe", links)
    return [field, _ONE_CLICK] if letter.unsubscribe_url else [field]


def _as_field(line: str) -> Field:
    name, _, value = line.partition(": ")
    return Field(name, line, value)
