"""Reading HTML as far as knowing, at any point, what one is inside of (HTML Standard §13.2.5).

The text comes in stretches, since Jinja tags stand between them; a tag, a quote or a comment may span more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import NamedTuple

_RAW_ELEMENTS = frozenset({"style", "script", "title", "textarea"})
_REVEALED = re.compile(r"<!--\[if[^\]]*\]>\s*<!--(?:\s*--)?>", re.IGNORECASE)
_CONDITIONAL = re.compile(r"<!--\[if[^\]]*\]>", re.IGNORECASE)
_END_CONDITIONAL = re.compile(r"<!\[endif\]-->", re.IGNORECASE)
_TAG_OPEN = re.compile(r"</?(?=[A-Za-z]|\Z)")
_NAME = re.compile(r"[^\s/>]*")
_ATTRIBUTE = re.compile(r"[^\s=/>]*")
_SPACE = re.compile(r"[\s/]*")
_BARE = re.compile(r"[^\s>]*")


class Mode(Enum):
    """What one is inside of."""

    DATA = auto()
    TAG_NAME = auto()
    TAG = auto()
    ATTRIBUTE = auto()
    AFTER_NAME = auto()
    VALUE_START = auto()
    VALUE = auto()
    BARE = auto()
    COMMENT = auto()
    RAW = auto()
    DECLARATION = auto()


class Value(NamedTuple):
    """A stretch of an attribute's value: the value so far, and from where to where in the text the stretch goes."""

    attribute: str
    prefix: str
    offset: int
    end: int
    tag: str
    closed: bool  # the value ends there


@dataclass(slots=True)
class Cursor:
    """A point in the text."""

    mode: Mode = Mode.DATA
    name: str = ""  # of the tag
    attribute: str = ""
    quote: str = ""
    prefix: str = ""  # of the attribute's value so far; NUL stands for data
    conditional: bool = False  # inside <!--[if mso]> … <![endif]-->
    blanks: list[int] = field(default_factory=list)  # in the last stretch, where a blank parts two attributes
    _seen: list[Value] = field(default_factory=list)

    def same_place(self, other: Cursor) -> bool:
        """Whether both are inside of the same things; values may differ."""
        return replace(self, prefix="", blanks=[], _seen=[]) == replace(other, prefix="", blanks=[], _seen=[])

    def feed(self, text: str) -> list[Value]:
        """Go over a stretch of text; returns the attribute values, or beginnings of such, in it."""
        steps: dict[Mode, Callable[[str, int], int]] = {
            Mode.DATA: self._in_data,
            Mode.TAG_NAME: self._in_tag_name,
            Mode.TAG: self._in_tag,
            Mode.ATTRIBUTE: self._in_attribute,
            Mode.AFTER_NAME: self._after_name,
            Mode.VALUE_START: self._at_value,
            Mode.VALUE: self._in_value,
            Mode.BARE: self._in_bare,
            Mode.COMMENT: lambda text, position: self._until("-->", text, position),
            Mode.DECLARATION: lambda text, position: self._until(">", text, position),
            Mode.RAW: self._in_raw,
        }
        self._seen = []
        self.blanks = []
        position = 0
        while position < len(text):
            position = steps[self.mode](text, position)
        return self._seen

    def _until(self, end: str, text: str, position: int) -> int:
        found = text.find(end, position)
        if found < 0:
            return len(text)
        self.mode = Mode.DATA
        return found + len(end)

    def _in_data(self, text: str, position: int) -> int:
        begin = text.find("<", position)
        if begin < 0:
            return len(text)
        if opened := _TAG_OPEN.match(text, begin):
            self.mode, self.name = Mode.TAG_NAME, opened[0][1:]
            return opened.end()
        found = _REVEALED.match(text, begin)
        if found is None and (found := _CONDITIONAL.match(text, begin)):
            self.conditional = True
        if found is None and self.conditional and (found := _END_CONDITIONAL.match(text, begin)):
            self.conditional = False
        if found is None and text.startswith(("<!", "<?"), begin):
            self.mode = Mode.COMMENT if text.startswith("<!--", begin) else Mode.DECLARATION
        return found.end() if found else begin + (4 if self.mode is Mode.COMMENT else 1)

    def _in_tag_name(self, text: str, position: int) -> int:
        end = _span(_NAME, text, position)
        self.name += text[position:end].lower()
        if end < len(text):
            self.mode = Mode.TAG
        return end

    def _in_tag(self, text: str, position: int) -> int:
        end = _span(_SPACE, text, position)
        if text[position] == " ":
            self.blanks.append(position)
        if end == len(text):
            return end
        if text[end] == ">":
            raw = self.name in _RAW_ELEMENTS
            self.mode, self.name, self.attribute = (Mode.RAW, self.name, "") if raw else (Mode.DATA, "", "")
            return end + 1
        self.mode, self.attribute = Mode.ATTRIBUTE, ""
        return end if text[end] != "=" else end + 1

    def _in_attribute(self, text: str, position: int) -> int:
        end = _span(_ATTRIBUTE, text, position)
        self.attribute += text[position:end].lower()
        if end < len(text):
            self.mode = Mode.AFTER_NAME
        return end

    def _after_name(self, text: str, position: int) -> int:
        while position < len(text) and text[position].isspace():
            position += 1
        if position == len(text):
            return position
        if text[position] == "=":
            self.mode = Mode.VALUE_START
            return position + 1
        self.mode = Mode.TAG
        return position

    def _at_value(self, text: str, position: int) -> int:
        while position < len(text) and text[position].isspace():
            position += 1
        if position == len(text):
            return position
        self.prefix = ""
        if text[position] in "\"'":
            self.mode, self.quote = Mode.VALUE, text[position]
            return position + 1
        self.mode = Mode.TAG if text[position] == ">" else Mode.BARE
        return position

    def _in_value(self, text: str, position: int) -> int:
        end = text.find(self.quote, position)
        stop = len(text) if end < 0 else end
        self.prefix += text[position:stop]
        self._seen.append(Value(self.attribute, self.prefix, position, stop, self.name, end >= 0))
        if end < 0:
            return stop
        self.mode, self.quote, self.attribute = Mode.TAG, "", ""
        return end + 1

    def _in_bare(self, text: str, position: int) -> int:
        end = _span(_BARE, text, position)
        self.prefix += text[position:end]
        self._seen.append(Value(self.attribute, self.prefix, position, end, self.name, end < len(text)))
        if end < len(text):
            self.mode, self.attribute = Mode.TAG, ""
        return end

    def _in_raw(self, text: str, position: int) -> int:
        found = re.compile(f"</(?={self.name})", re.IGNORECASE).search(text, position)
        if found is None:
            return len(text)
        self.mode, self.name = Mode.TAG_NAME, "/"
        return found.end()


def _span(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position
