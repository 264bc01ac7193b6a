"""A log of JSON lines that another process may be writing to while it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def noted(log: Path) -> list[dict[str, Any]]:
    """The lines that are whole: of one that is just being written a reader may see the beginning alone."""
    whole, _, _ = log.read_bytes().rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines()]
