"""An SPF record, read (RFC 7208 §4.5, §4.6, §5, §6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

_QUALIFIERS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)")
_PLACE = re.compile(r"(?::(?P<domain>[^/]+))?(?:/(?P<four>\d{1,2}))?(?://(?P<six>\d{1,3}))?")
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
    redirects: list[str] = []
    for term in text.split(" ")[1:]:
        if not term:
            continue
        modifier = _MODIFIER.fullmatch(term)
        if modifier is None:
            mechanisms.append(_mechanism(term))
        elif modifier[1].lower() == "redirect":
            redirects.append(modifier[2])
    if len(redirects) > 1:
        raise ValueError("redirect= is there twice")
    if redirects and not redirects[0]:
        raise ValueError("redirect= names no domain")
    return Record(tuple(mechanisms), redirects[0] if redirects else None)


def _mechanism(term: str) -> Mechanism:
    result = _QUALIFIERS.get(term[0], "pass")
    bare = term[1:] if term[0] in _QUALIFIERS else term
    name = re.split("[:/]", bare, maxsplit=1)[0].lower()
    rest = bare[len(name) :]
    match name:
        case "all" if not rest:
            return Mechanism(term, result, name)
        case "include" | "exists" if len(rest) > 1 and rest[0] == ":":
            return Mechanism(term, result, name, rest[1:])
        case "ptr" if not rest or (rest[0] == ":" and len(rest) > 1):
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
            return Mechanism(term, result, name, found["domain"], four=four, six=six)
    raise ValueError(f"{term!r} is not a mechanism of SPF")


def _network(term: str, name: str, text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{term!r} names no network") from None
    if network.version != int(name[2]):
        raise ValueError(f"{term!r} names a network of the other kind")
    return network


_MACRO = re.compile(r"%(?:([%_-])|\{([slodiphcrtv])(\d*)(r?)([.\-+,/_=]*)\})", re.IGNORECASE)


def expand(text: str, *, domain: str, sender: str, ip: str) -> str:
    """A domain with its macros replaced (§7); `ip` as dotted numbers, IPv6 in nibbles.

    Raises:
        ValueError: it has a macro that there is not.
    """
    local, _, sender_domain = sender.rpartition("@")
    values = {
        "s": sender, "l": local, "o": sender_domain, "d": domain, "i": ip, "p": "unknown", "h": domain,
        "v": "ip6" if ip.count(".") > 3 else "in-addr",  # noqa: PLR2004 - dots of an IPv4 address
    }  # fmt: skip

    def one(found: re.Match[str]) -> str:
        if found[1]:
            return {"%": "%", "_": " ", "-": "%20"}[found[1]]
        value = values.get(found[2].lower(), "")
        parts = re.split(f"[{re.escape(found[5] or '.')}]", value)
        if found[4]:
            parts.reverse()
        return ".".join(parts[-int(found[3]) :] if found[3] else parts)

    made = _MACRO.sub(one, text)
    if "%" in _MACRO.sub("", text):
        raise ValueError(f"{text!r} has a macro that SPF does not know")
    return made
