"""The text template of a page, made when it is published: a mail without `body.txt` gets its text as cheaply as any.

Reading the finished page as text takes far longer than making the mail. So the page is read once, with stand-ins for
its tags, and the text that comes out is a template again. Whether that says what the page would is not argued but
tried: with every condition true and false, loops of no, one and two rounds, long data, short data and none. Where the
words differ (a numbered list made by a loop, say) there is no such template, and each page is read when it is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mailer.render.markup import Cursor, Mode
from mailer.render.pieces import INLINE_SET, Piece, Tokens
from mailer.render.text import from_html, tidy

_WORDS = frozenset({"if", "elif", "else", "endif", "for", "endfor", "set"})
_MARKED = re.compile(
    r"\|\s*(?:safe|e|escape|striptags|inline)\b"
)  # they say one thing in a page, another in a text
_TRIED = 40


@dataclass(slots=True)
class _Block:
    """An `{% if %}` or `{% for %}`: its ways, each a tag and what follows it, and the tag that ends it."""

    number: int
    loop: bool
    ways: list[tuple[Piece, list[_Node]]] = field(default_factory=list)


_Node = Piece | _Block
_Choice = Callable[[_Block], Sequence[int]]  # which ways are gone, in order; loops repeat the first


class _Uneven(Exception):
    """Tags that no longer nest."""


def derived(pieces: Sequence[Piece], file: str) -> list[Piece] | None:
    """The pieces of a text template that says what the page's do; None where there is none."""
    if not all(map(_known, pieces)):
        return None
    tokens = Tokens(pieces)
    names = [piece.text if piece.kind == "text" else tokens.name(i) for i, piece in enumerate(pieces)]
    text = from_html("".join(names))
    blocks = "|".join(name for name, piece in zip(names, pieces, strict=True) if piece.kind == "block")
    trimmed = re.sub(f"^({blocks}) ", r"\1", text, flags=re.MULTILINE) if blocks else text
    for said in (trimmed, text):
        made = list(tokens.restore(said, file))
        if _same(pieces, made):
            return made
    return None


def _same(pieces: Sequence[Piece], made: Sequence[Piece]) -> bool:
    """Whether a text says what a page does, in every trial."""
    numbers = {id(piece): number for number, piece in enumerate(pieces)}
    shown = {id(piece) for piece in made}
    if any(piece.word == "set" and id(piece) not in shown for piece in pieces):
        return False
    try:
        page, text = _tree(pieces, numbers), _tree(made, numbers)
    except _Uneven:
        return False
    inside = _inside(pieces)
    for choice, data in _trials(list(_blocks(page))):

        def say(piece: Piece, data: str = data) -> str:
            said = data.replace("#", str(numbers[id(piece)]))
            return said.replace(" ", "-") or "u" if numbers[id(piece)] in inside else said

        shown_by_page = from_html("".join(_told(page, choice, say)))
        if shown_by_page.split() != tidy("".join(_told(text, choice, say))).split():
            return False
    return True


def _known(piece: Piece) -> bool:
    if piece.kind == "text":
        return True
    if _MARKED.search(piece.text):
        return False
    return piece.kind == "print" or (
        piece.word in _WORDS and (piece.word != "set" or INLINE_SET.match(piece.text) is not None)
    )


def _inside(pieces: Sequence[Piece]) -> set[int]:
    """The prints that stand in an attribute: an address, which has no blanks and is never empty."""
    at = Cursor()
    found = set()
    for number, piece in enumerate(pieces):
        if piece.kind == "text":
            at.feed(piece.text)
        elif at.mode in (Mode.TAG_NAME, Mode.ATTRIBUTE, Mode.AFTER_NAME):
            at.mode, at.attribute = Mode.TAG, ""  # as `scan` has it
        elif piece.kind == "print" and at.mode is Mode.VALUE:
            found.add(number)
    return found


def _tree(pieces: Sequence[Piece], numbers: dict[int, int]) -> list[_Node]:
    top: list[_Node] = []
    open_blocks: list[tuple[_Block, list[_Node]]] = []
    level = top
    for piece in pieces:
        if piece.word in ("if", "for"):
            block = _Block(numbers[id(piece)], piece.word == "for", [(piece, [])])
            level.append(block)
            open_blocks.append((block, level))
            level = block.ways[-1][1]
        elif piece.word in ("elif", "else", "endif", "endfor"):
            if not open_blocks or (
                piece.word in ("endif", "endfor") and _loop(piece) != open_blocks[-1][0].loop
            ):
                raise _Uneven
            block, outer = open_blocks[-1]
            if piece.word in ("elif", "else"):
                block.ways.append((piece, []))
                level = block.ways[-1][1]
            else:
                open_blocks.pop()
                level = outer
        else:
            level.append(piece)
    if open_blocks:
        raise _Uneven
    return top


def _loop(piece: Piece) -> bool:
    return piece.word == "endfor"


def _blocks(nodes: Sequence[_Node]) -> Iterator[_Block]:
    for node in nodes:
        if isinstance(node, _Block):
            yield node
            for _, inner in node.ways:
                yield from _blocks(inner)


def _trials(blocks: Sequence[_Block]) -> Iterator[tuple[_Choice, str]]:
    """What is tried: all data, with all blocks gone through and with none, and each block unlike all others."""

    def all_first(block: _Block) -> Sequence[int]:
        return (0, 0) if block.loop else (0,)

    def all_last(block: _Block) -> Sequence[int]:
        return (len(block.ways) - 1,) if block.ways[-1][0].word == "else" else ()

    def but(one: int, ways: Sequence[int], usual: _Choice) -> _Choice:
        return lambda block: ways if block.number == one else usual(block)

    yield all_first, "w#"
    yield all_first, "two w#"
    yield all_first, ""
    yield all_last, "w#"
    for block in blocks[:_TRIED]:
        yield but(block.number, (0,), all_last), "w#"
        yield but(block.number, (), all_first), "w#"
        for way in range(0 if block.loop else 1, len(block.ways)):
            yield but(block.number, (way,), all_first), "w#"


def _told(nodes: Sequence[_Node], choice: _Choice, say: Callable[[Piece], str]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, _Block):
            for way in choice(node):
                yield from _told(node.ways[way][1], choice, say)
        elif node.kind == "text":
            yield node.text
        elif node.kind == "print":
            yield say(node)
