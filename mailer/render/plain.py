"""Only plain data reaches a template: by exact type, no objects, no subclasses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from mailer.errors import RenderError

_DEPTH_LIMIT = 20
_NODE_LIMIT = 200_000
_TEXT: set[type] = {str}
_Path = tuple[Any, str | int] | None  # what is around, and where in it; written out only in a fault
_SCALARS: frozenset[type] = frozenset({str, int, float, bool, type(None), Decimal, date, datetime})

#: What no body holds as it is (C0 but tab and newline, halves of surrogate pairs), and what HTML cannot say by a
#: character reference: C1, which are read as windows-1252 (HTML Standard §13.2.5.80), and noncharacters.
ODD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(chr(plane + last) for plane in range(0x10000, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))
    + "]"
)


def check_plain(value: Any) -> bool:
    """Refuse a context that holds anything but plain data.

    A subclass of `str` may call itself safe markup, and any object is a way out of the sandbox.

    Returns whether all its text is free of ODD letters, which is nearly always so and saves looking for them in every
    body.

    Raises:
        RenderError: something else, with the path to it; or data too deep or too large.
    """
    texts: list[str] = []
    budget = _NODE_LIMIT
    waiting: list[tuple[Any, _Path, int]] = [(value, None, 0)]
    while waiting:
        each, path, depth = waiting.pop()
        budget -= 1
        if depth > _DEPTH_LIMIT or budget < 0:
            where = _named(path, "the top")
            raise RenderError(f"the data for this message is too deep or too large at {where}")
        for key, inner in _members(each, path, texts):
            if type(inner) is str:
                texts.append(inner)
            elif type(inner) not in _SCALARS:
                waiting.append((inner, (path, key), depth + 1))
    text = "".join(texts)
    return text.isprintable() or ODD.search(text) is None


def _members(value: Any, path: _Path, texts: list[str]) -> Iterable[tuple[str | int, Any]]:
    kind = type(value)
    if kind is dict:
        if not set(map(type, value)) <= _TEXT:
            raise RenderError(f"{_named(path, 'the context')} has a key that is not text")
        texts.extend(value)
        members: Iterable[tuple[str, Any]] = value.items()
        return members
    if kind is list or kind is tuple:
        return enumerate(value)
    if kind in _SCALARS:
        return ((0, value),)
    raise RenderError(f"{_named(path, 'the context')} is a {kind.__name__}; templates take plain data only")


def _named(path: _Path, top: str) -> str:
    """Such as `customer.x[1]`."""
    if path is None:
        return top
    parent, key = path
    if isinstance(key, int):
        return f"{_named(parent, '')}[{key}]"
    return f"{_named(parent, '')}.{key}" if parent else key
