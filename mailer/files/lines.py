"""The lines of a text file, numbered and of bounded length, whatever is in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from io import TextIOWrapper

from mailer.files.sniff import damaged

MOST_LINE = 1 << 20  # characters; a longer line is skipped as one fault

TOO_LONG = f"The line is longer than {MOST_LINE:,} characters."
DAMAGED = "The line is not valid UTF-8; save the file as UTF-8 and import it again."


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line with its ending, or the fault that stands in its place."""

    number: int
    text: str
    fault: str = ""


class Lines:
    """Reads on from where `text` stands; lines can be given back to be read again."""

    def __init__(self, text: TextIOWrapper) -> None:
        self._text = text
        self._number = 0
        self._back: deque[Line] = deque()

    def next(self) -> Line | None:
        """The next line; None at the end."""
        if self._back:
            return self._back.popleft()
        text = self._text.readline(MOST_LINE + 1)
        if not text:
            return None
        self._number += 1
        if len(text) > MOST_LINE and not text.endswith(("\n", "\r")):
            while text and not text.endswith(("\n", "\r")):
                text = self._text.readline(MOST_LINE)
            return Line(self._number, "", TOO_LONG)
        return Line(self._number, text, DAMAGED if damaged(text) else "")

    def give_back(self, lines: Iterable[Line]) -> None:
        """To be read next, in their order."""
        self._back.extendleft(reversed(list(lines)))
