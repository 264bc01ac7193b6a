"""What comes back about a mail, and what it says about the address: by enhanced status code. Pure.

Codes are those of RFC 3463 and the IANA registry "SMTP Enhanced Status Codes". A code says more than the words around
it; where it says nothing (x.0.0, or none), the words decide whether nobody lives there, and else it is held to pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What somebody tells of a mail of ours."""

    BOUNCE = "bounce"  # it will not be delivered (RFC 3464: failed)
    DELAY = "delay"  # it was not delivered yet (RFC 3464: delayed)
    COMPLAINT = "complaint"  # its reader called it unwanted (RFC 5965)


class Fault(StrEnum):
    """Whose a bounce is, and so what follows from it."""

    DEAD = "dead"  # nobody lives there: the address is suppressed
    SOFT = "soft"  # it may pass: suppressed after several
    POLICY = "policy"  # they do not want us, or this mail: it is about us, so nobody is suppressed
    CONTENT = "content"  # this message cannot be taken there: the next one may


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back about one mail, in our words, whatever way it came."""

    kind: Kind
    source: str  # how it came: dsn, arf, text; ses, sendgrid, mailgun, postmark
    recipient: str = ""  # as the report has it; may be another than we wrote to
    status: str = ""  # enhanced code: 5.1.1
    diagnostic: str = ""  # what the other side said, one line
    message_id: str = ""  # of the mail it is about, with its angle brackets
    tokens: tuple[str, ...] = ()  # what may be tokens of our return path
    event_id: str = ""  # by which a provider names this event; empty: the mail it is about does
    vouched: bool = False  # a provider's signature or password was right


#: As much of a diagnostic as is kept.
DIAGNOSTIC = 500

_FAULTS = {
    "1.1": Fault.DEAD,  # no such mailbox
    "1.2": Fault.DEAD,  # no such domain
    "1.3": Fault.DEAD,  # no address at all
    "1.6": Fault.DEAD,  # moved, and left nothing
    "1.7": Fault.POLICY,  # our sender's address
    "1.8": Fault.POLICY,  # our sender's domain
    "1.9": Fault.POLICY,  # the same
    "1.10": Fault.DEAD,  # the domain takes no mail (RFC 7505)
    "2.1": Fault.DEAD,  # disabled
    "2.2": Fault.SOFT,  # full
    "2.3": Fault.CONTENT,  # longer than this mailbox takes
    "3.3": Fault.CONTENT,  # not capable of what it needs
    "3.4": Fault.CONTENT,  # longer than that system takes
}
_BY_CLASS = {
    "1": Fault.SOFT,
    "2": Fault.SOFT,
    "3": Fault.SOFT,
    "4": Fault.SOFT,
    "6": Fault.CONTENT,  # of class 5, which is about the talk between relays, the words decide
}
_POLICY_CLASS = "7"

_CODE = re.compile(r"(?<![0-9.])([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.]*[0-9])")
_REPLY = re.compile(r"(?<![0-9.])([45][0-9]{2})(?=[ -])")
_NOBODY = re.compile(
    r"(?:user|recipient|mailbox|account|address)(?: \S{1,100}){0,3}?"
    r" (?:unknown|does(?: not|n't) exist|not found|invalid)"
    r"|(?:unknown|no such|invalid|nonexistent) (?:user|recipient|mailbox|address|account|local part)"
    r"|no mailbox here by that name|not our customer"
    r"|(?:account|mailbox) (?:has been |is )?(?:disabled|deleted|closed)|does(?: not|n't) have an? \S{1,100} account"
    r"|user (?:is )?unknown|relay recipient table",
    re.IGNORECASE,
)
#: Exchange Online refuses unknown recipients so when its edge knows the directory; its documentation of 5.4.1 says so.
_EDGE = re.compile(r"recipient address rejected: access denied", re.IGNORECASE)
_UNWANTED = re.compile(
    r"spam|black ?list|block ?list|dnsbl|\brbl\b|reputation|dmarc|\bspf\b|dkim|policy|unsolicited|authenticat",
    re.IGNORECASE,
)


def status_in(text: str) -> str:
    """The first enhanced code in a text; empty: none."""
    found = _CODE.search(text)
    return ".".join(str(int(part)) for part in found.groups()) if found else ""


def status_of(stated: str, diagnostic: str) -> str:
    """The code that says most: the one stated, unless it says nothing and the diagnostic has a better one."""
    first, second = status_in(stated), status_in(diagnostic)
    return second if second and (not first or first.endswith(".0.0")) else first


def fault(status: str, diagnostic: str = "") -> Fault:
    """Whose fault a mail's failing is; for a report that it failed, not that it waits."""
    family, _, detail = status.partition(".")
    subject = detail.partition(".")[0]
    if subject == _POLICY_CLASS:
        return Fault.POLICY
    if family == "4":  # given up after days of trying
        return Fault.SOFT
    if detail == "4.1" and _EDGE.search(diagnostic):
        return Fault.DEAD
    known = _FAULTS.get(detail)
    if known is not None:
        return known
    if subject in _BY_CLASS:
        return _BY_CLASS[subject]
    return _by_words(diagnostic)


def _by_words(diagnostic: str) -> Fault:
    reply = _REPLY.search(diagnostic)
    if reply is not None and reply[1].startswith("4"):
        return Fault.SOFT
    if _UNWANTED.search(diagnostic):
        return Fault.POLICY
    return Fault.DEAD if _NOBODY.search(diagnostic) else Fault.SOFT
