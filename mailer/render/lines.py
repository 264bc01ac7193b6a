"""Keeping the lines of a page short enough to travel as they are.

A line of a message has at most 998 octets (RFC 5322 §2.1.1), and a page with longer ones has to be encoded, each
time anew. Between two attributes of a tag a line end is worth as much as a blank, so one is put there where a line
grows long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from mailer.render.markup import Cursor, Mode
from mailer.render.pieces import Piece

_LONG = 400
_DATA = 60  # what a tag may grow to; nobody knows
_LINK = 250  # and a link whose clicks are counted
_LINKS = re.compile(r"\btracked\b")
_ROW = 100  # a longer row of a loop begins a line of its own


def broken(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """The pieces of a page, a line end in place of a blank inside a tag wherever a line passes 400 letters."""
    rows = _rows(pieces)
    at = Cursor()
    column = 0
    for index, piece in enumerate(pieces):
        if piece.kind != "text":
            if piece.kind == "block" and at.mode in (Mode.TAG_NAME, Mode.ATTRIBUTE, Mode.AFTER_NAME):
                at.mode, at.attribute = Mode.TAG, ""  # as `scan` has it
            column += max(_LINK if _LINKS.search(piece.text) else _DATA, rows.get(index, 0))
            yield piece
            continue
        at.feed(piece.text)
        text, column = _broken(piece.text, at.blanks, column)
        yield replace(piece, text=text)


def _rows(pieces: Sequence[Piece]) -> dict[int, int]:
    """Loops that may make a long line of many rows: where they begin, and what that counts for."""
    found: dict[int, int] = {}
    open_loops: list[tuple[int, list[str]]] = []
    for index, piece in enumerate(pieces):
        if piece.word == "for":
            open_loops.append((index, []))
        elif piece.word == "endfor" and open_loops:
            begin, texts = open_loops.pop()
            row = "".join(texts)
            if "\n" not in row and len(row) > _ROW:
                found[begin] = _LONG
        elif piece.kind == "text":
            for _, texts in open_loops:
                texts.append(piece.text)
    return found


def _broken(text: str, blanks: list[int], column: int) -> tuple[str, int]:
    made: list[str] = []
    begin = 0
    for position in blanks:
        newline = text.rfind("\n", begin, position)
        column = position - newline - 1 if newline >= 0 else column + position - begin
        made.append(text[begin:position])
        if column > _LONG:
            made.append("\n")
            column = 0
        else:
            made.append(" ")
            column += 1
        begin = position + 1
    newline = text.rfind("\n", begin)
    column = len(text) - newline - 1 if newline >= 0 else column + len(text) - begin
    return "".join([*made, text[begin:]]), column
