"""DKIM key records (RFC 6376 §3.6.1, RFC 8463 §4), read."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mailer.core.doctor import tags

ED25519 = 32  # octets of a key
_SEQUENCE, _INTEGER, _BITS = 0x30, 0x02, 0x03
_LONG = 0x80


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A record without fault. `public` is empty where the key was taken back."""

    kind: str  # rsa, ed25519, or what else it says
    public: bytes  # RSA: the modulus, however the key is wrapped up
    bits: int
    flags: Sequence[str]  # t=
    hashes: Sequence[str]  # h=; empty: all
    services: Sequence[str]  # s=


def parse(text: str) -> KeyRecord:
    """A key record.

    Raises:
        ValueError: it is none that receivers could use.
    """
    found = tags.read(text)
    if found.get("v", "DKIM1") != "DKIM1":
        raise ValueError(f"it says v={found['v']}, which is not DKIM1")
    if "v" in found and next(iter(found)) != "v":
        raise ValueError("v=DKIM1 has to be its first tag")
    if "p" not in found:
        raise ValueError("it has no key (p=)")
    kind, public = found.get("k", "rsa").lower(), "".join(found["p"].split())
    try:
        key = base64.b64decode(public, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(
            "its key (p=) is not base64; a blank or a quote may have got into it, or its end be missing"
        ) from None
    return KeyRecord(
        kind,
        material := _material(kind, key),
        int.from_bytes(material, "big").bit_length() if kind == "rsa" else len(material) * 8,
        _several(found.get("t", "")),
        _several(found.get("h", "")),
        _several(found.get("s", "*")),
    )


def _several(text: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in text.split(":") if part.strip())


def _material(kind: str, key: bytes) -> bytes:
    """What makes it this key and no other.

    Raises:
        ValueError: it is no key of its kind.
    """
    if not key:
        return b""
    if kind == "rsa":
        try:
            return _modulus(key)
        except (IndexError, StopIteration, ValueError):
            raise ValueError("its key (p=) is no RSA key; its end may be missing") from None
    if kind == "ed25519" and len(key) != ED25519:
        raise ValueError(f"its key (p=) is no Ed25519 key: it has {len(key)} octets, not {ED25519}")
    return key


def _modulus(der: bytes) -> bytes:
    """The modulus of an RSA key, bare (RFC 8017 §A.1.1) or as SubjectPublicKeyInfo (RFC 5280 §4.1)."""
    [(kind, inside)] = list(_parts(der))
    first, content = next(parts := _parts(inside))
    if kind == _SEQUENCE and first == _SEQUENCE:  # the algorithm; the key follows as a bit string
        second, bits = next(parts)
        if second != _BITS:
            raise IndexError
        return _modulus(bits[1:])
    if kind != _SEQUENCE or first != _INTEGER:
        raise IndexError
    return content.lstrip(b"\0")


def _parts(der: bytes) -> Iterator[tuple[int, bytes]]:
    """What stands one after the other in some DER (X.690)."""
    at = 0
    while at < len(der):
        kind, length, at = der[at], der[at + 1], at + 2
        if length & _LONG:
            octets = length ^ _LONG
            length, at = int.from_bytes(der[at : at + octets], "big"), at + octets
        if at + length > len(der):
            raise IndexError
        yield kind, der[at : at + length]
        at += length
