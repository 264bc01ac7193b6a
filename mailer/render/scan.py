"""Where in the HTML each Jinja tag stands, and what that place allows.

Escaping makes data safe as text and inside quotes. It does not help where data would be an attribute without
quotes, an address, a style or a script; so those places are refused, or given a gate (`link`, `css`), when a
template is published. The branches of an `{% if %}` must begin and end in the same place, which keeps one
pass over the text true for every way through it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import Enum, auto
from html import unescape
from typing import NamedTuple

from mailer.render.markup import Cursor, Mode
from mailer.render.pieces import INLINE_SET, Piece


class Place(Enum):
    """What surrounds a piece, as far as a parser that knows no Jinja cares."""

    MARKUP = auto()  # between elements and in their text
    TAG = auto()  # among the attributes of a tag
    CSS = auto()  # in a <style>
    PLAIN = auto()  # in quotes, in a comment, in a title


class Placed(NamedTuple):
    """A piece, where it begins, and whether it is there every time (outside every branch and loop)."""

    piece: Piece
    place: Place
    always: bool = True


_URL_ATTRIBUTES = frozenset({
    "action", "background", "cite", "data", "formaction", "href", "poster", "src", "xlink:href",
})  # fmt: skip
_SETTLED = re.compile(r"\s*(?:https?://|mailto:|tel:|sms:|cid:|#|\x00)", re.IGNORECASE)
_SCRIPT_LINK = re.compile(r"(?:javascript|vbscript|data):", re.IGNORECASE)
_BLANKS = re.compile(r"[\x01-\x20]+")
_PRINT = re.compile(r"(\{\{[-+]?)(.*?)([-+]?\}\})", re.DOTALL)

_OPENING = frozenset({"if", "for", "with", "call", "filter", "macro", "set"})
_ELSE = "else"  # marks branches one of which is always taken
_QUOTES = 'put the value in quotes, such as href="{{ address }}"'


def place(pieces: Iterable[Piece]) -> list[Placed]:
    """Every piece with its place; data in an address or a style is sent through its gate.

    Raises:
        TemplateFault: data or logic stands where escaping cannot make it safe.
    """
    return list(_Scanner().run(pieces))


class _Scanner:
    def __init__(self) -> None:
        self._at = Cursor()
        self._branches: list[tuple[Piece, Cursor, list[str]]] = []

    def run(self, pieces: Iterable[Piece]) -> Iterator[Placed]:
        for piece in pieces:
            before = self._place()
            if piece.kind == "text":
                self._text(piece)
                yield Placed(piece, before, not self._branches)
            elif piece.kind == "print":
                yield Placed(self._data(piece), before)
            else:
                self._logic(piece)
                yield Placed(piece, self._place())

    def _place(self) -> Place:
        at = self._at
        if at.mode is Mode.DATA:
            return Place.PLAIN if at.conditional else Place.MARKUP
        if at.mode is Mode.RAW and at.name == "style":
            return Place.CSS
        if at.mode in (Mode.TAG, Mode.TAG_NAME, Mode.ATTRIBUTE, Mode.AFTER_NAME):
            return Place.TAG
        return Place.PLAIN

    # Data ------------------------------------------------------------------------------------------------

    def _data(self, piece: Piece) -> Piece:
        at = self._at
        if at.mode in (Mode.VALUE_START, Mode.BARE):
            raise piece.fault(_QUOTES)
        if at.mode in (Mode.TAG_NAME, Mode.TAG, Mode.ATTRIBUTE, Mode.AFTER_NAME, Mode.DECLARATION):
            raise piece.fault(
                "data may fill an attribute's quoted value, and cannot name a tag or an attribute"
            )
        if at.mode is Mode.RAW and at.name in ("script", "style"):
            raise piece.fault(f"data cannot stand inside <{at.name}>")
        if at.mode is not Mode.VALUE:
            return piece
        gate = self._gate(piece)
        at.prefix += "\0"
        return through(gate, piece) if gate else piece

    def _gate(self, piece: Piece) -> str:
        attribute, prefix = self._at.attribute, self._at.prefix
        if attribute.startswith("on") or attribute == "srcdoc":
            raise piece.fault(f"data cannot stand in {attribute}, which is run as a script")
        if attribute == "style":
            return "css"
        if attribute not in _URL_ATTRIBUTES:
            return ""
        if not prefix.strip():
            return "link"
        if not _SETTLED.match(prefix):
            raise piece.fault("begin the address with https://, or give the whole of it as data")
        return ""

    # Logic -----------------------------------------------------------------------------------------------

    def _logic(self, piece: Piece) -> None:
        at = self._at
        if at.mode in (Mode.VALUE_START, Mode.BARE):
            raise piece.fault(_QUOTES)
        if at.mode is Mode.DECLARATION or (at.mode is Mode.TAG_NAME and not at.name.strip("/")):
            raise piece.fault("logic cannot stand here; put it around the whole tag or inside quotes")
        if at.mode in (Mode.TAG_NAME, Mode.ATTRIBUTE, Mode.AFTER_NAME):
            at.mode, at.attribute = Mode.TAG, ""
        if piece.word in _OPENING and not (piece.word == "set" and INLINE_SET.match(piece.text)):
            self._branches.append((piece, replace(at), []))
        elif piece.word in ("else", "elif") or (piece.word.startswith("end") and self._branches):
            opened, begun, ends = self._branches[-1]
            if not at.same_place(begun):
                raise opened.fault(
                    f"every branch of this {{% {opened.word} %}} has to end where it began: "
                    "with the same tag, quote or comment open"
                )
            ends.append(at.prefix)
            at.prefix = begun.prefix
            if piece.word == "else":
                ends[:0] = [_ELSE]
            elif piece.word.startswith("end"):
                at.prefix = _least_settled(ends, begun.prefix)
                self._branches.pop()

    # Text ------------------------------------------------------------------------------------------------

    def _text(self, piece: Piece) -> None:
        for attribute, prefix, offset, *_where in self._at.feed(piece.text):
            if attribute not in _URL_ATTRIBUTES:
                continue
            said = _BLANKS.sub("", unescape(prefix))
            if _SCRIPT_LINK.match(said):
                where = replace(piece, line=piece.line + piece.text.count("\n", 0, offset))
                raise where.fault(f"a link cannot begin with {said.partition(':')[0].lower()}:")


def _least_settled(ends: list[str], begun: str) -> str:
    """Of all ways through, the value that settles least: data after it still has to prove the rest."""
    ways = ends[1:] if ends[0] is _ELSE else [*ends, begun]
    return min(ways, key=len)


def through(gate: str, piece: Piece) -> Piece:
    """The same print, its value sent through a filter."""
    found = _PRINT.fullmatch(piece.text)
    if found is None:
        raise piece.fault("this tag cannot be read")
    return replace(piece, text=f"{found[1]} ({found[2]}) | {gate} {found[3]}")
