"""Pools of uploaded codes: a row of a file, what is left, and when that is too little. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mailer.core.cell import CellFault, line_of
from mailer.core.coupon import MOST_CODE, CouponState
from mailer.core.importing import Row, RowFault

#: The column; others are ignored.
FIELDS = ("code",)

#: A pool with less than this share of its codes left is low.
LOW_SHARE = 10  # percent


@dataclass(frozen=True, slots=True)
class PoolCode:
    """A code of a file."""

    line: int
    code: str


@dataclass(frozen=True, slots=True)
class Stock:
    """A pool's codes, counted by state."""

    pool: str
    codes: Mapping[CouponState, int]

    @property
    def available(self) -> int:
        """Codes nobody was given."""
        return self.codes.get(CouponState.AVAILABLE, 0)

    @property
    def total(self) -> int:
        """Every code that was ever loaded."""
        return sum(self.codes.values())

    def low(self, needed: int | None) -> str | None:
        """What is wrong with what is left, in words; None: it will do.

        `needed` is how many codes the next run takes, where that can be said.
        """
        if not self.available:
            return "is empty"
        if needed is not None and self.available < needed:
            return "has fewer codes left than the next run needs"
        if self.available * 100 < self.total * LOW_SHARE:
            return f"has less than {LOW_SHARE} % of its codes left"
        return None


def read_code(row: Row) -> PoolCode | RowFault:
    """The code of a row, or why it cannot be one."""
    try:
        code = line_of(row.values.get("code"), MOST_CODE)
    except CellFault as error:
        return RowFault(row.line, "code", str(error))
    if not code:
        return RowFault(row.line, "code", "The row has no code.")
    if not code.isprintable() or any(letter.isspace() for letter in code):
        return RowFault(row.line, "code", "A code may hold no space and nothing invisible.")
    return PoolCode(row.line, code)
