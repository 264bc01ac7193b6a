"""Which letters a part's source can put into a message, beyond those of its data; asked once, when it is compiled."""

from __future__ import annotations

import re
from typing import NamedTuple

from jinja2 import nodes

from mailer.render.environment import HTML, TEXT
from mailer.render.markup import Cursor, Mode
from mailer.render.pieces import Piece, cut
from mailer.render.plain import ODD

_FOREIGN = re.compile(r"[^\x00-\x7f]+")
#: Elements whose content no entity is read in, and such as change how the rest is read (HTML Standard §13.2.6).
_UNREAD = re.compile(
    r"<(?:xmp|iframe|noembed|noframes|noscript|plaintext|svg|math)\b|<!\[CDATA\[", re.IGNORECASE
)
_READ = frozenset({Mode.DATA, Mode.VALUE_START, Mode.VALUE, Mode.BARE})
_READ_ELEMENTS = frozenset({"title", "textarea"})


class Letters(NamedTuple):
    """What holds for all a part makes of data free of ODD letters."""

    even: bool  # it makes none either
    exact: bool  # HTML: every letter that is not ASCII stands where a character reference says the same


def letters(source: str, *, markup: bool) -> Letters:
    """What a flat source promises."""
    tree = (HTML if markup else TEXT).parse(source)
    said = [node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)]
    unescapes = any(node.name == "striptags" for node in tree.find_all(nodes.Filter))
    even = not unescapes and not any(ODD.search(text) for text in (source, *said))
    if not even or not markup:
        return Letters(even, exact=False)
    safe = [node.node for node in tree.find_all(nodes.Filter) if node.name == "safe"]
    whole = all(isinstance(node, nodes.Const) and _whole(str(node.value)) for node in safe)
    return Letters(even, whole and not _UNREAD.search(source) and _exact(cut(source, "", HTML)))


def _whole(text: str) -> bool:
    """Markup written in an expression: it leaves the reader where he was."""
    at = Cursor()
    at.feed(text)
    return text.isascii() and at.same_place(Cursor())


def _exact(pieces: list[Piece]) -> bool:
    """Whether every place with a letter that is not ASCII, or with data, is one where references are read."""
    at = Cursor()
    for piece in pieces:
        if piece.kind == "text":
            position = 0
            for found in _FOREIGN.finditer(piece.text):
                at.feed(piece.text[position : found.start()])
                if not _read(at):
                    return False
                at.feed(found[0])
                position = found.end()
            at.feed(piece.text[position:])
        elif piece.kind == "print":
            if not _read(at):
                return False
        elif at.mode in (Mode.TAG_NAME, Mode.ATTRIBUTE, Mode.AFTER_NAME):
            at.mode, at.attribute = Mode.TAG, ""  # as `scan` has it
    return True


def _read(at: Cursor) -> bool:
    """Text, an attribute's value, or a title; what only Outlook reads (`<!--[if mso]>`) it reads as HTML."""
    return at.mode in _READ or (at.mode is Mode.RAW and at.name in _READ_ELEMENTS)
