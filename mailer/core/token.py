"""Signed tokens in links: purpose-bound, self-contained, never stored.

A token is `payload.key.signature`, all URL-safe: compact JSON in base64url, the id of the signing key, and an
HMAC-SHA256 over both under a key derived for the purpose. A token for one purpose is worthless for another. Keys of the
past are believed as long as they are given, so a new one can begin to sign on any day.
Unsubscribe tokens never expire: the link must work for as long as somebody keeps the mail (RFC 8058 §3.1).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from typing import Any

from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode


class BadToken(ValueError):
    """Not a token of ours, or not for this purpose."""


class Mac:
    """HMAC-SHA256 under one key, as far as that can be done before anything is said (RFC 2104 §4).

    The standard library's object is one of Python's and takes twice as long to copy as all the rest.
    """

    __slots__ = ("_inner", "_key", "_outer", "_said")

    def __init__(self, key: bytes, said: bytes = b"") -> None:
        block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._key = key
        self._said = said
        self._inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in block) + said)
        self._outer = hashlib.sha256(bytes(octet ^ 0x5C for octet in block))

    def of(self, said: bytes) -> bytes:
        """The code of what is said, after whatever was said before."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(said)
        outer.update(inner.digest())
        return outer.digest()

    def after(self, said: bytes) -> Mac:
        """One that has been told this much."""
        return Mac(self._key, self._said + said)


_BLOCK = 64  # octets


@dataclass(frozen=True)
class Keyring:
    """Keys by id. New tokens are signed with `current`; the others are still believed."""

    current: str
    keys: Mapping[str, str]
    _derived: dict[str, Mac] = field(default_factory=dict, init=False, compare=False)

    def __repr__(self) -> str:
        return f"Keyring(current={self.current!r})"

    @classmethod
    def single(cls, secret: str) -> Keyring:
        """One key; its id is four letters of its hash, so that a changed key is told apart."""
        return cls.of([secret])

    @classmethod
    def of(cls, secrets: Sequence[str]) -> Keyring:
        """The first of `secrets` signs; the others, keys of the past, are still believed.

        Raises:
            ValueError: two of them have the same id, so nobody could say which one signed.
        """
        keys: dict[str, str] = {}
        for secret in secrets:
            name = hashlib.sha256(b"key-id:" + secret.encode()).hexdigest()[:4]
            if keys.setdefault(name, secret) != secret:
                raise ValueError(
                    "two of the secret keys cannot be told apart in links; make a new one instead"
                )
        return cls(next(iter(keys)), keys)

    def mac(self, purpose: str, said: bytes, key_id: str | None = None) -> bytes:
        """HMAC-SHA256 under a key, the current one by default, as derived for tokens of one purpose."""
        return self.begun(purpose, key_id).of(said)

    def begun(self, purpose: str, key_id: str | None = None) -> Mac:
        """The same before anything was said."""
        key_id = key_id or self.current
        ready = self._derived.get(f"{key_id}.{purpose}")
        if ready is None:
            key = self.signer(key_id, purpose).derive_key()
            ready = self._derived[f"{key_id}.{purpose}"] = Mac(key)
        return ready

    def signer(self, key_id: str, purpose: str) -> Signer:
        """The signer of one key for one purpose."""
        return Signer(
            self.keys[key_id], salt=purpose, sep=".", key_derivation="hmac", digest_method=hashlib.sha256
        )


_written = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def _claimed(claims: Sequence[Any]) -> str:
    """As `_written` has a list, which makes an encoder anew for each."""
    said = [
        str(each) if type(each) is int else encode_basestring(each) if type(each) is str else _written(each)
        for each in claims
    ]
    return f"[{','.join(said)}]"


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _base64(octets: bytes) -> bytes:
    return b2a_base64(octets, newline=False).rstrip(b"=").translate(_URL_SAFE)


def sign(keys: Keyring, purpose: str, claims: list[Any]) -> str:
    """Make a token that says `claims` for `purpose`."""
    return sign_for(keys, (purpose,), claims)[0]


def sign_for(keys: Keyring, purposes: Sequence[str], claims: list[Any]) -> list[str]:
    """A token for each purpose, all saying the same: what two links in every mail are made with.

    The signature is itsdangerous's, written out: its signer derives its key anew for every token.
    """
    text = _claimed(claims) if type(claims) is list else _written(claims)
    said = _base64(text.encode()) + f".{keys.current}".encode()
    return [(said + b"." + _base64(keys.mac(purpose, said))).decode("ascii") for purpose in purposes]


class Stem:
    """The front of tokens that differ at their end only: a mail's links are signed with it, one for each address.

    What comes first is written, filled up with a blank or two to whole groups of base64, and signed once. The rest is
    a number, so that a token costs a copy and a few bytes; `verify` reads it as any other.
    """

    __slots__ = ("_end", "_mac", "_said")

    def __init__(self, keys: Keyring, purpose: str, first: str) -> None:
        said = f"[{_written(first)},".encode()
        said += b" " * (-len(said) % 3)
        self._said = _base64(said).decode("ascii")
        self._mac = keys.begun(purpose).after(self._said.encode())
        self._end = f".{keys.current}".encode()

    def token(self, last: int) -> str:
        """A token that says `[first, last]`."""
        end = _base64(b"%d]" % last) + self._end
        return f"{self._said}{end.decode()}.{_base64(self._mac.of(end)).decode()}"


def verify(keys: Keyring, purpose: str, token: str) -> list[Any]:
    """Read a token back; the comparison takes the same time whatever is wrong.

    Raises:
        BadToken: another purpose, an unknown key, a changed byte, or no token at all.
    """
    said, _, signature = token.rpartition(".")
    payload, _, key_id = said.rpartition(".")
    if key_id not in keys.keys:
        raise BadToken("this link is not one of ours, or it was cut")
    try:
        # Base64 can spell the same bytes in several ways; only the one we wrote is ours.
        ours = _base64(keys.mac(purpose, said.encode("ascii"), key_id)).decode("ascii")
        if not hmac.compare_digest(ours.encode(), signature.encode()):
            raise BadToken("this link is not one of ours, or it was cut")
        claims = json.loads(base64_decode(payload))
    except (BadData, ValueError):
        raise BadToken("this link is not one of ours, or it was cut") from None
    if not isinstance(claims, list):
        raise BadToken("this link is not one of ours, or it was cut")
    return claims
