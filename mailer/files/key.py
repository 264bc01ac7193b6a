"""The secret key: made once, kept beside the database, readable by its owner alone."""

from __future__ import annotations

import os
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
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{NAME}.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(fresh + "\n", encoding="ascii")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        key = path.read_text("ascii").strip()
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{path}: the secret key cannot be kept there: {error}; set state_dir") from None
    if not key:
        raise SettingsError(f"{path}: the secret key is empty; delete the file to have a new one made")
    return key
