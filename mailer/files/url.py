"""SQLite files as URLs. In those `%` and `?` have a meaning, in the names of folders they have none."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote

_PLAIN = "/ :@!$&'()*+,;=~#[]"  # what need not be hidden from whoever reads the URL


def sqlite_url(file: Path) -> str:
    """The URL of a file, whatever its folders are called."""
    return f"sqlite:///{quote(str(file), _PLAIN)}"


def sqlite_file(url: str) -> Path:
    """The file of such a URL."""
    return Path(unquote(url.partition(":///")[2].partition("?")[0]))
