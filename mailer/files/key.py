"""The secret key: made once, kept beside the database, readable by its owner alone."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from mailer.errors import SettingsError

NAME = "secret.key"


def secret_key(folder: Path, fresh: str) -> str:
    """The key kept in `folder`; on first use `fresh` is written there and becomes it.

    Two processes that start together end up with the same key: the file is made whole or not at all.

    Raises:
        SettingsError: the folder cannot be written or the file holds nothing.
    """
    path = folder / NAME
    try:
        if not path.exists():
            _make(path, fresh)
        key = path.read_text("ascii").strip()
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{path}: the secret key cannot be kept there: {error}; set state_dir") from None
    if not key:
        raise SettingsError(f"{path}: the secret key is empty; delete the file to have a new one made")
    return key


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
