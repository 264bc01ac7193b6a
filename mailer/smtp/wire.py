"""A message as it goes over the wire: dot-stuffed data and the commands of its envelope."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mailer.core.message import Message
from mailer.errors import NotRepresentable, TooLarge

_ODD = re.compile(rb"\n(?:\.|(?<!\r\n))")  # a line that begins with a dot, or a bare LF
_ENDING = re.compile(rb"\r\n|\r|\n")
_SIZE = re.compile(r"[0-9]{1,19}")  # RFC 1870 §4 allows twenty digits; who needs more sets no limit
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
# No space, bracket or quote may stand bare in a path: it would end it, and the rest be read as a parameter.
_ADDRESS = re.compile(rf'(?:{_QUOTED}|[^\s<>"@]+)@[^\s<>"@]+')


def stuffed(data: bytes, *, whole_lines: bool = False) -> bytes:
    """The data with CRLF endings, transparent dots and the final dot (RFC 5321 §4.5.2).

    A bare CR or LF becomes CRLF before dots are doubled: relays differ on what ends a line, and a
    dot between two different opinions starts a second message (SMTP smuggling). With `whole_lines` it is known that
    there is none, and not looked for.
    """
    if whole_lines:
        data = data.replace(b"\r\n.", b"\r\n..") + b".\r\n"
        return b"." + data if data[:1] == b"." else data
    # As nearly all data comes: nothing to change. With every LF behind a CR, as many CRs as LFs means no bare one.
    # (Found by the removal of single bytes, which takes half as long as counting them.)
    if (
        data.endswith(b"\r\n")
        and not data.startswith(b".")
        and _ODD.search(data) is None
        and len(data.replace(b"\r", b"")) == len(data.replace(b"\n", b""))
    ):
        return data + b".\r\n"
    endings = data.count(b"\r\n")
    if data.count(b"\n") != endings or data.count(b"\r") != endings:
        data = _ENDING.sub(b"\r\n", data)
    if data and not data.endswith(b"\r\n"):
        data += b"\r\n"
    if data.startswith(b"."):
        data = b"." + data
    return data.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def envelope(message: Message, extensions: Mapping[str, str]) -> tuple[bytes, bytes]:
    """The MAIL and RCPT commands for a relay that offers `extensions` (lower case → parameters).

    Raises:
        NotRepresentable: this relay cannot carry the addresses or the data.
        TooLarge: the message exceeds the relay's SIZE (RFC 1870).
    """
    utf8 = message.smtputf8
    if utf8 and "smtputf8" not in extensions:
        raise NotRepresentable(f"the relay cannot carry {message.rcpt_to}: it does not offer SMTPUTF8")
    mail = f"MAIL FROM:{_path(message.mail_from, utf8=utf8) if message.mail_from else '<>'}"
    rcpt = f"RCPT TO:{_path(message.rcpt_to, utf8=utf8)}"
    if "size" in extensions:
        _fits(len(message.data), extensions["size"])
        mail += f" SIZE={len(message.data)}"
    if not message.data.isascii():
        if "8bitmime" not in extensions:
            raise NotRepresentable("the message holds 8-bit data and the relay does not offer 8BITMIME")
        mail += " BODY=8BITMIME"
    if utf8:
        mail += " SMTPUTF8"
    return mail.encode(), rcpt.encode()


def _path(address: str, *, utf8: bool) -> str:
    if _CONTROL.search(address) or _ADDRESS.fullmatch(address) is None:
        raise NotRepresentable(f"{address!r} cannot be written in an SMTP command")
    if not (utf8 or address.isascii()):
        raise NotRepresentable(f"{address} needs SMTPUTF8")
    return f"<{address}>"


def _fits(size: int, limit: str) -> None:
    if _SIZE.fullmatch(limit) and 0 < int(limit) < size:
        raise TooLarge(f"the message has {size} bytes; the relay takes {int(limit)}")
