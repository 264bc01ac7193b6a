"""Complaints, as mailbox providers send them on (RFC 5965)."""

from __future__ import annotations

from email.message import Message
from email.parser import HeaderParser
from email.policy import compat32

from mailer.inbound.parts import first, header, kids, text

REPORT = "message/feedback-report"

#: Kinds of feedback by which a reader says: no more of this. `not-spam` says the contrary, `auth-failure` (RFC 6591)
#: and `virus` are no reader's word.
_UNWANTED = ("abuse", "fraud", "opt-out", "opt-out-list", "other")


def complaint(message: Message) -> Message | None:
    """The fields of a complaint; None: it is none."""
    part = first(message, REPORT)
    if part is None:
        return None
    inner = next(iter(kids(part)), None)
    fields = (
        inner if inner is not None and inner.keys() else HeaderParser(policy=compat32).parsestr(text(part))
    )
    return fields if header(fields, "Feedback-Type").lower() in _UNWANTED else None


def is_feedback(message: Message) -> bool:
    """Whether it is feedback of any kind."""
    return first(message, REPORT) is not None
