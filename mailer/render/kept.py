"""Templates are published anew only when a file they were made of has changed: reading is cheap, publishing is not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from typing import Any

from mailer.errors import TemplateFault
from mailer.render.flatten import TemplateSource

Publish = Callable[[str, TemplateSource], dict[str, Any]]


class Kept:
    """Publishes templates of one source, and keeps what it published. Nobody may change what is returned."""

    def __init__(self, read: TemplateSource, publish: Publish) -> None:
        self._read = read
        self._publish = publish
        self._kept: dict[str, tuple[_Heard, dict[str, Any]]] = {}

    def of(self, template: str) -> dict[str, Any]:
        """The template as its files stand now.

        Raises:
            TemplateFault: it cannot be published; nothing is kept of that.
        """
        heard, published = self._kept.get(template, (None, {}))
        if heard is not None and heard.still():
            return published
        heard = _Heard(self._read)
        published = self._publish(template, heard)
        self._kept[template] = heard, published
        return published


class _Heard:
    """A source, and what it answered."""

    def __init__(self, read: TemplateSource) -> None:
        self._read = read
        self._names: dict[str, frozenset[str]] = {}
        self._texts: dict[str, bytes] = {}  # path → digest
        self._files: dict[str, bytes] = {}

    def names(self, folder: str) -> Collection[str]:
        found = self._names[folder] = frozenset(self._read.names(folder))
        return found

    def text(self, path: str) -> str:
        text = self._read.text(path)
        self._texts[path] = _digest(text.encode())
        return text

    def data(self, path: str) -> bytes:
        data = self._read.data(path)
        self._files[path] = _digest(data)
        return data

    def still(self) -> bool:
        """Whether it would answer the same now."""
        try:
            return (
                all(frozenset(self._read.names(folder)) == found for folder, found in self._names.items())
                and all(_digest(self._read.text(path).encode()) == was for path, was in self._texts.items())
                and all(_digest(self._read.data(path)) == was for path, was in self._files.items())
            )
        except TemplateFault:  # it is gone, say: publishing will name it
            return False


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
