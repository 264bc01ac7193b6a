"""Delivery status notifications: what a mail system says of a mail it could not deliver (RFC 3464, RFC 6533)."""

from __future__ import annotations

import re
from email.message import Message
from email.parser import HeaderParser
from email.policy import compat32

from mailer.core.bounce import DIAGNOSTIC, Kind, status_of
from mailer.inbound.parts import decoded, first, header, is_encoded, kids, text

STATUS = ("message/delivery-status", "message/global-delivery-status")
_KINDS = {"failed": Kind.BOUNCE, "delayed": Kind.DELAY}
_WORD = re.compile(r"[a-z]*")  # an action, without the remark some write behind it
_MOST = 20  # recipients of one report; ours has one


class Status:
    """What a report says of one recipient."""

    def __init__(self, fields: Message) -> None:
        action = _WORD.match(header(fields, "Action").lower())
        self.kind = _KINDS.get(action[0]) if action is not None else None
        self.recipient = _address(header(fields, "Original-Recipient") or header(fields, "Final-Recipient"))
        said = header(fields, "Diagnostic-Code")
        self.diagnostic = (said.partition(";")[2].strip() or said)[:DIAGNOSTIC]
        self.status = status_of(header(fields, "Status"), self.diagnostic)


def statuses(message: Message) -> list[Status] | None:
    """What a report says of each recipient; None: it is no report of this kind."""
    part = first(message, *STATUS)
    if part is None:
        return None
    blocks = _blocks(decoded(part)) if is_encoded(part) else kids(part) or _blocks(text(part))
    if len(blocks) == 1:  # what the standard library did not take apart
        blocks += _blocks(str(blocks[0].get_payload()))
    return [status for status in map(Status, blocks[:_MOST]) if status.kind is not None]


def _blocks(said: str) -> list[Message]:
    parser = HeaderParser(policy=compat32)
    lines = said.replace("\r\n", "\n")
    return [parser.parsestr(block.lstrip("\n")) for block in lines.split("\n\n")[:_MOST] if block.strip()]


def _address(said: str) -> str:
    """`rfc822; name@domain` without its kind."""
    return said.rpartition(";")[2].strip().strip("<>")
