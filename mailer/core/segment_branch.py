"""What a rule came to for one customer, branch by branch, and rules in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mailer.core.segment import Rule
from mailer.core.segment_value import ValueTest


@dataclass(frozen=True, slots=True)
class Branch:
    """One node of a rule, whether it holds for the customer, and what was found there."""

    text: str
    holds: bool
    found: str = ""
    parts: tuple[Branch, ...] = ()

    def lines(self, depth: int = 0) -> Iterator[str]:
        """The tree as sentences, one a line: `yes  city is İzmir (İzmir)`."""
        found = f" ({self.found})" if self.found else ""
        yield f"{'yes' if self.holds else 'no ':3}  {'  ' * depth}{self.text}{found}"
        for part in self.parts:
            yield from part.lines(depth + 1)


def in_words(test: ValueTest) -> str:
    """A test as words: `is İzmir`, `gte 18 and lt 65`."""
    written = test.model_dump(mode="json", by_alias=True)
    return " and ".join(f"{key.replace('_', ' ')} {shown(value)}" for key, value in written.items())


def outline(rule: Rule) -> str:
    """A rule on one line, as it is written in YAML's short form."""
    return _written(rule.model_dump(mode="json", by_alias=True, exclude_defaults=True))[1:-1]


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_written(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_written(inner) for inner in value) + "]"
    return shown(value)


def shown(value: Any) -> str:
    """A value as it is shown to a person."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(one) for one in value) or "nothing"
    return "nothing" if value is None or value == "" else str(value)[:200]
