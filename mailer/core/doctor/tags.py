"""`tag=value; tag=value`, as DKIM (RFC 6376 §3.2) and DMARC (RFC 7489 §6.3) write their records."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def read(text: str) -> dict[str, str]:
    """The tags of a record.

    Raises:
        ValueError: it is not such a list, or has a tag twice.
    """
    found: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not _NAME.fullmatch(name):
            raise ValueError(f"{part.strip()[:40]!r} is not tag=value")
        if name in found:
            raise ValueError(f"the tag {name} is there twice")
        found[name] = value.strip()
    return found
