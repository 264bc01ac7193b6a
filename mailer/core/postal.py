"""Postal patterns: a whole code (`34710`) or the beginning of one (`34*`)."""

from __future__ import annotations

import re

_PATTERN = re.compile(r"[0-9A-Za-z][0-9A-Za-z -]{0,19}\*?")


def read_pattern(text: str) -> str:
    """A pattern as people write it, trimmed.

    Raises:
        ValueError: anything but letters, digits, spaces and hyphens with at most one `*`, at the end.
    """
    pattern = text.strip()
    if _PATTERN.fullmatch(pattern) is None:
        raise ValueError(
            f"{text!r} is not a postal pattern; write a code such as 34710, or the beginning of one followed "
            "by a single * such as 34*"
        )
    return pattern


def prefix_of(pattern: str) -> str | None:
    """The beginning a pattern asks for; None for a pattern that is a whole code."""
    return pattern[:-1] if pattern.endswith("*") else None


def matches(pattern: str, code: str) -> bool:
    """Whether a postal code falls under a pattern; letters count as written. An empty code never does."""
    prefix = prefix_of(pattern)
    return code == pattern if prefix is None else code.startswith(prefix)
