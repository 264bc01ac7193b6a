"""How rows and facts are laid out for a person, also where the terminal is narrow. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

Row = Mapping[str, str]

_GAP = "  "
_INDENT = "    "
_SENTENCE = 24  # cells; a longer text with blanks in it may be folded at them
_ALONE = 60  # cells; fields that need more than that stand below each other


@dataclass(frozen=True)
class Column:
    """One column: its heading, its cells, and where they stand."""

    title: str
    cells: tuple[str, ...]
    right: bool = False

    @property
    def width(self) -> int:
        """Terminal cells of its widest text."""
        return max(map(cell_len, (self.title, *self.cells)))

    @property
    def folds(self) -> bool:
        """Whether it holds sentences, which may be folded between their words."""
        return any(cell_len(cell) > _SENTENCE and " " in cell for cell in self.cells)

    def at(self, text: str, width: int) -> str:
        """A text in its place."""
        return " " * (width - cell_len(text)) + text if self.right else set_cell_size(text, width)


def laid_out(columns: Sequence[Column], width: int) -> Iterator[Text]:
    """The lines of a table, its heading first.

    Where `width` cells do not hold it, columns with nothing in them are left out and sentences are folded; where that
    is not enough, each row takes several lines, and so does the heading. No word is ever cut to fit.
    """
    if _total(columns) > width:
        columns = [column for column in columns if any(column.cells)]
    widths = _folded(columns, width)
    bands = [(columns, widths)] if widths else list(_bands(columns, width))
    for number in range(-1, len(columns[0].cells) if columns else 0):
        for place, (band, sizes) in enumerate(bands):
            texts = [column.title if number < 0 else column.cells[number] for column in band]
            if number < 0 or place == 0 or any(texts):
                line = _lines(band, sizes, texts, _INDENT if place else "")
                yield from (Text(each, style="bold" if number < 0 else "") for each in line)


def _total(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1)


def _folded(columns: Sequence[Column], width: int) -> list[int] | None:
    """The columns' widths on one line, the last sentences folded where that helps; None where it does not."""
    over = _total(columns) - width
    sizes = [column.width for column in columns]
    for place in sorted(range(len(columns)), key=lambda place: sizes[place], reverse=True):
        if over > 0 and columns[place].folds:
            less = min(over, sizes[place] - max(_SENTENCE, cell_len(columns[place].title)))
            sizes[place] -= less
            over -= less
    return sizes if over <= 0 else None


def _bands(columns: Sequence[Column], width: int) -> Iterator[tuple[list[Column], list[int]]]:
    """As many columns on each line as fit there, in their order."""
    band: list[Column] = []
    indent = 0
    for column in columns:
        if band and indent + _total([*band, column]) > width:
            yield band, _within(band, width - indent)
            band, indent = [], len(_INDENT)
        band.append(column)
    if band:
        yield band, _within(band, width - indent)


def _within(band: list[Column], width: int) -> list[int]:
    return [min(column.width, max(width, 1)) for column in band]


def _lines(
    columns: Sequence[Column], sizes: Sequence[int], texts: Sequence[str], indent: str
) -> Iterator[str]:
    """One row of one band; more lines than one where a sentence is folded."""
    folded = [fold(text, size) for text, size in zip(texts, sizes, strict=True)]
    for number in range(max(map(len, folded))):
        cells = [
            column.at(parts[number] if number < len(parts) else "", size)
            for column, parts, size in zip(columns, folded, sizes, strict=True)
        ]
        yield (indent + _GAP.join(cells)).rstrip()


def fold(text: str, width: int) -> list[str]:
    """A text in lines of `width` cells, between its words; a longer word is broken."""
    if cell_len(text) <= width:
        return [text]
    lines = [""]
    for word in text.split(" "):
        rest = word
        glue = " " if lines[-1] else ""
        if cell_len(lines[-1] + glue + rest) <= width:
            lines[-1] += glue + rest
            continue
        if lines[-1]:
            lines.append("")
        while cell_len(rest) > width and len(rest) > 1:
            cut = next(n for n in range(len(rest) - 1, 0, -1) if cell_len(rest[:n]) <= width or n == 1)
            lines[-1] = rest[:cut]
            rest = rest[cut:]
            lines.append("")
        lines[-1] = rest
    return lines


def in_fields(fields: Mapping[str, object], width: int) -> Iterator[Text]:
    """The lines of one fact: its fields below each other, what belongs to one of them set in; empty ones are left out.

    Values are texts, further mappings, or lists of either.
    """
    wide = max((cell_len(name) for name, value in fields.items() if filled(value)), default=0)
    for name, value in fields.items():
        if not filled(value):
            continue
        space = max(width - wide - len(_GAP), _SENTENCE)
        for number, line in enumerate(_value(value, space)):
            label = set_cell_size(name if number == 0 else "", wide) + _GAP
            yield Text.assemble((label, "dim"), line)


def filled(value: object) -> bool:
    """Whether there is anything to show of it."""
    if isinstance(value, Mapping):
        return any(map(filled, value.values()))
    if isinstance(value, list):
        return any(map(filled, value))
    return value != ""


def _value(value: object, width: int) -> Iterator[Text]:
    parts = _inline(value)
    if parts is not None and (not isinstance(value, Mapping) or cell_len(parts) <= min(width, _ALONE)):
        yield from map(Text, fold(parts, width))
    elif isinstance(value, Mapping):
        yield from in_fields(value, width)
    elif isinstance(value, list):
        for each in filter(filled, value):
            for number, line in enumerate(_value(each, width - 2)):
                yield Text.assemble("- " if number == 0 and len(value) > 1 else "  " * (len(value) > 1), line)


def _inline(value: object) -> str | None:
    """On one line; None: it is too deep for that."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        if any(isinstance(each, Mapping) for each in value):
            return None
        return ", ".join(filter(None, (_inline(each) or "" for each in value)))
    if isinstance(value, Mapping):
        inner = {name: _inline(each) for name, each in value.items() if filled(each)}
        if any(each is None for each in inner.values()):
            return None
        return "; ".join(f"{name} {each}" for name, each in inner.items())
    return str(value)
