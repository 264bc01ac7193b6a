"""Make one flat template of a part: layouts, blocks and includes are put together when it is published.

Names are static, so what a run sends is fixed when it is released, and a sender reads no file. A variant of
the part's locale beside a layout or an included file takes its place (`_layout/footer.tr.html` in
`body.tr.html`). Macros need no import: those of an included file or a layout are simply there. `{% set %}` at
the top of a file that extends another is kept, as Jinja does; a `{% set %}` inside a block is seen by what
follows, which Jinja would not do.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple, Protocol

from jinja2 import Environment

from mailer.render.pieces import INLINE_SET, Piece, cut
from mailer.render.variants import variant

_REFERENCE = re.compile(
    r"""\{%[-+]?\s*(?:include|extends)\s+(["'])(?P<name>[^"'\\]+)\1"""
    r"""(?P<missing>\s+ignore\s+missing)?(?:\s+with\s+context)?\s*[-+]?%\}"""
)
_BLOCK = re.compile(r"\{%[-+]?\s*block\s+(?P<name>\w+)(?:\s+scoped)?(?P<required>\s+required)?\s*[-+]?%\}")
_SUPER = re.compile(r"\{\{[-+]?\s*super\s*\(\s*\)\s*[-+]?\}\}")
_SELF = re.compile(r"\{\{[-+]?\s*self\.(?P<name>\w+)\s*\(\s*\)\s*[-+]?\}\}")
_STRAY = re.compile(r"\bsuper\s*\(|\bself\s*[.\[]")
_DEPTH_LIMIT = 20
_PIECES_LIMIT = 20_000

_REFUSED = {
    "import": "macros need no import: include the file that defines them",
    "from": "macros need no import: include the file that defines them",
    "autoescape": "escaping cannot be turned off",
}

#: The folder every template may take layouts from.
LAYOUT = "_layout"


class TemplateSource(Protocol):
    """Where template files are read from. Paths are `folder/name`, and never lead out of the folder."""

    def names(self, folder: str) -> Collection[str]:
        """The files of a folder, pictures as `images/logo.png`; empty if there is no such folder."""

    def text(self, path: str) -> str:
        """A file's text; TemplateFault if it cannot be read."""

    def data(self, path: str) -> bytes:
        """A file's bytes; TemplateFault if it cannot be read."""


_Inside = tuple[tuple[str, int], ...]  # the blocks being filled in, outermost first, with their depth


class _Scope(NamedTuple):
    """A file with all it extends: the files that are open, and each block's bodies, the youngest first."""

    opened: tuple[str, ...]
    layers: dict[str, list[list[Piece]]]


class Flattener:
    """Flattens the parts of one template written in one locale."""

    def __init__(self, template: str, locale: str, read: TemplateSource, environment: Environment) -> None:
        self._template = template
        self._locale = locale
        self._read = read
        self._environment = environment
        self._cut: dict[str, list[Piece]] = {}
        self._names: dict[str, Collection[str]] = {}
        self._count = 0

    def flatten(self, path: str) -> list[Piece]:
        """The pieces of `path` (`<template>/<file>`) with everything it extends and includes put in.

        Raises:
            TemplateFault: a name that is unknown, computed or leads elsewhere; a loop; a grammar mistake.
        """
        return list(self._file(path, ()))

    def _load(self, path: str) -> list[Piece]:
        if path not in self._cut:
            self._cut[path] = cut(self._read.text(path), path, self._environment)
        return self._cut[path]

    def _find(self, tag: Piece) -> str | None:
        """The path an include or extends names; None if it is missing and that is said to be no matter."""
        found = _REFERENCE.fullmatch(tag.text)
        if found is None:
            raise tag.fault(f'write the name in quotes, such as {{% {tag.word} "{LAYOUT}/base.html" %}}')
        name = found["name"]
        folder, _, file = name.rpartition("/")
        folder = folder or self._template
        if folder not in (LAYOUT, self._template) or file in ("", ".", ".."):
            raise tag.fault(f"{name!r}: only files of {LAYOUT}/ and of {self._template}/ can be used here")
        if folder not in self._names:
            self._names[folder] = self._read.names(folder)
        chosen = variant(file, self._locale, self._names[folder])
        if chosen is None and not found["missing"]:
            raise tag.fault(f"there is no file {folder}/{file}")
        return f"{folder}/{chosen}" if chosen else None

    def _file(self, path: str, open_files: tuple[str, ...], tag: Piece | None = None) -> Iterator[Piece]:
        if path in open_files or len(open_files) > _DEPTH_LIMIT:
            place = tag or Piece("text", "", path, 1)
            raise place.fault(f"{path} includes or extends itself")
        chain = [self._load(path)]
        opened = (*open_files, path)
        head: list[Piece] = []
        while (parent := self._parent(chain[-1])) is not None:
            head += self._definitions(chain[-1], opened)
            if parent in opened or len(opened) > _DEPTH_LIMIT:
                raise chain[-1][0].fault(f"{parent} includes or extends itself")
            opened = (*opened, parent)
            chain.append(self._load(parent))
        scope = _Scope(opened, {})
        for level in chain:
            for name, body in _blocks(level):
                scope.layers.setdefault(name, []).append(body)
        yield from head
        yield from self._expand(chain[-1], scope, ())

    def _parent(self, pieces: Sequence[Piece]) -> str | None:
        tags = [piece for piece in pieces if piece.word == "extends"]
        if not tags:
            return None
        first = next(
            piece for piece in pieces if piece.kind != "text" and piece.word not in ("set", "endset")
        )
        if len(tags) > 1 or first is not tags[0]:
            raise tags[-1].fault("{% extends %} stands once, before every other tag")
        return self._find(tags[0])

    def _definitions(self, pieces: Sequence[Piece], opened: tuple[str, ...]) -> Iterator[Piece]:
        """What a file that extends another says outside its blocks and Jinja still runs: sets and macros."""
        index = 0
        while index < len(pieces):
            piece = pieces[index]
            end = index
            if piece.word == "block":
                end = _closing(pieces, index)
            elif piece.word == "macro" or (piece.word == "set" and not INLINE_SET.match(piece.text)):
                end = _closing(pieces, index)
                yield from pieces[index : end + 1]
            elif piece.word == "set":
                yield piece
            elif piece.word == "include":
                path = self._find(piece)
                if path in opened:
                    raise piece.fault(f"{path} includes or extends itself")
                if path:
                    yield from self._definitions(self._load(path), (*opened, path))
            elif piece.word in _REFUSED:
                raise piece.fault(_REFUSED[piece.word])
            index = end + 1

    def _expand(self, pieces: Sequence[Piece], scope: _Scope, inside: _Inside) -> Iterator[Piece]:
        index = 0
        while index < len(pieces):
            piece = pieces[index]
            self._count += 1
            if self._count > _PIECES_LIMIT:
                raise piece.fault("the template is too large once its layout and includes are put in")
            if piece.word == "block":
                index = _closing(pieces, index)
            yield from self._replace(piece, scope, inside)
            index += 1

    def _replace(self, piece: Piece, scope: _Scope, inside: _Inside) -> Iterator[Piece]:
        named = _named(piece, inside)
        if named is not None:
            yield from self._block(piece, named, scope, inside)
        elif piece.word == "include":
            path = self._find(piece)
            if path:
                yield from self._file(path, scope.opened, piece)
        elif piece.word in _REFUSED:
            raise piece.fault(_REFUSED[piece.word])
        elif piece.kind != "text" and _STRAY.search(piece.text):
            raise piece.fault("super() and self.<block>() stand alone, as in {{ super() }}, inside a block")
        elif piece.word != "extends":
            yield piece

    def _block(self, piece: Piece, named: tuple[str, int], scope: _Scope, inside: _Inside) -> Iterator[Piece]:
        name, depth = named
        bodies = scope.layers.get(name, [])
        if depth >= len(bodies):
            raise piece.fault(f"no layout has a block {name!r}" if bodies else f"there is no block {name!r}")
        if named in inside:
            raise piece.fault(f"the block {name!r} contains itself")
        found = _BLOCK.fullmatch(piece.text)
        if found and found["required"] and len(bodies) == 1:
            raise piece.fault(f"the block {name!r} has to be filled by the file that extends this one")
        yield from self._expand(bodies[depth], scope, (*inside, named))


def _named(piece: Piece, inside: _Inside) -> tuple[str, int] | None:
    """The block a piece stands for, and how many overrides of it to skip."""
    if piece.word == "block":
        return _name(piece), 0
    if piece.kind == "print":
        if inside and _SUPER.fullmatch(piece.text):
            name, depth = inside[-1]
            return name, depth + 1
        said = _SELF.fullmatch(piece.text)
        if said:
            return said["name"], 0
    return None


def _name(piece: Piece) -> str:
    found = _BLOCK.fullmatch(piece.text)
    if found is None:
        raise piece.fault("a block needs a plain name, such as {% block content %}")
    return found["name"]


def _blocks(pieces: Sequence[Piece]) -> Iterator[tuple[str, list[Piece]]]:
    """Every block of a file by name, nested ones as well, without its own tags."""
    for index, piece in enumerate(pieces):
        if piece.word == "block":
            yield _name(piece), list(pieces[index + 1 : _closing(pieces, index)])


def _closing(pieces: Sequence[Piece], index: int) -> int:
    """The index of the tag that ends the one at `index`."""
    word = pieces[index].word
    depth = 0
    for at in range(index, len(pieces)):
        piece = pieces[at]
        if piece.word == word and not (word == "set" and INLINE_SET.match(piece.text)):
            depth += 1
        elif piece.word == f"end{word}":
            depth -= 1
            if depth == 0:
                return at
    raise pieces[index].fault(f"{{% {word} %}} is never ended")
