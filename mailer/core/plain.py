"""Values as JSON has them: what the command line, the API and pages show alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any


def instant_text(instant: datetime) -> str:
    """RFC 3339 in UTC, with `Z`, in whole seconds."""
    # Not strftime: it writes the year 1, which many a system has for "unknown", without its noughts.
    return f"{instant.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"


def plain(value: Any) -> Any:
    """A value as JSON has it: instants as RFC 3339, sums as text, of collections each part."""
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    return value
