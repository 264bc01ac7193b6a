"""The kinds of columns the tables are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Integer,
    MetaData,
    TypeDecorator,
)
from sqlalchemy import Text as AnyText
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


#: Where a column says which table it refers to, if no foreign key does.
REFERS = "refers to"


class Instant(TypeDecorator[datetime]):
    """An aware instant. `timestamptz` on PostgreSQL; sortable UTC text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive values; SQLite has no zone to keep."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs its time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Always UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Id = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER PRIMARY KEY counts up by itself on SQLite
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
#: Compared byte by byte, as SQLite does. By a language's rules PostgreSQL takes longer for each step into an index, and
#: the index is wrong once a new system brings other rules (PostgreSQL documentation, "Collation Support").
Text = AnyText().with_variant(AnyText(collation="C"), "postgresql")
Numbers = JSON().with_variant(ARRAY(BigInteger), "postgresql")


def key() -> Column[int]:
    """The number of a row."""
    return Column("id", Id, primary_key=True)


def reference(name: str, target: str, **options: Any) -> Column[int]:
    """The number of a row of `target`."""
    return Column(name, Id, ForeignKey(target), **options)


def locked_reference(name: str, target: str, **options: Any) -> Column[int]:
    """The same for rows that are only written while the one referred to is locked: no foreign key looks again.

    PostgreSQL would look the row up, and lock it once more, for each that is written.
    """
    return Column(name, Id, info={REFERS: target.partition(".")[0]}, **options)
