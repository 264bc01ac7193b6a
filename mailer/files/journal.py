"""The journal a sender keeps of what it is about to do: which message was being made, which final dot was written.

One file for each sender, in `state_dir/journal`: a page that says what is being made now, then records, only ever
appended. The file is mapped into memory and not synchronised, so a record costs no call into the system; it outlives
the process, not the machine. The database's `sending` mark outlives both; the journal narrows down, after a crash of
the process alone, which of the marked deliveries had really begun.

While its sender lives the file is locked (flock), so that nobody goes by the journal of a process that may still
be about to write a dot. It names the boot of the machine: what was written before a restart may be incomplete,
and is not gone by.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from mailer.core.delivery import Accepted, InDoubt, Outcome, Phase, Refused, Reply, TryLater
from mailer.core.intent import Dotted, Making, Told, Trace
from mailer.errors import FileFault

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_MAKING, _DOT, _TOLD = "making", "dot", "told"
_PAGE = 4096  # bytes
_AT_HAND = 512  # where in the page what is being made stands, as a line
_STEP = 65_536  # bytes the file grows by
_LINE_END = ord("\n")
_ACCEPTED, _LATER, _REFUSED, _DOUBT = "accepted", "later", "refused", "doubt"
_NAMES = {Accepted: _ACCEPTED, TryLater: _LATER, Refused: _REFUSED, InDoubt: _DOUBT}

#: Bytes after which what has become of no use is left out; all of them are in memory.
COMPACT_AT = 400_000
#: Times what is still of use: with much in hand it would else be written anew for every outcome.
_ROOM_TO_GROW = 4

Attempt = tuple[int, int]  # delivery, attempt


class Journal:
    """The journal of one sender, open for writing and locked. Its name is the token the sender signs on with."""

    def __init__(self, path: Path) -> None:
        self.token = path.stem
        self._path = path
        self._live: dict[int, str] = {}  # the last record of each delivery in hand
        self._file = _File(path)
        self._compact_at = COMPACT_AT

    @classmethod
    def create(cls, folder: Path) -> Self:
        """A new journal in `folder`.

        Raises:
            OSError: the folder or the file cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(folder / f"{secrets.token_hex(8)}.log")

    def making(self, attempt: Attempt) -> None:
        """Its message is being made: rendering runs alone in its process, so one place serves for all."""
        self._file.at_hand(b"%d\t%d\n" % attempt)

    def made(self) -> None:
        """The message is made, or cannot be."""
        self._file.at_hand(b"\n")

    def dot(self, attempt: Attempt) -> None:
        """Its final dot is about to be written.

        Raises:
            OSError: this could not be written down, so the dot must not be written.
        """
        self._note(attempt, _DOT)

    def told(self, attempt: Attempt, outcome: Outcome) -> None:
        """The relay's word, or what happened instead. Not being able to write it down only makes doubt."""
        with contextlib.suppress(OSError):
            self._note(attempt, f"{_TOLD}\t{_words(outcome)}")

    def done(self, deliveries: Sequence[int]) -> None:
        """Their outcomes stand in the database: this journal is no longer asked about them."""
        for each in deliveries:
            self._live.pop(each, None)
        if not self._live:  # replies often repeat an address, and nobody will ask for these any more
            self._file.cut()
        elif self._file.size > self._compact_at:
            with contextlib.suppress(OSError):
                self._compact()

    def close(self) -> None:
        """Let go of the file. It is removed when it leaves nothing open."""
        if not self._live:
            with contextlib.suppress(OSError):
                self._path.unlink()
        self._file.close()

    def _note(self, attempt: Attempt, words: str) -> None:
        line = f"{attempt[0]}\t{attempt[1]}\t{words}\n"
        self._file.append(line)
        self._live[attempt[0]] = line

    def _compact(self) -> None:
        """A new file with what still matters takes the old one's place, locked before anyone can see it."""
        draft = self._path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        file = _File(draft)
        try:
            for line in self._live.values():
                file.append(line)
            draft.replace(self._path)
        except OSError:
            file.close()
            raise
        self._file.close()
        self._file = file
        self._compact_at = max(COMPACT_AT, _ROOM_TO_GROW * file.size)


