"""What can be seen of this machine: a folder, its disk, who may read a file, the time zones."""

from __future__ import annotations

import shutil
import tempfile
import zoneinfo
from importlib.metadata import version
from pathlib import Path

from mailer.core.doctor.seen import FileSeen


def writable(folder: Path) -> str:
    """Why nothing can be written into a folder, which is made if it is missing; empty: something can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"mailer doctor")
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def free(folder: Path) -> int | None:
    """Bytes that are free where a folder lies."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def mode(file: Path, what: str) -> FileSeen:
    """Who may read a file."""
    try:
        return FileSeen(str(file), what, file.stat().st_mode & 0o777)
    except OSError:
        return FileSeen(str(file), what, None)


def zones() -> tuple[int, str]:
    """How many time zones are known, and from which edition of the data."""
    return len(zoneinfo.available_timezones()), f"tzdata {version('tzdata')}"
