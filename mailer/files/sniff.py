"""What a file people hand us is, told from its first bytes: text, in which encoding, CSV or JSON Lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path

from mailer.errors import FileFault

HEAD_BYTES = 1 << 18

_PACKED = (
    (b"PK\x03\x04", "is a ZIP archive or an Excel workbook; save the sheet as CSV UTF-8 and import that"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook; save the sheet as CSV UTF-8 and import that"),
    (b"\x1f\x8b", "is packed with gzip; unpack it first"),
    (b"BZh", "is packed with bzip2; unpack it first"),
    (b"\xfd7zXZ", "is packed with xz; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "is packed with zstd; unpack it first"),
    (b"PAR1", "is a Parquet file; export it as CSV UTF-8 and import that"),
    (b"SQLite format 3\x00", "is a database; export the table as CSV UTF-8 and import that"),
    (b"%PDF-", "is a PDF document; what is imported is CSV or JSON Lines"),
)
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII = re.compile("[^\x00-\x7f\udc80-\udcff]")

NOT_UTF8 = (
    "is not UTF-8, and looks like Windows-1254 or Latin text; save it as UTF-8 "
    "(in Excel: Save As, CSV UTF-8), or convert it with `iconv -f WINDOWS-1254 -t UTF-8`"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """How to read a file."""

    encoding: str
    json: bool


def open_file(path: Path) -> BufferedReader:
    """The file, opened for reading bytes.

    Raises:
        FileFault: it cannot be read.
    """
    try:
        if path.is_dir():
            raise FileFault("is a folder, not a file", str(path))
        return BufferedReader(FileIO(path), HEAD_BYTES)
    except OSError as error:
        raise FileFault(f"cannot be read: {error.strerror or error}", str(path)) from None


def sniff(file: BufferedReader, path: Path) -> Kind:
    """Look at the first bytes without taking them.

    Raises:
        FileFault: no text, or text in an encoding we do not read; one sentence says what to do.
    """
    head = file.peek(HEAD_BYTES)[:HEAD_BYTES]
    for magic, sentence in _PACKED:
        if head.startswith(magic):
            raise FileFault(sentence, str(path))
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    if encoding == "utf-8-sig" and head.count(0) > len(head) // 10:
        raise FileFault("is not a text file, or is UTF-16 without its mark; save it as UTF-8", str(path))
    whole = head[: len(head) & ~1] if encoding == "utf-16" else head
    text = whole.decode(encoding, "replace" if encoding == "utf-16" else "surrogateescape")
    if len(head) == HEAD_BYTES:
        text = text[:-4]  # the last character may be cut
    if _NOT_UTF8.search(text) and not _BEYOND_ASCII.search(text):
        raise FileFault(NOT_UTF8, str(path), line=1 + text.count("\n", 0, _first(text)))
    start = text.lstrip()
    if start.startswith("["):
        raise FileFault("begins with '['; write JSON Lines: an object a line, no list around them", str(path))
    json = start.startswith("{") or (not start and path.suffix.lower() in {".jsonl", ".ndjson", ".json"})
    if not start and not json:
        raise FileFault("is empty", str(path))
    return Kind(encoding, json)


def damaged(text: str) -> bool:
    """Whether a decoded line held bytes that are no UTF-8."""
    return not text.isascii() and _NOT_UTF8.search(text) is not None


def _first(text: str) -> int:
    found = _NOT_UTF8.search(text)
    return found.start() if found else 0
