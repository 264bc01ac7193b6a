"""What belongs to a customer: every table that refers to one, whichever there will be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Table

from mailer.store.tables import customer, metadata
from mailer.store.tables.columns import REFERS


def referring(to: Table) -> Iterator[tuple[Table, Column[Any]]]:
    """Every table with a column that refers to `to`, those that others refer to last."""
    for table in reversed(metadata.sorted_tables):
        for column in table.columns:
            if column.info.get(REFERS) == to.name or any(
                key.column.table is to for key in column.foreign_keys
            ):
                yield table, column


def belonging() -> list[tuple[Table, Column[Any]]]:
    """Tables whose rows are about one customer, with the column that says which."""
    return list(referring(customer))
