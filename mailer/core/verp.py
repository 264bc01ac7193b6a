"""The address a bounce comes back to: one for each attempt of each delivery, signed (VERP).

`bounces+<delivery>-<attempt>-<key>-<mac>@domain`, numbers in hexadecimal. Nothing in it depends on the case of a
letter, since a relay may change that, and the local part stays within 64 octets (RFC 5321 §4.5.3.1.1). Whoever makes
one up, or changes a digit, has an address of nobody; a bounce that came to no such address says nothing.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from itertools import islice

from mailer.core.token import BadToken, Keyring

PURPOSE = "bounce"

#: What may stand before the plus: the rest of 64 octets is ours.
MOST_LOCAL = 13
MOST_ATTEMPT = 0xFFF
_MAC = 12  # octets: 96 bits, as in RFC 2404
_MOST_FOUND = 5

_TOKEN = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,3})-([0-9a-f]{4})-([0-9a-f]{24})")
_IN_TEXT = re.compile(rf"\+({_TOKEN.pattern})@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Which handing over of which delivery came back."""

    delivery_id: int
    number: int  # from 1


class Tokens:
    """Makes the signed part: what names an attempt wherever it is written."""

    def __init__(self, keys: Keyring) -> None:
        self._middle = f"-{keys.current}-"
        self._mac = keys.begun(PURPOSE)  # one is made for every mail

    def of(self, delivery_id: int, number: int) -> str:
        """The token of a delivery's attempt."""
        said = f"{delivery_id:x}-{min(number, MOST_ATTEMPT):x}{self._middle}"
        return said + self._mac.of(said.encode())[:_MAC].hex()


class ReturnPath:
    """Makes return paths below one address."""

    def __init__(self, address: str, keys: Keyring) -> None:
        self.local, _, self.domain = address.lower().rpartition("@")
        self._keys = keys

    def around(self, token: str) -> str:
        """The envelope sender that carries a token."""
        return f"{self.local}+{token}@{self.domain}"

    def read(self, address: str) -> Attempt:
        """What an address of ours stands for.

        Raises:
            BadToken: it is none, or was made up.
        """
        local, _, domain = address.strip("<> \t").rpartition("@")
        before, plus, token = local.lower().partition("+")
        if not plus or before != self.local or domain.lower().rstrip(".") != self.domain:
            raise BadToken("this is no return path of ours")
        return read(self._keys, token)


def tokens_in(text: str) -> list[str]:
    """What looks like the token of a return path in a header or a line, the first few."""
    return [found[1].lower() for found in islice(_IN_TEXT.finditer(text), _MOST_FOUND)]


def read(keys: Keyring, token: str) -> Attempt:
    """Read the part between plus and at; the comparison takes the same time whatever is wrong.

    Raises:
        BadToken: it was not made with a key of ours.
    """
    found = _TOKEN.fullmatch(token.lower())
    if found is None or found[3] not in keys.keys:
        raise BadToken("this is no return path of ours")
    said = token.lower()[: -len(found[4])].encode()
    if not hmac.compare_digest(keys.mac(PURPOSE, said, found[3])[:_MAC].hex(), found[4]):
        raise BadToken("this return path was made up, or its key is gone")
    return Attempt(int(found[1], 16), int(found[2], 16))
