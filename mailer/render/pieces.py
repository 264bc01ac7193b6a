"""A template as a row of pieces: literal text and Jinja tags, each knowing its file and line.

Publishing cuts templates into pieces, moves the pieces about, and writes one flat source again, in which
every tag stands on a line of its own (a newline inside a tag is never output). So one short table leads from
any line Jinja complains about back to the line a person wrote.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jinja2 import Environment, TemplateSyntaxError

from mailer.errors import TemplateFault

_DELIMITERS = re.compile(r"\{\{|\{%|\{#")
#: A `{% set x = … %}` that has no `{% endset %}`.
INLINE_SET = re.compile(r"\{%[-+]?\s*set\b[^=|]+=")
_WORD = re.compile(r"\{%[-+]?\s*(\w+)")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text, a `{{ print }}` or a `{% block %}` tag; tags keep their delimiters.

    Whitespace control is done when a piece is cut and gone from its text: it reaches as far as the file it stands in,
    and must not eat what the including file says next.
    """

    kind: Literal["text", "print", "block"]
    text: str
    file: str
    line: int
    word: str = ""  # of a block tag, its first word

    def fault(self, message: str) -> TemplateFault:
        """A fault in this piece's place."""
        return TemplateFault(message, file=self.file, line=self.line)


def syntax_fault(error: TemplateSyntaxError, file: str) -> TemplateFault:
    """A mistake in Jinja's grammar, as ours."""
    return TemplateFault(error.message or "this is not a template", file=file, line=error.lineno)


def cut(source: str, file: str, environment: Environment) -> list[Piece]:
    """The pieces of one file. Comments are left out, whitespace control (`{%-`) is done, raw blocks are text.

    Raises:
        TemplateFault: the file breaks Jinja's grammar.
    """
    try:
        environment.parse(source, file)
        tokens = list(environment.lexer.tokeniter(source, file))
    except TemplateSyntaxError as error:
        raise syntax_fault(error, file) from None
    pieces: list[Piece] = []
    tag: list[str] = []
    begun = 0
    comment = False
    for line, name, value in tokens:
        if name == "comment_begin":
            comment = True
        elif name == "comment_end":
            comment = False
        elif comment or name in ("raw_begin", "raw_end"):
            continue
        elif name in ("block_begin", "variable_begin"):
            tag, begun = [value[:2]], line
        elif name in ("block_end", "variable_end"):
            text = "".join([*tag, value.strip()[-2:]])
            word = _WORD.match(text)
            kind: Literal["print", "block"] = "block" if name == "block_end" else "print"
            pieces.append(Piece(kind, text, file, begun, word[1] if word else ""))
            tag = []
        elif tag:
            tag.append(value)
        else:
            pieces.append(Piece("text", value, file, line))
    return pieces


Origins = list[list[Any]]  # [line of the flat source, file, line of that file], ascending


def write(pieces: Iterable[Piece]) -> tuple[str, Origins]:
    """The flat source of the pieces, and where each of its tags came from."""
    out: list[str] = []
    origins: Origins = []
    line = 1
    for piece in pieces:
        text = piece.text
        if piece.kind == "text":
            if _DELIMITERS.search(text):
                text = "{% raw %}" + text + "{% endraw %}"
        else:
            text = f"{text[:2]}\n{text[2:].lstrip()}"
            origins.append([line + 1, piece.file, piece.line])
        out.append(text)
        line += text.count("\n")
    return "".join(out), origins


def origin(origins: Sequence[Sequence[Any]], line: int | None) -> tuple[str, int] | None:
    """The file and line a line of a flat source was written in; None before the first tag."""
    if line is None:
        return None
    index = bisect_right([entry[0] for entry in origins], line) - 1
    if index < 0:
        return None
    _, file, first = origins[index]
    return str(file), int(first)


class Tokens:
    """Stand-ins for tags while a parser that knows no Jinja looks at the text around them."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        """Choose stand-ins that occur nowhere in the text."""
        self.pieces = list(pieces)
        literal = "".join(piece.text for piece in pieces if piece.kind == "text").lower()
        salt = next(f"jx{number}q" for number in range(10_000) if f"jx{number}q" not in literal)
        self._salt = salt
        self.pattern = re.compile(
            rf"<!--{salt}(?P<a>\d+)z-->|/\*{salt}(?P<b>\d+)z\*/| {salt}(?P<c>\d+)t |{salt}(?P<d>\d+)z"
        )

    def name(self, index: int) -> str:
        """The stand-in of the tag at `index`: letters and digits only."""
        return f"{self._salt}{index}z"

    def attribute(self, index: int) -> str:
        """The stand-in of a tag that stands among attributes: one of its own, set off by blanks."""
        return f" {self._salt}{index}t "

    def restore(self, text: str, file: str) -> Iterator[Piece]:
        """The text cut into pieces again, each stand-in replaced by its tag."""
        at = 0
        for found in self.pattern.finditer(text):
            if found.start() > at:
                yield Piece("text", text[at : found.start()], file, 1)
            yield self.pieces[int(next(group for group in found.groups() if group))]
            at = found.end()
        if at < len(text):
            yield Piece("text", text[at:], file, 1)
