"""Rows of a file people hand us, CSV or JSON Lines, one at a time in flat memory, however large or hostile.

CSV is RFC 4180 with `,`, `;` or tab, told from the header. What cannot be read is a `RowFault` in the place
of its row, and reading goes on with the next line: no quotation mark left open swallows the rest of a file.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, Self

from mailer.core.cell import CellFault, once
from mailer.core.importing import Columns, Row, RowFault
from mailer.errors import FileFault
from mailer.files.lines import Line, Lines
from mailer.files.sniff import open_file, sniff

MOST_COLUMNS = 500
MOST_RECORD_LINES = 100  # of one CSV record, whose quoted values may hold line breaks
MOST_RECORD = 1 << 18  # characters of a record beyond its first line

_DELIMITERS = ",;\t"
_QUOTED = re.compile(r'"[^"]*"')
_OPEN = "A quotation mark is opened and not closed; double it, or put the value in quotation marks."


class RowFile:
    """A file of rows. Iterate it once.

    Args:
        path: of the file.
        columns: which column is which field.
        required: fields one of which a CSV header must have.
        single: the field of each line, for a file that is one value a line and has no header.
    """

    def __init__(
        self, path: Path, columns: Columns, *, required: Collection[str] = (), single: str | None = None
    ) -> None:
        self.path = path
        self._columns = columns
        self._required = required
        self._single = single
        self._file = open_file(path)
        try:
            self.size = path.stat().st_size  # bytes; 0 when it is not known, as of a pipe
            self._kind = sniff(self._file, path)
        except BaseException:
            self._file.close()
            raise
        self._position = 0

    @property
    def position(self) -> int:
        """Bytes read so far, for a progress bar."""
        return self._position

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Row | RowFault]:
        """Every row or its fault, in the order of the file.

        Raises:
            FileFault: the header cannot be used.
        """
        errors = "replace" if self._kind.encoding == "utf-16" else "surrogateescape"
        text = TextIOWrapper(self._file, self._kind.encoding, errors=errors, newline="")
        try:
            lines = Lines(text)
            read = self._objects if self._kind.json else self._records
            for count, row in enumerate(read(lines)):
                if count % 256 == 0:
                    self._position = self._tell()
                yield row
            self._position = self.size or self._position
        finally:
            text.close()

    def _tell(self) -> int:
        return self._file.tell() if self._file.seekable() else self._position

    def _objects(self, lines: Lines) -> Iterator[Row | RowFault]:
        while (line := lines.next()) is not None:
            if line.fault:
                yield RowFault(line.number, "", line.fault)
            elif line.text.strip():
                yield self._object(line)

    def _object(self, line: Line) -> Row | RowFault:
        values = _json(line.text)
        if isinstance(values, str):
            return RowFault(line.number, "", values)
        row: dict[str, Any] = {}
        for key, value in values.items():
            try:
                name = self._columns.field(key)
            except CellFault as error:
                return RowFault(line.number, key[:100], str(error))
            if name in row:
                return RowFault(line.number, name, f"Two keys of the object mean {name}.")
            if value not in (None, ""):
                row[name] = value
        return Row(line.number, row, len(line.text))

    def _records(self, lines: Lines) -> Iterator[Row | RowFault]:
        first = self._header_line(lines)
        if first is None:
            return
        delimiter = _delimiter(first.text)
        taken = [first]
        cells = _record(taken, lines, delimiter)
        if isinstance(cells, str):
            raise FileFault(cells.rstrip("."), str(self.path), line=first.number)
        if self._single is not None and not self._has_header(cells):
            lines.give_back(taken)
            yield from self._values(lines, self._single)
            return
        fields = self._header(cells, first.number)
        width = len(fields)
        while (line := lines.next()) is not None:
            if line.fault:
                yield RowFault(line.number, "", line.fault)
                continue
            taken = [line]
            found = _record(taken, lines, delimiter)
            if isinstance(found, list) and len(found) > width and not any(found[width:]):
                del found[width:]
            if isinstance(found, list) and len(found) != width and any(found):
                found = f"The row has {len(found)} cells and the header {width}."
            if isinstance(found, str):
                # The lines a faulty record took along may be rows of their own.
                lines.give_back(taken[1:])
                yield RowFault(line.number, "", found)
            elif any(found):
                named = zip(fields, found, strict=True)
                values = {name: cell for name, cell in named if name and cell}
                yield Row(line.number, values, sum(len(one.text) for one in taken))

    def _values(self, lines: Lines, field: str) -> Iterator[Row | RowFault]:
        while (line := lines.next()) is not None:
            if line.fault:
                yield RowFault(line.number, "", line.fault)
            elif value := line.text.strip().strip('"'):
                yield Row(line.number, {field: value})

    def _header_line(self, lines: Lines) -> Line | None:
        """The first line with anything in it, after Excel's `sep=;` if it is there."""
        while (line := lines.next()) is not None:
            if line.fault:
                raise FileFault(line.fault.rstrip("."), str(self.path), line=line.number)
            if line.text.strip() and not re.fullmatch(r"sep=.\s*", line.text):
                return line
        return None

    def _has_header(self, cells: Sequence[str]) -> bool:
        try:
            return any(self._columns.field(cell) in self._columns.fields for cell in cells if cell.strip())
        except CellFault:
            return False

    def _header(self, cells: Sequence[str], line: int) -> list[str]:
        def fault(message: str) -> FileFault:
            return FileFault(message, str(self.path), line=line)

        if len(cells) > MOST_COLUMNS:
            raise fault(f"has {len(cells):,} columns, and at most {MOST_COLUMNS} are read")
        fields: list[str] = []
        for number, cell in enumerate(cells, 1):
            try:
                name = (
                    self._columns.field(cell) if cell.strip() else ""
                )  # a column without a name is left out
            except CellFault as error:
                raise fault(f"column {number}: {error}") from None
            if name and name in fields:
                raise fault(f"two columns mean {name}; rename one with --map COLUMN=FIELD")
            fields.append(name)
        for column in self._columns.renamed:
            if column not in (cell.strip() for cell in cells) and self._columns.renamed[column] not in fields:
                raise fault(f"has no column {column!r}, which --map names")
        if self._required and not any(name in fields for name in self._required):
            names = ", ".join(cell.strip() for cell in cells[:20])
            wanted = " or ".join(self._required)
            raise fault(
                f"has no column {wanted} in its header ({names}); name one with --map COLUMN={wanted}"
            )
        return fields


