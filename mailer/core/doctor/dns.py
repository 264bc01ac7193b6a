"""Questions to the DNS and what was answered, as values.

A check asks a `Book` of answers. What is not in it yet ends the check with `Wanted`; whoever runs it finds out, adds it
to the book and runs the check again, until it gets through. So checks are plain functions, and nobody waits in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a question was answered."""

    FOUND = "found"
    NO_DATA = "no such record"
    NO_NAME = "no such name"  # NXDOMAIN
    FAILED = "the servers of the domain fail"  # SERVFAIL, REFUSED and the like
    SILENT = "no answer in time"
    NO_NAMESERVER = "no nameserver can be asked"


@dataclass(frozen=True, slots=True)
class Question:
    """A name, in small letters without the last dot, and a type of record."""

    name: str
    kind: str  # A, AAAA, MX, PTR, TXT

    @classmethod
    def of(cls, name: str, kind: str) -> Question:
        """The question, however the name was written."""
        return cls(name.lower().rstrip("."), kind)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. A TXT record's strings are joined; an MX record is `10 host`; names have no last dot."""

    status: Status
    values: tuple[str, ...] = ()
    canonical: str = ""  # the name they were found under, where that is another (CNAME)

    @property
    def known(self) -> bool:
        """Whether the DNS said what there is, if only that there is nothing."""
        return self.status in (Status.FOUND, Status.NO_DATA, Status.NO_NAME)


class Wanted(Exception):
    """A check needs answers that nobody has yet."""

    def __init__(self, questions: Sequence[Question]) -> None:
        super().__init__(questions)
        self.questions = tuple(questions)


class Book:
    """Answers so far. A closed one has an answer to everything: what is missing was not answered in time."""

    def __init__(self, answers: Mapping[Question, Answer], *, closed: bool = False) -> None:
        self._answers = answers
        self._closed = closed

    def ask(self, name: str, kind: str) -> Answer:
        """One answer.

        Raises:
            Wanted: it is not known yet.
        """
        return self.all([Question.of(name, kind)])[0]

    def all(self, questions: Sequence[Question]) -> list[Answer]:
        """Several, found out together.

        Raises:
            Wanted: some are not known yet.
        """
        missing = [each for each in questions if each not in self._answers]
        if missing and not self._closed:
            raise Wanted(missing)
        return [self._answers.get(each, Answer(Status.SILENT)) for each in questions]


def parents(name: str) -> list[str]:
    """The name itself and every name above it, the longest first."""
    labels = name.split(".")
    return [".".join(labels[at:]) for at in range(len(labels))]


def is_below(name: str, above: str) -> bool:
    """Whether a name is another or lies below it."""
    return name == above or name.endswith(f".{above}")
