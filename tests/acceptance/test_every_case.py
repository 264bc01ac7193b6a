"""Every case of the domain has a test through the commands that says its number."""

from __future__ import annotations

import re
from pathlib import Path

CASES = 18
_NAMED = re.compile(r'^\s*(?:(?:async )?def test_|(?:\*\*\{f)?")cases?[ _]([0-9, _and]+)', re.MULTILINE)


def test_every_case_is_named() -> None:
    found: dict[int, set[str]] = {}
    for file in Path(__file__).parent.glob("test_*.py"):
        for numbers in _NAMED.findall(file.read_text("utf-8")):
            for number in re.findall("[0-9]+", numbers):
                found.setdefault(int(number), set()).add(file.name)
    assert sorted(found) == list(range(1, CASES + 1)), found
