"""Who asked for a tracked link or picture: a person, a machine, or nobody can tell. Pure.

Machines follow the links of mails before people do: gateways look for harm, providers load pictures ahead of time. What
they do is kept beside what people do and never counted as such. Most say who they are, or come from networks one can
name. The rest is told by its haste: nobody opens two links of a mail within two seconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from mailer.core.event import By, EventKind

#: So many different links of one mail within so many seconds are more than a person follows.
HASTE = ((2, 2.0), (3, 3.0))
#: Seconds after which nothing that is yet to come can change what was decided.
WINDOW = max(seconds for _count, seconds in HASTE)

#: A link of a mail that leads to a page of ours: kept for the haste it may show, booked nowhere.
LOOKED = "looked"

#: Apple's own network, which Mail Privacy Protection and its scanners come from.
APPLE = ("17.0.0.0/8",)

_BARE = "Mozilla/5.0"  # all that Apple's Mail Privacy Protection says of itself
_PROXIES = re.compile(r"GoogleImageProxy|YahooMailProxy|ggpht\.com", re.IGNORECASE)
# Gateways that a list of web crawlers does not know.
_GATEWAYS = re.compile(
    r"barracuda|proofpoint|mimecast|symantec|messagelabs|trendmicro|forcepoint|cisco ironport|sophos|fireeye|"
    r"safelinks|avanan|mailguard|spamtitan|bitdefender|urldefense|zscaler|headless",
    re.IGNORECASE,
)
# Every browser names its system in brackets, and so do mail programs that draw pictures themselves.
_BROWSER = re.compile(r"Mozilla/\d\.\d \([^()]*\b.*\)|Microsoft (?:Office|Outlook)/|Outlook-(?:iOS|Android)/")


class Why(StrEnum):
    """By what a machine was known."""

    NETWORK = "network"
    HEAD = "head"  # asked for the head alone, which no browser does
    PREFETCH = "prefetch"  # it says that nobody looks yet
    PROXY = "proxy"  # a provider's picture proxy, or Apple's
    AGENT = "agent"  # the name it gives itself
    HASTE = "haste"


@dataclass(frozen=True, slots=True)
class Hit:
    """One request for a tracked link or picture, as it was noted."""

    id: str
    kind: str  # EventKind.CLICKED, EventKind.OPENED, LOOKED
    delivery_id: int
    at: datetime
    seen: float  # seconds of the machine's own clock, for haste alone
    url: str = ""  # where the link leads
    agent: str = ""  # as the program names itself
    sign: str = ""  # a Why that was known at once


@dataclass(frozen=True, slots=True)
class Judged:
    """Who it was, and for machines by what that was known."""

    by: By
    why: Why | None = None


def judge(hit: Hit, is_crawler: Callable[[str], bool], hasty: Iterable[str] = ()) -> Judged:
    """Whose request it was.

    Args:
        hit: the request.
        is_crawler: whether a program of that name is a known one that acts by itself.
        hasty: the ids of requests that came too fast; see `in_haste`.
    """
    if hit.sign:
        return Judged(By.MACHINE, Why(hit.sign))
    named = _by_name(hit.agent, hit.kind == EventKind.OPENED)
    if named.by is By.MACHINE:
        return named
    if is_crawler(hit.agent):
        return Judged(By.MACHINE, Why.AGENT)
    return Judged(By.MACHINE, Why.HASTE) if hit.id in hasty else named


@lru_cache(8_192)  # few names are seen again and again
def _by_name(agent: str, opened: bool) -> Judged:
    """What a program's name says, as far as it is no crawler's."""
    if _PROXIES.search(agent) or (opened and agent == _BARE):
        return Judged(By.MACHINE, Why.PROXY)
    if _GATEWAYS.search(agent):
        return Judged(By.MACHINE, Why.AGENT)
    return Judged(By.HUMAN if _BROWSER.match(agent) else By.UNKNOWN)


def sign_of(method: str, purpose: str, *, of_a_machine: bool) -> str:
    """What gives a machine away at once; empty: nothing.

    Args:
        method: of the request.
        purpose: its fields Sec-Purpose, Purpose and X-Moz, whatever is there of them.
        of_a_machine: it came from a network of machines.
    """
    if of_a_machine:
        return Why.NETWORK
    if method == "HEAD":
        return Why.HEAD
    return Why.PREFETCH if "prefetch" in purpose.lower() or "preview" in purpose.lower() else ""


def in_haste(hits: Iterable[Hit]) -> set[str]:
    """The ids of the clicks and looks that belong to a rush over the links of one mail."""
    by_mail: dict[int, list[Hit]] = {}
    for hit in hits:
        if hit.kind != EventKind.OPENED:
            by_mail.setdefault(hit.delivery_id, []).append(hit)
    found: set[str] = set()
    for mail in by_mail.values():
        if len(mail) > 1 and len({_what(hit) for hit in mail}) > 1:
            mail.sort(key=lambda hit: hit.seen)
            for count, seconds in HASTE:
                found |= _rush(mail, count, seconds)
    return found


def _what(hit: Hit) -> tuple[str, bool]:
    """What was asked for. The head of a link and the link are two, and who asks for both is a gateway."""
    return hit.url, hit.sign == Why.HEAD


def _rush(mail: list[Hit], count: int, seconds: float) -> set[str]:
    """One walk with a window: whoever asks for one link ten thousand times costs ten thousand steps."""
    found: set[str] = set()
    inside: dict[tuple[str, bool], int] = {}  # links in the window, and how often
    begin = told = 0
    for end, last in enumerate(mail):
        inside[_what(last)] = inside.get(_what(last), 0) + 1
        while last.seen - mail[begin].seen > seconds:
            gone = _what(mail[begin])
            inside[gone] -= 1
            if not inside[gone]:
                del inside[gone]
            begin += 1
        if len(inside) >= count:
            told = max(told, begin)
            found.update(each.id for each in mail[told : end + 1])
            told = end + 1
    return found
