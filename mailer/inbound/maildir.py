"""A Maildir that mail comes back to. What was read goes into its folder `.handled`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from mailer.errors import SettingsError
from mailer.inbound.parts import LOOKED_AT

Take = Callable[[bytes], Awaitable[bool]]
_MOST = 1_000  # mails at one look


class MaildirBox:
    """Reads a Maildir (https://cr.yp.to/proto/maildir.html), one mail at a time."""

    def __init__(self, folder: Path, handled: str = "handled") -> None:
        self._folder = folder
        self._handled = folder / f".{handled}"

    async def look(self, take: Take) -> int:
        """Hand over every mail; those that were taken are put away. Returns how many were.

        Raises:
            SettingsError: it is no Maildir, or we may not move things in it.
        """
        done = 0
        try:
            for path in await asyncio.to_thread(self._mails):
                with suppress(FileNotFoundError):  # somebody else who looks into it took it, or renamed it
                    data = await asyncio.to_thread(_beginning, path)
                    if data is None or await take(data):
                        await asyncio.to_thread(self._put_away, path)
                        done += 1
        except OSError as error:
            raise SettingsError(
                f"bounces.maildir: {self._folder} cannot be read as a Maildir ({error.strerror or error})."
            ) from None
        return done

    def _mails(self) -> list[Path]:
        found = [
            Path(entry.path)
            for name in ("new", "cur")
            for entry in os.scandir(self._folder / name)
            if not entry.name.startswith(".")
        ]
        return sorted(found, key=lambda path: path.name)[:_MOST]

    def _put_away(self, path: Path) -> None:
        for name in ("tmp", "new", "cur"):
            (self._handled / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._handled / "maildirfolder").touch(mode=0o600)
        name = path.name if ":2," in path.name else f"{path.name}:2,S"
        path.replace(self._handled / "cur" / name)


def _beginning(path: Path) -> bytes | None:
    """What a mail begins with; None: it is no plain file. A link may lead anywhere, and is not followed."""
    if path.is_symlink() or not path.is_file():
        return None
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        return file.read(LOOKED_AT)
