"""Forgetting a person: what may stay of them, in no form that says who they were. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

#: The reason of a suppression that stands for somebody erased.
ERASED = "erased"

#: What of an event's detail says nothing of the person.
_HARMLESS = frozenset({"by", "as", "how", "fault", "status", "source", "reason", "net", "currency", "score"})

_MARK = "sha256:"
_REPLY = re.compile(r"[245]\d\d(?: [245]\.\d{1,3}\.\d{1,3})?")


def bar_key(salt: str, email_key: str) -> str:
    """Under what an erased address stays barred: HMAC-SHA256 of its normalised form, with the database's own salt.

    Nobody reads the address out of it; whoever has an address and the salt can tell whether it is meant.
    """
    return _MARK + hmac.digest(salt.encode(), email_key.encode(), hashlib.sha256).hex()


def blank_detail(detail: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """An event's detail without links, programs, codes, orders and whatever else may name somebody."""
    kept = {name: value for name, value in (detail or {}).items() if name in _HARMLESS}
    return kept or None


def blank_reply(reply: str | None) -> str | None:
    """The codes of an SMTP reply; its text often repeats the address."""
    found = _REPLY.match(reply or "")
    return found[0] if found else None


def blank_source(source: str) -> str:
    """Where a word of consent came from, without the number of the event or the mail that it came by."""
    kind, numbered, _number = source.partition(":")
    return kind if numbered else source
