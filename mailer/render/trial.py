"""The child that tries a template: one JSON value on stdin, one JSON line per sample on stdout.

Run as `python -m mailer.render.trial` by `vet.py`, once for each template; so it loads no more than it needs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from mailer.errors import RenderError
from mailer.render.beyond import Trials
from mailer.render.guard import limit_memory, limit_processor

PROCESSOR = 30  # seconds of processor time


def pack(value: Any) -> Any:
    """Plain data as JSON; what JSON has no form for becomes `{"$": kind, "v": text}`.

    Raises:
        RenderError: something that is not plain data.
    """
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, Mapping):
        return {"$": "map", "v": {str(key): pack(inner) for key, inner in value.items()}}
    if isinstance(value, (list, tuple)):
        return [pack(inner) for inner in value]
    if isinstance(value, (datetime, date)):
        return {"$": "instant" if isinstance(value, datetime) else "date", "v": value.isoformat()}
    if isinstance(value, Decimal):
        return {"$": "decimal", "v": str(value)}
    raise RenderError(f"a sample holds a {type(value).__name__}; templates take plain data only")


def unpack(value: Any) -> Any:
    """The inverse of `pack`; tuples come back as lists."""
    if isinstance(value, list):
        return [unpack(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    kind, inner = value["$"], value["v"]
    if kind == "map":
        return {key: unpack(each) for key, each in inner.items()}
    if kind == "decimal":
        return Decimal(inner)
    return datetime.fromisoformat(inner) if kind == "instant" else date.fromisoformat(inner)


def _main() -> None:
    task = json.load(sys.stdin)
    limit_memory(task["memory"])
    limit_processor(PROCESSOR)
    trials = Trials(task["parts"])
    for _name, context, locale, tenant_locale, zone in task["samples"]:
        try:
            found = trials.faults(unpack(context), locale, tenant_locale, ZoneInfo(zone))
        except RenderError as error:
            found = [error]
        said = [[each.message, each.file, each.line] for each in found]
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