class _File:
    """A locked file, mapped: a page with the boot and what is at hand, then lines, then zeros."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._map: mmap.mmap | None = None
        self.size = self._room = 0
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.append(_boot().ljust(_PAGE - 1)[: _PAGE - 1] + "\n")
            self.at_hand(b"\n")
        except (OSError, ValueError):
            os.close(self._handle)
            path.unlink()  # nobody would ever ask for it
            raise

    def at_hand(self, words: bytes) -> None:
        """Say, in a line, what is being done now; what was said before is gone."""
        assert self._map is not None  # noqa: S101 - from the first line on
        self._map[_AT_HAND : _AT_HAND + len(words)] = words

    def append(self, line: str) -> None:
        """Add a line.

        Raises:
            OSError: the disk is full; nothing of the line is there.
        """
        data = line.encode()
        end = self.size + len(data)
        if self._map is None or end > self._room:
            self._map = self._grown(end)
        # The line end comes last: where the process dies before it, there is no line.
        self._map[self.size : end - 1] = data[:-1]
        self._map[end - 1] = _LINE_END
        self.size = end

    def _grown(self, least: int) -> mmap.mmap:
        """The file with room for so many bytes."""
        # The disk gives the room before anything is written: a page it has none for ends the process that touches it.
        room = -(-least // _STEP) * _STEP
        os.posix_fallocate(self._handle, self._room, room - self._room)
        mapped = mmap.mmap(self._handle, room)
        if self._map is not None:
            self._map.close()
        self._room = room
        return mapped

    def cut(self) -> None:
        """Leave out all lines."""
        if self._map is not None and self.size > _PAGE:
            self._map[_PAGE : self.size] = bytes(self.size - _PAGE)
            self.size = _PAGE

    def close(self) -> None:
        """Let go of it; of the room that was not used, too."""
        if self._map is not None:
            self._map.close()
        with contextlib.suppress(OSError):
            os.ftruncate(self._handle, self.size)
        os.close(self._handle)


class Journals:
    """The journals of a folder, as whoever looks after dead senders reads them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self) -> Journal:
        """A new journal, for a sender that starts.

        Raises:
            FileFault: it cannot be kept; no mail starts without one.
        """
        try:
            return Journal.create(self._folder)
        except OSError as error:
            why = f"no journal can be kept there ({error.strerror or error}), and no mail starts without one"
            raise FileFault(why, str(self._folder)) from None

    def dead(self, token: str) -> bool:
        """Whether the sender of this journal surely lives no more. False when that cannot be told."""
        with _held(self._path(token)) as text:
            return text is not None

    def read(self, token: str) -> Mapping[Attempt, Trace] | None:
        """The last word on each delivery; None when the journal cannot be gone by."""
        with _held(self._path(token)) as text:
            return None if text is None else dict(_traces(text))

    def remove(self, token: str) -> None:
        """What was read from it stands in the database."""
        for path in (self._path(token), self._path(token).with_suffix(".new")):
            with contextlib.suppress(OSError):
                path.unlink()

    def _path(self, token: str) -> Path:
        return self._folder / f"{Path(token).name}.log"


@contextmanager
def _held(path: Path) -> Iterator[str | None]:
    """The text of a journal whose writer is gone, under its lock; None if it lives, or none can be trusted."""
    try:
        file = path.open(encoding="utf-8", errors="replace")
    except OSError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its writer may have put a shorter file in its place since we opened it, and that one is locked.
            current = os.path.samestat(os.fstat(file.fileno()), path.stat())
            page, text = file.read(_PAGE), file.read()
        except OSError:
            yield None
            return
        boot = _boot()
        whole = current and boot and page[: len(boot)] == boot and page[-1:] == "\n"
        at_hand = page[_AT_HAND:].partition("\n")[0]
        yield f"{at_hand}\t{_MAKING}\n{text}" if whole else None


def _boot() -> str:
    """This start of the machine; empty where the system does not say, and then no journal is gone by."""
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return ""


def _traces(text: str) -> Iterator[tuple[Attempt, Trace]]:
    for line in text.split("\n")[:-1]:  # a record ends in a line end, or was cut
        fields = line.split("\t")
        with contextlib.suppress(ValueError, IndexError, KeyError):
            yield (int(fields[0]), int(fields[1])), _trace(fields[2:])


def _trace(words: list[str]) -> Trace:
    if words[0] == _MAKING:
        return Making()
    if words[0] == _DOT:
        return Dotted()
    if words[0] != _TOLD:
        raise ValueError(words[0])
    return Told(_outcome(words[1:]))


def _words(outcome: Outcome) -> str:
    kind = _NAMES[type(outcome)]
    reply = getattr(outcome, "reply", None)
    phase, detail = getattr(outcome, "phase", ""), getattr(outcome, "detail", "")
    said = f"{reply.code}\t{_word(reply.enhanced)}\t{_word(reply.text)}" if reply is not None else "\t\t"
    return f"{kind}\t{phase}\t{said}\t{_word(detail)}"


def _word(text: str) -> str:
    return text if text.isprintable() else " ".join(text.split())


def _outcome(words: list[str]) -> Outcome:
    kind, phase, code, enhanced, text, detail = words
    if kind == _DOUBT:
        return InDoubt(detail)
    reply = Reply(int(code), text, enhanced) if code else None
    if kind == _LATER:
        return TryLater(Phase(phase), reply, detail)
    if reply is None:
        raise ValueError(kind)
    return Accepted(reply) if kind == _ACCEPTED else Refused(Phase(phase), reply)
