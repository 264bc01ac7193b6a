"""A message: what leaves for the relay, made from a delivery at send time."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Message:
    """RFC 5322 bytes and the envelope they travel in (RFC 5321 §2.3.1): one recipient each."""

    mail_from: str  # addr-spec; empty: the null sender, <>
    rcpt_to: str
    data: bytes = field(repr=False)  # CRLF line endings, not yet dot-stuffed
    message_id: str  # with its angle brackets; the same on every attempt
    smtputf8: bool = False  # an address needs RFC 6531
