"""Where the links of a template stand, found when it is published: what counts clicks has nothing left to look for.

Each address of a link goes through the filter `tracked`, which does nothing until a mail is made whose clicks are
counted. Only what the template's author wrote as an address is taken for one: a link in the page, an address in the
text. Data that happens to look like one is never signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from html import unescape

from mailer.core.links import followable
from mailer.render.markup import Cursor, Mode
from mailer.render.pieces import Piece
from mailer.render.scan import through

FILTER = "tracked"

_ELEMENTS = frozenset({"a", "area", "v:roundrect", "v:rect"})  # the last two are Outlook's buttons
_WEB = re.compile(r"\s*https?://", re.IGNORECASE)
_BEGIN = re.compile(r"https?://[^\s<>\"'\])}]*", re.IGNORECASE)
_MORE = re.compile(r"[^\s<>\"'\])}]*")
_STOPS = ".,;:!?"
_OURS = re.compile(r"\blinks\s*[.\[]")
_GATED = re.compile(r"\|\s*link\s*[-+]?\}\}$")


def in_page(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces of a page, each link's address through the filter."""
    at = Cursor()
    address: list[Piece] | None = None  # what was read of one so far
    for piece in pieces:
        if piece.kind != "text":
            if at.mode in (Mode.TAG_NAME, Mode.ATTRIBUTE, Mode.AFTER_NAME):
                at.mode, at.attribute = Mode.TAG, ""  # as `scan` has it
            if at.mode is Mode.VALUE and at.attribute == "href" and at.name in _ELEMENTS:
                address = [*(address or ()), piece]
            else:
                yield piece
            continue
        begin = 0
        for value in at.feed(piece.text):
            if value.attribute != "href" or value.tag not in _ELEMENTS:
                continue
            if address is None:
                yield replace(piece, text=piece.text[begin : value.offset])
                address = []
            address.append(replace(piece, text=piece.text[value.offset : value.end]))
            begin = value.end
            if value.closed:
                yield from _marked(address, escaped=True)
                address = None
        if address is None and begin < len(piece.text):
            yield replace(piece, text=piece.text[begin:])
    yield from address or ()


def in_text(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """The pieces of a text, each address in it through the filter."""
    address: list[Piece] = []
    for piece in pieces:
        if piece.kind == "print":
            if address:
                address.append(piece)
            else:
                yield through(FILTER, piece) if _GATED.search(piece.text) else piece
        elif piece.kind == "block":  # an address that goes on in a branch is left alone
            yield from address
            address = []
            yield piece
        else:
            yield from _addresses(piece, address)
    yield from _marked(address, escaped=False)


def _addresses(piece: Piece, address: list[Piece]) -> Iterator[Piece]:
    """The text of a piece; `address` holds one that has begun before it, and one that may go on after it."""
    text, begin = piece.text, 0
    if address:
        found = _MORE.match(text)
        begin = found.end() if found else 0
        address.append(replace(piece, text=text[:begin]))
        if begin == len(text):
            return
        yield from _marked(address, escaped=False)
        address.clear()
    for found in _BEGIN.finditer(text, begin):
        yield replace(piece, text=text[begin : found.start()])
        begin = found.end()
        if begin == len(text):
            address.append(replace(piece, text=found[0]))
            return
        yield from _marked([replace(piece, text=found[0])], escaped=False)
    yield replace(piece, text=text[begin:])


def _marked(address: Sequence[Piece], *, escaped: bool) -> Iterator[Piece]:
    """An address through the filter, if it can be one of the web; in a text what ends a sentence is no part of it."""
    parts = [piece for piece in address if piece.kind != "text" or piece.text]
    after = ""
    if parts and not escaped and parts[-1].kind == "text":
        whole = parts[-1].text
        parts[-1] = replace(parts[-1], text=whole.rstrip(_STOPS))
        after = whole[len(parts[-1].text) :]
    yield from _filtered(parts, escaped=escaped)
    if after:
        yield replace(parts[-1], text=after)


def _filtered(parts: Sequence[Piece], *, escaped: bool) -> Iterator[Piece]:
    if all(piece.kind == "text" for piece in parts):
        written = "".join(piece.text for piece in parts)
        url = unescape(written).strip() if escaped else written
        if followable(url):
            yield replace(parts[0], kind="print", text=f'{{{{ "{url}" | {FILTER} }}}}')
        else:
            yield from parts
    elif len(parts) == 1 and parts[0].kind == "print":
        yield parts[0] if _OURS.search(parts[0].text) else through(FILTER, parts[0])
    elif parts[0].kind == "text" and not _WEB.match(parts[0].text):
        yield from parts
    else:
        yield replace(parts[0], kind="block", text=f"{{% filter {FILTER} %}}", word="filter")
        yield from parts
        yield replace(parts[-1], kind="block", text="{% endfilter %}", word="endfilter")
