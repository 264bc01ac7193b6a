"""A message from its rendered parts to the bytes a relay is given. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias


@dataclass(slots=True)  # not frozen, as Letter is not
class Message:
    """RFC 5322 bytes and the envelope they travel in (RFC 5321 §2.3.1): one recipient each."""

    mail_from: str  # addr-spec; empty: the null sender, <>
    rcpt_to: str
    data: bytes = field(repr=False)  # CRLF line endings, the last line's too; not yet dot-stuffed
    message_id: str  # with its angle brackets; the same on every attempt
    smtputf8: bool = False  # an address needs RFC 6531
    whole_lines: bool = False  # whether `data` surely has no CR or LF but in a CRLF, and ends in one


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that travels inside the message (RFC 2392)."""

    name: str
    media_type: str
    data: bytes


@dataclass(slots=True)  # not frozen, as Letter is not
class Rendered:
    """A template filled in for one customer, before any header is made."""

    subject: str
    text: str
    html: str | None = None  # letters beyond ASCII may stand as character references
    locale: str = ""  # BCP 47, of the body that was chosen
    images: Mapping[str, Image] = field(default_factory=dict)  # by Content-ID, without angle brackets
    exact: bool = False  # a character reference says the same as any letter of the HTML that is not ASCII


def length(rendered: Rendered) -> int:
    """About how many octets its message will have."""
    pictures = sum(len(image.data) for image in rendered.images.values()) if rendered.images else 0
    return len(rendered.text) + len(rendered.html or "") + pictures


@dataclass(slots=True)  # not frozen: one is made for every mail, and that would take six times as long
class Letter:
    """Everything about a message that does not come from its template."""

    from_name: str
    from_address: str
    to_name: str
    to_address: str
    message_id: str  # `<left@right>`
    date: datetime  # aware
    list_id: str | None = None  # `label.domain`, or `Name <label.domain>` (RFC 2919)
    unsubscribe_url: str | None = None  # one-click, RFC 8058
    unsubscribe_mailto: str | None = None  # `mailto:…`, RFC 2369
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    auto_submitted: bool = False  # RFC 3834
    headers: Mapping[str, str] = field(default_factory=dict)  # such as Feedback-ID
    smtputf8: bool = False  # whether the relay can carry a non-ASCII local part
    own: tuple[tuple[str, str], ...] = ()  # headers no other letter has alike, as a provider wants them
    envelope_from: str | None = None  # where bounces go; None: from_address


#: What a template says to one customer, and all else that its message needs.
Draft: TypeAlias = tuple[Rendered, Letter]
