"""The secret key: made once, kept beside the database, readable by its owner alone."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from mailer.errors import SettingsError
from mailer.files.whole import read_whole

NAME = "secret.key"


def secret_keys(folder: Path, fresh: str) -> tuple[str, ...]:
    """The keys kept in `folder`, one a line: the first signs, the others are of the past and still believed.

    On first use `fresh` is written there and becomes the only one. Two processes that start together end
    up with the same: the file is made whole or not at all.

    Raises:
        SettingsError: the folder cannot be written or the file holds nothing.
    """
    path = folder / NAME
    try:
        if not path.exists():
            _make(path, fresh)
        lines = read_whole(path).decode("ascii").split("\n")
        keys = tuple(line.strip() for line in lines if line.strip())
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{path}: the secret key cannot be kept there: {error}; set state_dir") from None
    if not keys:
        raise SettingsError(f"{path}: the secret key is empty; delete the file to have a new one made")
    return keys


def _make(path: Path, fresh: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{NAME}.", dir=path.parent)  # for its owner alone
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(fresh + "\n")
            file.flush()
            os.fsync(file.fileno())  # links in mails that left cannot be signed anew
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
