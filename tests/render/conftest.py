"""Templates written to a folder, published and rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailer.core.message import Rendered
from mailer.files.templates import TemplateFolder
from mailer.render.publish import publish
from mailer.render.renderer import Template

PUBLIC = "https://shop.example"


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[Mapping[str, str | bytes]], TemplateFolder]:
    """Write files; a name without a folder belongs to the template `t`."""

    def write(files: Mapping[str, str | bytes]) -> TemplateFolder:
        for name, content in files.items():
            path = tmp_path / (name if name.startswith(("_layout/", "other/")) else f"t/{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return TemplateFolder(tmp_path)

    return write


@pytest.fixture
def published(folder: Callable[..., TemplateFolder]) -> Callable[..., dict[str, Any]]:
    def make(files: Mapping[str, str | bytes]) -> dict[str, Any]:
        return publish("t", folder({"subject.txt": "Hi", **files}), PUBLIC)

    return make


@pytest.fixture
def render(published: Callable[..., dict[str, Any]]) -> Callable[..., Rendered]:
    def fill(
        files: Mapping[str, str | bytes], locale: str = "", tenant_locale: str = "en", **context: Any
    ) -> Rendered:
        return Template(published(files)).render(context, locale, tenant_locale, ZoneInfo("Europe/Istanbul"))

    return fill
