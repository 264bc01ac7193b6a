"""Imported files as values: rows, their faults, which column is which field, and what an import came to."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailer.core.cell import CellFault, attribute_name
from mailer.errors import UsageError

MOST_EXAMPLES = 20  # changes and warnings kept for a person to read
MOST_LINES = 5  # of warnings that say the same


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: what stands under each field, empty cells left out."""

    line: int  # 1-based; of a row over several lines, the first
    values: Mapping[str, Any]
    size: int = 0  # characters it was read from


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why a row, or one value of it, was not taken."""

    line: int
    field: str
    reason: str  # one sentence

    def as_json(self) -> dict[str, Any]:
        """As the contract writes it."""
        return {"line": self.line, "field": self.field, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one record, before and after; a record that is new has the field `id` only, and all it brings."""

    id: str
    field: str
    old: Any
    new: Any


class Columns:
    """Which field a column of a file is. Case, spaces, `-` and `_` of a known field's name do not matter."""

    def __init__(self, fields: Collection[str], renamed: Mapping[str, str] | None = None) -> None:
        self.fields = frozenset(fields)
        self.renamed = dict(renamed or {})
        self._known = {_fold(name): name for name in fields}
        self._tolerant = {_fold(column): name for column, name in self.renamed.items()}
        self._seen: dict[str, str] = {}

    @classmethod
    def mapped(cls, fields: Collection[str], maps: Iterable[str]) -> Columns:
        """With renamings as people write them, `COLUMN=FIELD`, a field of ours or an attribute's name.

        Raises:
            UsageError: one that cannot be read, or a column renamed twice.
        """
        plain = cls(fields)
        renamed: dict[str, str] = {}
        for text in maps:
            column, equals, name = text.rpartition("=")
            column = column.strip()
            if not equals or not column:
                raise UsageError(
                    f"--map {text!r} cannot be read; write COLUMN=FIELD, such as --map 'E-Posta=email'."
                )
            if column in renamed:
                raise UsageError(f"--map names the column {column!r} twice.")
            try:
                renamed[column] = plain.field(name)
            except CellFault as error:
                raise UsageError(f"--map {text!r}: {error}") from None
        return cls(fields, renamed)

    def field(self, column: str) -> str:
        """The field of ours `column` is, else the attribute it becomes.

        Raises:
            CellFault: a name no attribute may have.
        """
        name = self._seen.get(column)
        if name is None:
            folded = _fold(column)
            name = (
                self.renamed.get(column.strip())
                or self._tolerant.get(folded)
                or self._known.get(folded)
                or attribute_name(column)
            )
            if len(self._seen) < 10_000:  # noqa: PLR2004 (JSON rows may each bring new names; memory stays flat)
                self._seen[column] = name
        return name


def _fold(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.casefold())


@dataclass(slots=True)
class Alike:
    """Warnings that say the same of the same column."""

    count: int = 0
    lines: list[int] = field(default_factory=list)  # the first few
    taken: bool = True  # what the rows say, all the same


@dataclass(slots=True)
class ImportReport:
    """What an import came to. `rejected` is complete; examples and warnings are the first few."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int | None = None  # lists: members of before who are none now
    rejected: list[RowFault] = field(default_factory=list)
    placeholders: int = 0  # dates such as 1970-01-01 that no greeting will go out for
    warnings: list[RowFault] = field(default_factory=list)  # of rows that are not rejected
    alike: dict[tuple[str, str], Alike] = field(default_factory=dict)  # warnings by column and sentence
    changed: int = 0  # fields, counted as changes are
    changes: list[Change] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows looked at."""
        return self.created + self.updated + self.unchanged + len(self.rejected)

    def warn(self, warnings: Iterable[RowFault], *, taken: bool = True) -> None:
        """Keep the first few warnings; and count each kind, with the first of it. `taken`: the rows are."""
        for warning in warnings:
            kind = (warning.field, warning.reason)
            if kind in self.alike or len(self.alike) < MOST_EXAMPLES:
                alike = self.alike.setdefault(kind, Alike(taken=taken))
                alike.count += 1
                if len(alike.lines) < MOST_LINES:
                    alike.lines.append(warning.line)
            if len(self.warnings) < MOST_EXAMPLES:
                self.warnings.append(warning)

    def show(self, changes: Sequence[Change]) -> None:
        """Count changes, and keep the first few."""
        self.changed += len(changes)
        self.changes += changes[: MOST_EXAMPLES - len(self.changes)]

    def as_json(self) -> dict[str, Any]:
        """As the contract writes it."""
        plain: dict[str, Any] = {
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
        }
        if self.removed is not None:
            plain["removed"] = self.removed
        return plain | {"rejected": [fault.as_json() for fault in self.rejected]}
