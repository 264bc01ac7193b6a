"""An SPF record, read (RFC 7208 §4.5, §4.6, §5, §6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from mailer.core.doctor.spf_macro import check_domain, check_text

_QUALIFIERS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)")
_LENGTH = r"0|[1-9]\d{0,2}"
_PLACE = re.compile(rf"(?::(?P<domain>.+?))?(?:/(?P<four>{_LENGTH}))?(?://(?P<six>{_LENGTH}))?")
_NETWORK = re.compile(rf"[0-9A-Fa-f:.]+(?:/(?:{_LENGTH}))?")
_BITS = (32, 128)

#: Mechanisms and modifiers that cost a look into the DNS (§4.6.4).
ASKING = frozenset({"include", "a", "mx", "ptr", "exists"})


@dataclass(frozen=True, slots=True)
class Mechanism:
    """Which addresses may send, or may not."""

    text: str  # as it stands there
    result: str  # pass, fail, softfail, neutral
    name: str
    domain: str | None = None  # None: the record's own
    network: IPv4Network | IPv6Network | None = None
    four: int = 32  # bits of an address that count
    six: int = 128


@dataclass(frozen=True, slots=True)
class Record:
    """A record without fault."""

    mechanisms: Sequence[Mechanism]
    redirect: str | None = None

    @property
    def all(self) -> Mechanism | None:
        """What becomes of everybody else."""
        return next((each for each in self.mechanisms if each.name == "all"), None)


def is_spf(text: str) -> bool:
    """Whether a TXT record is about SPF (§4.5)."""
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def parse(text: str) -> Record:
    """The record in a text that `is_spf`.

    Raises:
        ValueError: a term of it breaks the rules, and with it the whole record (§4.6).
    """
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, str] = {}
    for term in text.split(" ")[1:]:
        if not term:
            continue
        modifier = _MODIFIER.fullmatch(term)
        if modifier is None:
            mechanisms.append(_mechanism(term))
            continue
        name, value = modifier[1].lower(), modifier[2]
        if name not in ("redirect", "exp"):
            check_text(value)
        elif name in modifiers:
            raise ValueError(f"{name}= is there twice")
        else:
            check_domain(value)
            modifiers[name] = value
    return Record(tuple(mechanisms), modifiers.get("redirect"))


def _mechanism(term: str) -> Mechanism:
    result = _QUALIFIERS.get(term[0], "pass")
    bare = term[1:] if term[0] in _QUALIFIERS else term
    name = re.split("[:/]", bare, maxsplit=1)[0].lower()
    rest = bare[len(name) :]
    match name:
        case "all" if not rest:
            return Mechanism(term, result, name)
        case "include" | "exists" if len(rest) > 1 and rest[0] == ":":
            check_domain(rest[1:])
            return Mechanism(term, result, name, rest[1:])
        case "ptr" if not rest or (rest[0] == ":" and len(rest) > 1):
            if rest:
                check_domain(rest[1:])
            return Mechanism(term, result, name, rest[1:] or None)
        case "ip4" | "ip6" if rest.startswith(":"):
            return Mechanism(term, result, name, network=_network(term, name, rest[1:]))
        case "a" | "mx":
            return _place(term, result, name, rest)
    raise ValueError(f"{term!r} is not a mechanism of SPF")


def _place(term: str, result: str, name: str, rest: str) -> Mechanism:
    found = _PLACE.fullmatch(rest)
    if found is not None:
        four, six = int(found["four"] or _BITS[0]), int(found["six"] or _BITS[1])
        if four <= _BITS[0] and six <= _BITS[1]:
            if found["domain"] is not None:
                check_domain(found["domain"])
            return Mechanism(term, result, name, found["domain"], four=four, six=six)
    raise ValueError(f"{term!r} is not a mechanism of SPF")


def _network(term: str, name: str, text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text if _NETWORK.fullmatch(text) else "", strict=False)
    except ValueError:
        raise ValueError(f"{term!r} names no network") from None
    if network.version != int(name[2]):
        raise ValueError(f"{term!r} names a network of the other kind")
    return network
