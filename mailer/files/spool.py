"""The spool: what happened is appended here first, and taken into the database when that is there.

One file at a time for each process, in `state_dir/spool`, locked while it is written. Lines are gathered for a moment
and synchronised together. After a second a file is whole and the next is begun; whoever takes files in removes them.
What a process that died has left is whole as well. When all files together reach their limit, what comes is counted and
let go: a full disk would stop far more than a count of clicks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WHOLE_AFTER = 1.0  # seconds
_WHOLE_AT = 2_000_000  # bytes
_MOST_WAITING = 50_000  # lines that wait for the disk
_OPEN, _WHOLE = ".open", ".whole"


class Spool:
    """Writes lines. `put` is for the event loop; `flush` blocks and belongs in a thread."""

    def __init__(self, folder: Path, seconds: Callable[[], float], most_bytes: int) -> None:
        self._folder = folder
        self._seconds = seconds
        self._most = most_bytes
        self._name = secrets.token_hex(5)
        self._number = 0
        self._waiting: list[str] = []
        self._file: _Writing | None = None
        self.lost = 0  # lines let go because there was no room

    def put(self, line: str) -> None:
        """Take a line, which has no line end; it is on disk after the next `flush`."""
        if len(self._waiting) >= _MOST_WAITING:
            self.lost += 1
        else:
            self._waiting.append(line)

    def mark(self) -> str:
        """A name no other line of any process has."""
        self._number += 1
        return f"{self._name}.{self._number}"

    @property
    def idle(self) -> bool:
        """Whether a `flush` would do nothing."""
        return not self._waiting and self._file is None

    def flush(self, *, last: bool = False) -> None:
        """Write what waits, synchronised; begin a new file where one is whole, or this was the `last` time.

        Raises:
            OSError: the disk does not take it; it goes on waiting.
        """
        lines, count = self._waiting, len(self._waiting)
        if count:
            if self._file is None:
                if used(self._folder) >= self._most:
                    self.lost += count
                    del lines[:count]
                    return
                self._file = _Writing(self._folder, f"{self._seconds():017.6f}-{self._name}", self._seconds())
            self._file.append("\n".join(lines[:count]) + "\n")
            del lines[:count]  # more may have come meanwhile
        file = self._file
        if file is not None and (
            last or file.size >= _WHOLE_AT or self._seconds() - file.begun >= WHOLE_AFTER
        ):
            self._file = None
            file.close()


class _Writing:
    def __init__(self, folder: Path, name: str, begun: float) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / f"{name}{_OPEN}"
        draft = self._path.with_suffix(".new")  # nobody may find it before it is locked
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        self._handle = os.open(draft, flags, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            draft.rename(self._path)
        except OSError:
            os.close(self._handle)
            raise
        self.begun = begun
        self.size = 0

    def append(self, text: str) -> None:
        data = text.encode()
        try:
            self._write(data)
        except OSError:
            with contextlib.suppress(OSError):  # half a line must not join the next
                os.ftruncate(self._handle, self.size)
            raise
        self.size += len(data)

    def _write(self, data: bytes) -> None:
        if os.write(self._handle, data) != len(data):
            raise OSError("the spool could not be written")
        os.fdatasync(self._handle)

    def close(self) -> None:
        try:
            self._path.rename(self._path.with_suffix(_WHOLE))
        finally:  # without its lock it is taken in as what a process that died has left
            os.close(self._handle)


@dataclass(frozen=True, slots=True)
class Part:
    """A file that is whole, and will not change any more."""

    path: Path

    @property
    def name(self) -> str:
        """Of the file; no other ever has the same."""
        return self.path.name

    @property
    def lines(self) -> Sequence[str]:
        """What it holds; nothing, if its writer gave it its last name a moment ago: then it is found by that.

        Raises:
            OSError: it cannot be read.
        """
        try:
            # The last line of a process that died may have been cut.
            return self.path.read_text("utf-8", "replace").split("\n")[:-1]
        except FileNotFoundError:
            return ()


@contextmanager
def turn(folder: Path) -> Iterator[bool]:
    """Whether it is our turn to take files in; one process at a time does."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder / "turn.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def parts(folder: Path, most: int) -> list[Part]:
    """The oldest files that are whole, at most so many."""
    found: list[Part] = []
    for path in sorted(each for each in folder.glob("*") if each.suffix in (_OPEN, _WHOLE)):
        if len(found) == most:
            break
        if not _is_file(path) or (path.suffix == _OPEN and _written(path)):
            continue
        found.append(Part(path))
    return found


def used(folder: Path) -> int:
    """Bytes of all files."""
    size = 0
    for path in folder.glob("*"):
        with contextlib.suppress(OSError):
            size += path.stat().st_size
    return size


def waiting(folder: Path) -> tuple[int, float | None]:
    """Bytes that wait to be taken in, and the instant (seconds since the epoch) the oldest file was begun, if any."""
    size, since = 0, None
    for path in sorted(each for each in folder.glob("*") if each.suffix in (_OPEN, _WHOLE)):
        with contextlib.suppress(OSError, ValueError):  # taken in just now
            size += path.stat().st_size
            since = since or float(path.name.partition("-")[0])
    return size, since


def _is_file(path: Path) -> bool:
    """Whether it is a file and neither a link nor a pipe: nobody would ever write to the other end of that."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False  # taken in just now


def _written(path: Path) -> bool:
    """Whether somebody is writing it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
