"""Files for the state's registry of consent: JSON Lines under its own names, whole or not there at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import count
from pathlib import Path

from mailer.errors import FileFault


def write(folder: Path, records: Iterable[Mapping[str, str]], now: datetime) -> Path:
    """Write one file and bring it to disk; its name says when, and is no other's.

    Raises:
        FileFault: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file, half = _reserved(folder, f"iys-{now:%Y%m%dT%H%M%SZ}")
        try:
            with half.open("w", encoding="utf-8") as out:
                for record in records:
                    out.write(json.dumps(record, ensure_ascii=False) + "\n")
                out.flush()
                os.fsync(out.fileno())
            half.rename(file)
        except BaseException:
            half.unlink()
            raise
    except OSError as error:
        raise FileFault(f"cannot be written ({error.strerror or error})", str(folder)) from None
    return file


def _reserved(folder: Path, stem: str) -> tuple[Path, Path]:
    """A name that is nobody's, and the half-written file that keeps others from it."""
    for number in count(1):
        file = folder / f"{stem}-{number:03d}.jsonl"
        half = file.with_suffix(".part")
        try:
            os.close(os.open(half, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            continue
        if not file.exists():  # whoever had the name before us gave up the half-written file for it
            break
        half.unlink()
    return file, half
