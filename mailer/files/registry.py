"""Files for the state's registry of consent: JSON Lines under its own names, whole or not there at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from mailer.errors import FileFault


def write(folder: Path, records: Iterable[Mapping[str, str]], now: datetime) -> Path:
    """Write one file and bring it to disk; its name says when, and is no other's.

    Raises:
        FileFault: it cannot be written.
    """
    stem = f"iys-{now:%Y%m%dT%H%M%SZ}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = 1
        while (file := folder / f"{stem}-{number:03d}.jsonl").exists():
            number += 1
        half = file.with_suffix(".part")
        with os.fdopen(
            os.open(half, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8"
        ) as out:
            for record in records:
                out.write(json.dumps(record, ensure_ascii=False) + "\n")
            out.flush()
            os.fsync(out.fileno())
        half.rename(file)
    except OSError as error:
        raise FileFault(f"cannot be written ({error.strerror or error})", str(folder)) from None
    return file
