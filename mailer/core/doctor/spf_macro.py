"""Domains in SPF records, which may hold macros: whether they are well-formed, what they stand for (RFC 7208 §7)."""

from __future__ import annotations

import re

_MACRO = re.compile(r"%(?:([%_-])|\{([A-Za-z])((?:0{0,3}[1-9]\d{0,3})?)(r?)([.\-+,/_=]*)\})", re.IGNORECASE)
_PLAIN = re.compile(r"[!-$&-~]*")
_LABEL = r"(?=[A-Za-z0-9-]*[A-Za-z-])[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"  # not in numbers alone
_ENDING = re.compile(rf".*(?:%[%_-]|\}}|\.{_LABEL}\.?)", re.DOTALL)
_KNOWN, _EXPLAINING = "slodiphv", "crt"
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_MOST = 253  # octets of a name (§7.3)
_DOTS = 3  # of an IPv4 address


def check_text(text: str) -> None:
    """See that a text can be expanded.

    Raises:
        ValueError: it holds a macro that there is not, or what may not stand in a record.
    """
    for found in _MACRO.finditer(text):
        if found[2] and found[2].lower() not in _KNOWN + _EXPLAINING:
            raise ValueError(f"{found[0]} is no macro of SPF")
    if not _PLAIN.fullmatch(_MACRO.sub("", text)):
        raise ValueError(f"{text!r} is not well-formed")


def check_domain(text: str) -> None:
    """See that a text names a domain, once it is expanded (§7.1).

    Raises:
        ValueError: it does not, such as `museum`, `1.2.3.4` or `shop.example:25`.
    """
    check_text(text)
    if any(found[2] and found[2].lower() in _EXPLAINING for found in _MACRO.finditer(text)):
        raise ValueError(f"{text!r} has a macro that belongs into explanations")
    if not _ENDING.fullmatch(text):
        raise ValueError(f"{text!r} is no domain")


def expand(text: str, *, domain: str, sender: str, ip: str) -> str:
    """A domain with its macros replaced; `ip` as dotted numbers, IPv6 in nibbles.

    The name of the address (`p`) is `unknown`, as receivers should have it, and HELO's (`h`) that of the domain.
    """
    local, _, sender_domain = sender.rpartition("@")
    version = "ip6" if ip.count(".") > _DOTS else "in-addr"
    values = {
        "s": sender, "l": local, "o": sender_domain, "d": domain, "i": ip, "p": "unknown", "h": domain, "v": version,
    }  # fmt: skip

    def one(found: re.Match[str]) -> str:
        if found[1]:
            return {"%": "%", "_": " ", "-": "%20"}[found[1]]
        parts = re.split(f"[{re.escape(found[5] or '.')}]", values[found[2].lower()])
        if found[4]:
            parts.reverse()
        made = ".".join(parts[-int(found[3]) :] if found[3] else parts)
        return _escaped(made) if found[2].isupper() else made

    made = _MACRO.sub(one, text)
    while len(made) > _MOST and "." in made:
        made = made.partition(".")[2]
    return made


def _escaped(text: str) -> str:
    """As a part of a URL."""
    return "".join(
        letter if _UNRESERVED.fullmatch(letter) else "".join(f"%{octet:02X}" for octet in letter.encode())
        for letter in text
    )
