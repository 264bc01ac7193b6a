"""DMARC records, and whose domain is whose (RFC 7489, and RFC 9989 which follows it).

Which names belong to one organisation is found without a list of public suffixes: the shortest name on the way up
that has a DMARC record of its own is the organisation's (RFC 9989 §4.10). A name that lies below another needs no
such look: nobody sends mail from `com.tr`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mailer.core.doctor import tags
from mailer.core.doctor.dns import Answer, Book, Question, Status, is_below, parents

_POLICIES = ("none", "quarantine", "reject")
_MOST_LABELS = 8
_ALL = 100


@dataclass(frozen=True, slots=True)
class Policy:
    """What a domain asks of receivers."""

    p: str
    sp: str
    strict_dkim: bool = False
    strict_spf: bool = False
    percent: int = _ALL
    reports: tuple[str, ...] = ()  # rua
    testing: bool = False  # t=y (RFC 9989 §4.7)
    suffix: bool = False  # psd=y: the name above many organisations
    bare: bool = False  # p= is missing: taken for none


@dataclass(frozen=True, slots=True)
class Published:
    """Where a policy was found."""

    name: str  # the domain, without `_dmarc.`
    text: str


def is_dmarc(text: str) -> bool:
    """Whether a TXT record is about DMARC."""
    version, _, _rest = text.partition(";")
    name, _, value = version.partition("=")
    return name.strip() == "v" and value.strip() == "DMARC1"


def parse(text: str) -> Policy:
    """A record.

    Raises:
        ValueError: receivers could not use it.
    """
    found = tags.read(text)
    p = found.get("p", "none").lower()
    sp = found.get("sp", p).lower()
    for tag, value in (("p", p), ("sp", sp)):
        if value not in _POLICIES:
            raise ValueError(f"{tag}={value} is none of none, quarantine and reject")
    for tag in ("adkim", "aspf"):
        if found.get(tag, "r").lower() not in ("r", "s"):
            raise ValueError(f"{tag}={found[tag]} is neither r nor s")
    percent = found.get("pct", str(_ALL))
    if not percent.isdecimal() or int(percent) > _ALL:
        raise ValueError(f"pct={percent} is no number from 0 to {_ALL}")
    return Policy(
        p,
        sp,
        strict_dkim=found.get("adkim", "r").lower() == "s",
        strict_spf=found.get("aspf", "r").lower() == "s",
        percent=int(percent),
        reports=tuple(part.strip() for part in found.get("rua", "").split(",") if part.strip()),
        testing=found.get("t", "n").lower() == "y",
        suffix=found.get("psd", "u").lower() == "y",
        bare="p" not in found,
    )


def records(answer: Answer) -> list[str]:
    """The DMARC records among a name's TXT records."""
    return [each for each in answer.values if is_dmarc(each)]


def walk(book: Book, domain: str) -> tuple[Published | None, str, Status | None]:
    """The record that counts for a domain; the organisation's domain; and what kept us from seeing all of it.

    Raises:
        Wanted: answers are missing.
    """
    names = parents(domain)
    if len(names) > _MOST_LABELS:
        names = [names[0], *names[-(_MOST_LABELS - 1) :]]
    answers = book.all([Question.of(f"_dmarc.{name}", "TXT") for name in names])
    found: list[Published] = []
    organisation, trouble = domain, None
    for at, (name, answer) in enumerate(zip(names, answers, strict=True)):
        # Above the organisation nobody's silence matters to us.
        trouble = trouble or (answer.status if not answer.known and not found else None)
        if len(texts := records(answer)) != 1:
            continue  # of several, receivers take none (RFC 7489 §6.6.3)
        if _suffix(texts[0]):
            organisation = names[at - 1] if at else name
            break
        found.append(Published(name, texts[0]))
        organisation = name
    own = next((each for each in found if each.name == domain), None)
    return own or (found[-1] if found else None), organisation, trouble


def _suffix(text: str) -> bool:
    try:
        return parse(text).suffix
    except ValueError:
        return False


def aligned(one: str, other: str, organisation: str, *, strict: bool) -> Literal["yes", "no", "perhaps"]:
    """Whether receivers take a domain for the From domain's; `organisation` is that of the From domain (`other`)."""
    if one == other:
        return "yes"
    if strict:
        return "no"
    if is_below(one, other) or is_below(other, one) or is_below(one, organisation):
        return "yes"
    # Beside each other below a name without a record: those with a list of public suffixes may see it.
    common = next((name for name in parents(one) if is_below(other, name)), "")
    return "perhaps" if "." in common else "no"
