"""The pages of docs/, taken apart: their tables and their blocks of code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.project.tree import DOCS, ROOT

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_CELL = re.compile(r"(?<!\\)\|")
_WORD = re.compile(r"^`([^`]+)`$")


class Block(NamedTuple):
    """A block of code, and what the words after its fence say it is."""

    page: Path
    line: int
    language: str
    kind: str
    body: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def blocks(language: str) -> list[Block]:
    found = []
    for page in pages():
        text = page.read_text("utf-8")
        for fence in _FENCE.finditer(text):
            first, _, kind = fence["info"].strip().partition(" ")
            if first == language:
                found.append(Block(page, text.count("\n", 0, fence.start()) + 1, first, kind, fence["body"]))
    return found


def table(page: str, heading: str = "") -> dict[str, list[str]]:
    """The first table below a heading: what its first column names → the other cells."""
    text = (DOCS / page).read_text("utf-8")
    if heading:
        text = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = text[text.index("\n|") :].strip("\n").splitlines()
    rows = []
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in _CELL.split(line)[1:-1]])
    return {named[1]: row[1:] for row in rows if (named := _WORD.match(row[0]))}
