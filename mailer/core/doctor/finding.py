"""What an examination finds: one verdict on one thing, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a thing stands."""

    OK = "ok"
    WARN = "warn"  # mails go out, but a person should look
    FAULT = "fault"  # mails are refused, or land among the spam
    UNKNOWN = "unknown"  # it cannot be seen from here


class Area(StrEnum):
    """What a finding is about, in the order people read them."""

    MACHINE = "This machine"
    RELAY = "Relay"
    SPF = "SPF"
    DKIM = "DKIM"
    DMARC = "DMARC"
    REVERSE = "Reverse DNS"
    RETURNS = "Return path"
    UNSUBSCRIBE = "Unsubscribing"
    SENDER = "Sender"
    GMAIL = "Gmail's rules"
    YAHOO = "Yahoo's rules"
    OUTLOOK = "Outlook's rules"

    @property
    def is_checklist(self) -> bool:
        """Whether it repeats, by a provider's rules, what others found."""
        return self in (Area.GMAIL, Area.YAHOO, Area.OUTLOOK)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule is written down."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of an examination."""

    area: Area
    check: str  # its name for programs, such as `spf.record`
    verdict: Verdict
    what: str  # one sentence
    where: str = ""  # a record, a file, a setting
    todo: str = ""  # what to do; empty where nothing is
    paste: tuple[str, ...] = ()  # DNS records as lines of a zone file, ready to publish
    source: Source | None = None


def rfc(number: int, section: str = "") -> Source:
    """A section of an RFC."""
    anchor = f"#section-{section}" if section else ""
    name = f"RFC {number}" + (f" §{section}" if section else "")
    return Source(name, f"https://www.rfc-editor.org/rfc/rfc{number}{anchor}")


#: What to do where a nameserver did not answer.
AGAIN = "Run mailer doctor again, or name another --nameserver."

_GRAVITY = (Verdict.OK, Verdict.WARN, Verdict.UNKNOWN, Verdict.FAULT)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The gravest of several; of none, `unknown`. What cannot be seen weighs more than what should be looked at."""
    return max(verdicts, key=_GRAVITY.index, default=Verdict.UNKNOWN)


def to_look_at(verdicts: Iterable[Verdict]) -> bool:
    """Whether there is something to look at; what cannot be seen from here is nothing to look at, here."""
    return any(verdict in (Verdict.WARN, Verdict.FAULT) for verdict in verdicts)


_STRING = 255  # octets of one string of a TXT record (RFC 1035 §3.3)


def txt(name: str, text: str) -> str:
    """A TXT record as a line of a zone file, cut into strings where it has to be."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    pieces = [text[at : at + _STRING] for at in range(0, len(text), _STRING)] or [""]
    return f"{name}. IN TXT " + " ".join(f'"{piece}"' for piece in pieces)
