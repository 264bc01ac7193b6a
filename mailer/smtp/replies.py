"""What the relay says, read within bounds, and what follows from it for one message."""

from __future__ import annotations

import re
import unicodedata

from mailer.core.delivery import Accepted, InDoubt, Outcome, Phase, Refused, Reply, TryLater
from mailer.smtp.collector import Raw

#: RFC 5321 §4.2.1: the first digit says how it went.
_DONE, _GO_ON, _LATER, _NEVER = 2, 3, 4, 5

START_INPUT = 354
CLOSING = 421
SIZE_EXCEEDED = 552  # RFC 1870 §6.1, at MAIL

#: RFC 4954 §6 and RFC 3207 §4: the relay wants a login or TLS first. Our trouble, not the recipient's.
_LOGIN_WANTED = frozenset({530, 534, 535, 538})
_RECIPIENT_PHASES = frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY, Phase.DOT})

_TEXT_LIMIT = 512
_BYTES = 16 * _TEXT_LIMIT
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?=\s|$)\s*")


def read(code: int, text: str) -> Reply:
    """A reply as we keep it: the enhanced code apart (RFC 3463 §2), the text one printable, bounded line."""
    enhanced = ""
    lines = []
    for line in text[: 4 * _TEXT_LIMIT].split("\n"):
        found = _ENHANCED.match(line)
        if found is not None and found[1][0] == str(code)[0]:
            enhanced = enhanced or found[1]
            lines.append(line[found.end() :])
        else:
            lines.append(line)
    return Reply(code, clean(" ".join(lines)), enhanced)


def parsed(raw: Raw) -> Reply:
    """A collected reply as we keep it."""
    code, text = raw
    return read(code, text[:_BYTES].decode("utf-8", "surrogateescape"))


def kind(raw: Raw) -> int:
    """The first digit of a collected reply."""
    return raw[0] // 100


def clean(text: str) -> str:
    """Text of a stranger made fit to store and to show: no controls, direction marks or lone surrogates."""
    printable = text
    if not (text.isascii() and text.isprintable()):
        printable = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text)
    line = " ".join(printable.split())
    return line if len(line) <= _TEXT_LIMIT else line[: _TEXT_LIMIT - 1] + "…"


def well_formed(code: int) -> bool:
    """Whether `code` can be a final reply at all (RFC 5321 §4.2)."""
    return code // 100 in (_DONE, _GO_ON, _LATER, _NEVER)


def done(reply: Reply) -> bool:
    """2yz: the step succeeded. Any of them: 251 to the final dot is an acceptance too."""
    return reply.code // 100 == _DONE


def verdict(phase: Phase, reply: Reply) -> Outcome:
    """What a reply that ends a message's attempt means.

    4yz may pass and 5yz will not; a 5yz before MAIL concerns the relay and us, never the recipient, so it
    may pass too. Anything else to the final dot leaves the message in doubt; earlier, the relay has nothing.
    """
    if reply.code in _LOGIN_WANTED:
        detail = "the relay wants a login or TLS first; look at relay.username, relay.password and relay.tls"
        return TryLater(Phase.AUTH, reply, detail)
    kind = reply.code // 100
    if kind == _LATER:
        return TryLater(phase, reply)
    if kind == _NEVER:
        return Refused(phase, reply) if phase in _RECIPIENT_PHASES else TryLater(phase, reply)
    if phase is Phase.DOT:
        return Accepted(reply) if kind == _DONE else InDoubt(f"the final dot was answered with {reply}")
    return TryLater(phase, reply, "the relay answered out of turn")
