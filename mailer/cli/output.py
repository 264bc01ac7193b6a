"""How verbs speak: facts on stdout, as a table or as JSON lines; everything else for people on stderr."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from mailer.cli.tables import Column, in_fields, laid_out
from mailer.core.plain import plain

Row = Mapping[str, Any]

# OWASP, CSV injection; some programs read the wide forms of East Asian keyboards alike.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class ReaderGone(Exception):
    """Whoever read our output has left."""


class Unprintable(Exception):
    """Our output cannot be written: the disk is full, say."""


class Sheet:
    """Standard output, which says so when it cannot be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write.

        Raises:
            Unprintable: it is full.
            BrokenPipeError: nobody reads it any more.
        """
        with _writing():
            return self._stream.write(text)

    def flush(self) -> None:
        """Write what is left; raises as `write` does."""
        with _writing():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as fault:
        raise Unprintable(fault.strerror or str(fault)) from None


@asynccontextmanager
async def given_back(rows: AsyncIterable[Any]) -> AsyncIterator[None]:
    """Let a stream give its connection back before the loop ends, also when its reader leaves in the middle."""
    try:
        yield
    finally:
        if isinstance(rows, AsyncGenerator):
            await rows.aclose()


class Paper(Console):
    """A console that says when its reader left, where Rich would end the process."""

    def on_broken_pipe(self) -> None:
        """Let the verb end."""
        raise ReaderGone


errors = Paper(stderr=True, highlight=False, soft_wrap=True)
facts = Paper(highlight=False)
if not facts.is_terminal:
    facts = Paper(highlight=False, width=1_000)  # a pipe has no edge to fold at


def as_line(row: Row) -> str:
    """One JSON line."""
    return json.dumps(plain(row), ensure_ascii=False)


def shown(value: Any) -> str:
    """A value in a table's cell."""
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(shown(inner) for inner in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(inner)}" for key, inner in value.items())
    return "".join(letter if letter.isprintable() else "�" for letter in str(value))


def _texts(value: Any) -> Any:
    """The same with a text in place of each value; mappings and lists stay."""
    if isinstance(value, dict):
        return {key: _texts(inner) for key, inner in value.items()}
    return [_texts(inner) for inner in value] if isinstance(value, list) else shown(value)


def harmless(value: Any) -> Any:
    """A CSV cell that no spreadsheet takes for a formula: an apostrophe before what could begin one."""
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def tell(sentence: str) -> None:
    """A sentence for the person at the terminal; what the verb does goes on when nobody is there any more.

    It may quote what a file or a server said: no control of a terminal is left in it.
    """
    plainly = "".join(letter if letter.isprintable() or letter in "\n\t" else "�" for letter in sentence)
    with suppress(OSError, ReaderGone):
        errors.print(Text(plainly))


def counted(number: int, noun: str) -> str:
    """`1 fault`, `2 faults`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def are(number: int) -> str:
    """`is` of one, `are` of more."""
    return "is" if number == 1 else "are"


class Output:
    """Prints the facts of one verb, as its caller wants them."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def one(self, row: Row) -> None:
        """A single fact: a JSON line, or its fields below each other."""
        if self.as_json:
            print(as_line(row))  # noqa: T201 - stdout is the product here
            return
        for line in in_fields(_texts(plain(dict(row))), facts.width):
            facts.print(line, soft_wrap=True)

    def many(self, rows: Iterable[Row], columns: Sequence[str], empty: str) -> None:
        """Rows with these columns; `empty` is said where there are none."""
        if self.as_json:
            for row in rows:
                print(as_line(row))  # noqa: T201 - stdout is the product here
            return
        self._table(list(rows), columns, empty)

    async def stream(self, rows: AsyncIterable[Row], columns: Sequence[str], empty: str) -> None:
        """The same of a stream; JSON lines come as they are found, however many."""
        if self.as_json:
            async with given_back(rows):
                async for row in rows:
                    print(as_line(row))  # noqa: T201 - stdout is the product here
            return
        self._table([row async for row in rows], columns, empty)

    async def csv(self, rows: AsyncIterable[Row], columns: Sequence[str]) -> None:
        """The same as a CSV file with a header (RFC 4180); no cell of it is a formula to a spreadsheet."""
        if self.as_json:
            await self.stream(rows, columns, "")
            return
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        async with given_back(rows):
            async for row in rows:
                writer.writerow([harmless(plain(row.get(column))) for column in columns])

    def _table(self, rows: Sequence[Row], columns: Sequence[str], empty: str) -> None:
        if not rows:
            tell(empty)
            return
        laid = [
            Column(
                column.replace("_", " "),
                tuple(shown(row.get(column)) for row in rows),
                right=all(_is_number(row.get(column)) for row in rows),
            )
            for column in columns
        ]
        for line in laid_out(laid, facts.width):
            facts.print(line, soft_wrap=True)


def _is_number(value: Any) -> bool:
    """Whether it stands on the right: a number, a share of a hundred, or nothing at all."""
    if isinstance(value, str):
        return value == "" or value.endswith("%")
    return isinstance(value, int | float | None)
