"""Bounces in words only, from mail systems older than RFC 3464, and answers of people who are away."""

from __future__ import annotations

import logging
import re
from email.message import Message

from flufl.bounce import all_failures

from mailer.core.bounce import DIAGNOSTIC, Kind, status_in
from mailer.inbound.parts import header, line, text, within

_SYSTEMS = re.compile(r"^<?(?:mailer-daemon|postmaster|mail-daemon|mdaemon|mmdf)@", re.IGNORECASE)
_AWAY = ("X-Autoreply", "X-Autorespond", "X-Autorespond-To", "X-Auto-Reply-From", "X-Vacation")
_REPLY = re.compile(r"^.*(?<![0-9.])(?:[45][0-9]{2}[ -]|[45]\.[0-9]{1,3}\.[0-9]{1,3}).*$", re.MULTILINE)
_MOST_TEXT = 20_000
# Each of its readers that cannot read something would show where in itself, to whoever watches.
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)


def is_auto_reply(message: Message) -> bool:
    """Whether a program answers for somebody (RFC 3834 §5.1, and what older programs write instead).

    Mail systems mark their reports so too: this is asked of what is no report by its type.
    """
    said = header(message, "Auto-Submitted").lower()
    if said.startswith(("auto-generated", "auto-replied", "auto-notified")) and not _from_system(message):
        return True
    if header(message, "Precedence").lower() in {"auto_reply", "auto-reply"}:
        return True
    return any(name in message for name in _AWAY)


def _from_system(message: Message) -> bool:
    if "X-Failed-Recipients" in message:
        return True
    sender = header(message, "From")
    return bool(_SYSTEMS.match(sender.rpartition("<")[2]))


def failed(message: Message) -> tuple[Kind, str, str, str] | None:
    """What a bounce in words says: kind, recipient, enhanced code, diagnostic; None: it is none.

    Only what comes from a mail system itself is read so: people quote bounces at one another.
    """
    if not _from_system(message) or is_auto_reply(message):
        return None
    try:
        waiting, lost = all_failures(message)
    except Exception:  # noqa: BLE001 - seventeen readers of other people's formats, on input of anybody's
        return None
    recipients = sorted(lost or waiting)
    if not recipients:
        return None
    words = "\n".join(text(part) for part in within(message) if part.get_content_maintype() == "text")
    found = _REPLY.search(words[:_MOST_TEXT])
    diagnostic = line(found[0])[:DIAGNOSTIC] if found else ""
    kind = Kind.BOUNCE if lost else Kind.DELAY
    name = recipients[0].decode("ascii", "replace")
    return kind, name, status_in(diagnostic), diagnostic or line(words[:DIAGNOSTIC])
