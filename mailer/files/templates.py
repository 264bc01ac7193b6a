"""Template files in a folder on disk: read, and never left."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mailer.errors import TemplateFault

_TEXT_LIMIT = 1_000_000
_DATA_LIMIT = 5_000_000
_PICTURES = "images"


class TemplateFolder:
    """`templates/<template>/<file>`. Nothing outside the folder is read, whatever a name or a link says."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def templates(self) -> list[str]:
        """The names of all templates, sorted."""
        if not self._root.is_dir():
            return []
        return sorted(
            path.name for path in self._root.iterdir() if path.is_dir() and path.name[0] not in "._"
        )

    def names(self, folder: str) -> Collection[str]:
        """The files of a folder, pictures as `images/logo.png`; empty if there is no such folder."""
        place = self._inside(folder)
        if place is None or not place.is_dir():
            return frozenset()
        found = [path.name for path in place.iterdir() if path.is_file()]
        pictures = place / _PICTURES
        if pictures.is_dir():
            found += [f"{_PICTURES}/{path.name}" for path in pictures.iterdir() if path.is_file()]
        return frozenset(name for name in found if self._inside(f"{folder}/{name}") is not None)

    def text(self, path: str) -> str:
        """A file's text, UTF-8 with or without BOM.

        Raises:
            TemplateFault: there is no such file in the folder, or it is no text, or larger than 1 MB.
        """
        data = self._read(path, _TEXT_LIMIT)
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise TemplateFault(
                "this is not UTF-8 text; save the file as UTF-8", file=path, line=line
            ) from None

    def data(self, path: str) -> bytes:
        """A file's bytes.

        Raises:
            TemplateFault: there is no such file in the folder, or it is larger than 5 MB.
        """
        return self._read(path, _DATA_LIMIT)

    def _inside(self, path: str) -> Path | None:
        """The real place of a path, or None where it would lie outside the folder."""
        words = path.split("/")
        if any(word in ("", ".", "..") or "\\" in word or "\0" in word for word in words):
            return None
        place = (self._root / path).resolve()
        return place if place.is_relative_to(self._root) else None

    def _read(self, path: str, limit: int) -> bytes:
        place = self._inside(path)
        if place is None:
            raise TemplateFault("this name leads out of the templates folder", file=path)
        try:
            with place.open("rb") as stream:
                data = stream.read(limit + 1)
        except OSError as error:
            raise TemplateFault(f"the file cannot be read: {error.strerror}", file=path) from None
        if len(data) > limit:
            raise TemplateFault(f"the file is larger than {limit // 1_000_000} MB", file=path)
        return data