class _Runaway(Exception):
    """A record longer than any honest one."""


def _record(taken: list[Line], lines: Lines, delimiter: str) -> list[str] | str:
    """The cells of the record that begins with `taken`, which gains the lines it goes on over; or a fault."""
    first = taken[0].text
    if '"' not in first:
        return first.rstrip("\r\n").split(delimiter)
    room = MOST_RECORD

    def feed() -> Iterator[str]:
        nonlocal room
        yield first
        while (line := lines.next()) is not None:
            taken.append(line)
            room -= len(line.text)
            if line.fault or room < 0 or len(taken) > MOST_RECORD_LINES:
                raise _Runaway
            yield line.text

    try:
        cells = next(csv.reader(feed(), delimiter=delimiter, strict=True), [])
    except (csv.Error, _Runaway) as error:
        return f"The row cannot be read: {error}." if "field larger" in str(error) else _OPEN
    return cells


def _json(text: str) -> dict[str, Any] | str:
    """The object on a line, or what is wrong with it."""
    try:
        values = _READ(text)
    except RecursionError:
        return "The line nests lists or objects too deeply."
    except CellFault as error:
        return str(error)
    except ValueError as error:
        return f"The line is not a JSON object: {getattr(error, 'msg', None) or error}."
    if not isinstance(values, dict):
        return "The line is not a JSON object."
    return values if len(values) <= MOST_COLUMNS else f"The object has more than {MOST_COLUMNS} keys."


def _delimiter(header: str) -> str:
    plain = _QUOTED.sub("", header)
    return max(_DELIMITERS, key=plain.count)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


#: Made once: json.loads would make a decoder for each line.
_READ = json.JSONDecoder(parse_constant=_no_number, object_pairs_hook=once).decode
