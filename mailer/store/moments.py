"""Instants and days as hot statements give and find them: text on SQLite, values on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any


def known(value: Any) -> datetime:
    """An instant as a reading gives it, aware, in UTC."""
    return value.astimezone(UTC) if isinstance(value, datetime) else _read(value)


@lru_cache(256)  # the rows of a chunk share most of theirs
def _read(value: str) -> datetime:
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def instant(value: Any) -> datetime | None:
    """An instant that may be missing; see `known`."""
    return None if value is None else known(value)


def known_day(value: Any) -> date:
    """A date as a reading gives it."""
    return value if isinstance(value, date) else date.fromisoformat(value)


def day(value: Any) -> date | None:
    """A date that may be missing."""
    return None if value is None else known_day(value)


def as_kept(value: Any) -> Any:
    """A value as SQLite takes it."""
    return spelled(value) if isinstance(value, date) else value


@lru_cache(64)  # the rows of a wave share most of theirs
def spelled(value: Any) -> str:
    """As SQLAlchemy keeps instants and days on SQLite."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value)} is no value of a row")
