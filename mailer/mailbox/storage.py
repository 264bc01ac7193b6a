"""The mailbox's mails, one file each. Several processes may write and read the same folder at once.

A mail is there from the moment its file has a size: it is written aside, made durable, and moved over an
empty file that reserved its number. There is no index: what is listed is read from the files.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from mailer.core.customer import normalise_address
from mailer.errors import UsageError
from mailer.mailbox.reading import Mail, Row, Stored, mail, row

_NAME = re.compile(r"([0-9]{6,12})\.eml")
_NUMBER = re.compile(r"[0-9]{1,12}")
_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r\n[ \t]+)?(<[^>\r\n]*>)", re.IGNORECASE | re.MULTILINE)
_HEAD = 16_384  # bytes of a file that hold what a row shows


class Mailbox:
    """Mails in a folder, about `max_mails` and `max_bytes` at most; the oldest make room for the newest.

    `clock` gives the arrival. A mail's id is its number: it stays, and the next is higher.
    """

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], datetime],
        *,
        max_mails: int = 5_000,
        max_bytes: int = 500_000_000,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._max_mails = max_mails
        self._max_bytes = max_bytes
        self._slack = max(1, min(64, max_mails // 16))  # mails between two looks at the bounds
        self._last = 0  # the highest number we know of
        self._added = 0

    async def add(self, mail_from: str, rcpt_to: Sequence[str], data: bytes) -> str:
        """Keep a mail; its id, once it is on disk.

        Raises:
            OSError: no room, or no right to write.
        """
        return await asyncio.to_thread(self._add, Stored(mail_from, ", ".join(rcpt_to), self._clock()), data)

    async def list(self) -> Sequence[Row]:
        """All mails, the newest first."""
        return await asyncio.to_thread(self._rows)

    async def page(self, begin: int, length: int) -> tuple[Sequence[Row], int]:
        """At most `length` mails after the newest `begin`, and how many there are; only those are opened."""
        return await asyncio.to_thread(self._page, begin, length)

    async def find(self, message_ids: Collection[str]) -> Mapping[str, str]:
        """The newest mail of each Message-ID, by it; those of no mail are not in it."""
        return await asyncio.to_thread(self._find, frozenset(message_ids))

    async def get(self, mail_id: str) -> Mail:
        """One mail, read for showing.

        Raises:
            UsageError: there is no such mail, or no longer.
        """
        return await asyncio.to_thread(self._mail, mail_id)

    async def forget(
        self, addresses: Collection[str], shared: Collection[str], message_ids: Collection[str]
    ) -> int:
        """Remove a person's mails; how many.

        Every mail that went to their normalised `addresses` and to nobody else; of those they share with somebody, the
        mails of these Message-IDs.
        """
        return await asyncio.to_thread(self._forget, set(addresses), set(shared), set(message_ids))

    def _forget(self, addresses: set[str], shared: set[str], message_ids: set[str]) -> int:
        gone = 0
        for each in self._rows():
            to = {normalise_address(one) for one in each.to.split(",")}
            if to <= addresses or (to <= addresses | shared and each.message_id in message_ids):
                self._path(int(each.id)).unlink(missing_ok=True)
                gone += 1
        return gone

    def _add(self, stored: Stored, data: bytes) -> str:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._added % self._slack == 0:
            self._make_room(len(data))
        self._added += 1
        number = self._reserve()
        target = self._path(number)
        aside = target.with_suffix(".part")
        try:
            with os.fdopen(os.open(aside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
                file.write(stored.lines() + data)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(target)
        except BaseException:
            aside.unlink(missing_ok=True)
            target.unlink(missing_ok=True)
            raise
        self._sync_folder()
        return str(number)

    def _reserve(self) -> int:
        """The next free number, ours alone: making the empty file decides between processes."""
        number = self._last
        if not self._path(number).exists():  # others may have filled the mailbox past it and made room
            number = max(self._last, *(taken for taken, _ in self._files()), 0)
        while True:
            number += 1
            with suppress(FileExistsError):
                os.close(os.open(self._path(number), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                self._last = number
                return number

    def _make_room(self, incoming: int) -> None:
        files = sorted(self._files(), reverse=True)
        room = self._max_bytes - incoming
        for rank, (number, size) in enumerate(files, start=self._slack):
            room -= size
            if rank >= self._max_mails or room < 0:
                self._path(number).unlink(missing_ok=True)
                self._path(number).with_suffix(".part").unlink(missing_ok=True)

    def _files(self) -> Sequence[tuple[int, int]]:
        """Number and size of every file, reservations included."""
        found = []
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                name = _NAME.fullmatch(entry.name)
                with suppress(FileNotFoundError):  # another process made room
                    if name is not None:
                        found.append((int(name[1]), entry.stat().st_size))
        return found

    def _rows(self) -> Sequence[Row]:
        return self._read(sorted(self._files(), reverse=True))

    def _page(self, begin: int, length: int) -> tuple[Sequence[Row], int]:
        whole = sorted((each for each in self._files() if each[1]), reverse=True)
        return self._read(whole[begin : begin + length]), len(whole)

    def _find(self, message_ids: frozenset[str]) -> Mapping[str, str]:
        wanted = {each.encode(): each for each in message_ids}
        found: dict[str, str] = {}
        for number, _size in sorted(self._files(), reverse=True) if wanted else ():
            with suppress(FileNotFoundError), self._path(number).open("rb") as file:
                named = _MESSAGE_ID.search(file.read(_HEAD).partition(b"\r\n\r\n")[0])
                if named is not None and named[1] in wanted:
                    found.setdefault(wanted[named[1]], str(number))
        return found

    def _read(self, files: Sequence[tuple[int, int]]) -> Sequence[Row]:
        rows = []
        for number, size in files:
            with suppress(FileNotFoundError, ValueError):
                with self._path(number).open("rb") as file:
                    head = file.read(_HEAD)
                stored, raw = Stored.split(head)
                rows.append(row(str(number), stored, raw, size - len(head) + len(raw)))
        return rows

    def _mail(self, mail_id: str) -> Mail:
        with suppress(FileNotFoundError, ValueError):
            if _NUMBER.fullmatch(mail_id):
                stored, raw = Stored.split(self._path(int(mail_id)).read_bytes())
                return mail(str(int(mail_id)), stored, raw)
        raise UsageError(
            f"There is no mail {mail_id!r} in the mailbox; `mailer mailbox list` shows what there is."
        )

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.eml"

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
