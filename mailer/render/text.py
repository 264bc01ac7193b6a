"""The plain text of a mail."""

from __future__ import annotations

import re

from inscriptis import get_text  # type: ignore[import-untyped]  # it ships no types
from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]  # as above

_CONFIG = ParserConfig(display_links=True)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_LINE_ENDS = re.compile(r"\r\n?")
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")
_FILLER = re.compile("(?:[\u034f\u200b\u200c\u2060\ufeff][ \u00a0]*){2,}")  # runs that push a preview away


def clean(text: str) -> str:
    """A body without what no body may hold: controls, halves of a surrogate pair, bare carriage returns."""
    if _CONTROLS.search(text):
        text = _CONTROLS.sub("", text)
    if not text.isascii():
        text = _SURROGATES.sub("\ufffd", text)
    return _LINE_ENDS.sub("\n", text) if "\r" in text else text


def tidy(text: str) -> str:
    """Without trailing blanks, and never more than one empty line in a row; ends in one newline."""
    if " \n" in text or "\t\n" in text or text.endswith((" ", "\t")):
        text = _TRAILING.sub("", text)
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip("\n") + "\n"


def from_html(html: str) -> str:
    """The text of an HTML body, links written out, for people and programs that show no HTML."""
    text: str = get_text(html, _CONFIG)
    return tidy(_FILLER.sub("", clean(text)))
