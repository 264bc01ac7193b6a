"""Signed tokens in links: purpose-bound, self-contained, never stored.

A token is `payload.key.signature`, all URL-safe: compact JSON in base64url, the id of the signing key, and an
HMAC-SHA256 over both under a key derived for the purpose. A token for one purpose is worthless for another.
Unsubscribe tokens never expire: the link must work for as long as somebody keeps the mail (RFC 8058 §3.1).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from itsdangerous import BadSignature, Signer
from itsdangerous.encoding import base64_decode, base64_encode


class BadToken(ValueError):
    """Not a token of ours, or not for this purpose."""


@dataclass(frozen=True)
class Keyring:
    """Keys by id. New tokens are signed with `current`; the others are still believed."""

    current: str
    keys: Mapping[str, str]
    _derived: dict[str, hmac.HMAC] = field(default_factory=dict, init=False, compare=False)

    def __repr__(self) -> str:
        return f"Keyring(current={self.current!r})"

    @classmethod
    def single(cls, secret: str) -> Keyring:
        """One key; its id is four letters of its hash, so that a changed key is told apart."""
        name = hashlib.sha256(b"key-id:" + secret.encode()).hexdigest()[:4]
        return cls(name, {name: secret})

    def mac(self, purpose: str, said: bytes) -> bytes:
        """HMAC-SHA256 under the current key, as derived for tokens of one purpose."""
        ready = self._derived.get(purpose)
        if ready is None:
            key = self.signer(self.current, purpose).derive_key()
            ready = self._derived[purpose] = hmac.new(key, digestmod="sha256")
        made = ready.copy()
        made.update(said)
        return made.digest()

    def signer(self, key_id: str, purpose: str) -> Signer:
        """The signer of one key for one purpose."""
        return Signer(
            self.keys[key_id], salt=purpose, sep=".", key_derivation="hmac", digest_method=hashlib.sha256
        )


_written = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
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
    said = _base64(_written(claims).encode()) + f".{keys.current}".encode()
    return [(said + b"." + _base64(keys.mac(purpose, said))).decode("ascii") for purpose in purposes]


def verify(keys: Keyring, purpose: str, token: str) -> list[Any]:
    """Read a token back; the comparison takes the same time whatever is wrong.

    Raises:
        BadToken: another purpose, an unknown key, a changed byte, or no token at all.
    """
    try:
        payload, key_id, signature = token.split(".")
        keys.signer(key_id, purpose).unsign(token)
        claims = json.loads(base64_decode(payload))
        # Base64 can spell the same bytes in several ways; only the one we wrote is ours.
        ours = base64_encode(base64_decode(signature)).decode("ascii") == signature
    except (BadSignature, KeyError, ValueError):
        raise BadToken("this link is not one of ours, or it was cut") from None
    if not ours or not isinstance(claims, list):
        raise BadToken("this link is not one of ours, or it was cut")
    return claims
