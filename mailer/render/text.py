"""The plain text of a mail."""

from __future__ import annotations

import re
from typing import Any

from inscriptis import _get_html_tree, get_text  # type: ignore[import-untyped]  # it ships no types
from inscriptis.css_profiles import (  # type: ignore[import-untyped]  # as above
    RELAXED_CSS_PROFILE,
    STRICT_CSS_PROFILE,
)
from inscriptis.html_engine import Inscriptis  # type: ignore[import-untyped]  # as above
from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]  # as above

_CONFIG = ParserConfig(display_links=True)
_FRAMED = ParserConfig(  # of frames within frames none indents
    css={**RELAXED_CSS_PROFILE, "div": STRICT_CSS_PROFILE["div"]}, display_links=True
)
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
    text: str = _without_frames(html) if "presentation" in html else get_text(html, _CONFIG)
    return tidy(_FILLER.sub("", clean(text)))


def _without_frames(html: str) -> str:
    """The text of a page laid out in tables, as MJML makes it: what only centres or frames is no table of data.

    Otherwise each of these tables would indent what is in it by the width of what stands around it.
    """
    page = _get_html_tree(html)  # as `get_text` reads it
    for table in page.iter("table"):
        rows = [row for row in table.iter("tr") if _around(row) is table]
        if table.get("role") == "presentation" and all(_cells(row) <= 1 for row in rows):
            parts = [part for part in table.iter("tr", "td", "th", "tbody") if _around(part) is table]
            for part in (table, *parts):
                part.tag = "p" if part.tag in ("td", "th") else "div"
    return str(Inscriptis(page, _FRAMED).get_text())


def _around(part: Any) -> Any:
    return next(part.iterancestors("table"), None)


def _cells(row: Any) -> int:
    return sum(1 for cell in row if cell.tag in ("td", "th"))
