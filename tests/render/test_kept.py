"""What was published is kept for as long as its files stand still."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mailer.errors import TemplateFault
from mailer.files.templates import TemplateFolder
from mailer.render.flatten import TemplateSource
from mailer.render.kept import Kept
from mailer.render.publish import publish
from tests.render.conftest import PUBLIC

FILES = {
    "subject.txt": "Hi",
    "body.html": "\ufeff{% extends '_layout/base.html' %}{% block body %}{{ 'a.png' | inline }}{% endblock %}",
    "_layout/base.html": "<html><body>{% block body %}{% endblock %}</body></html>",
    "images/a.png": b"\x89PNG\r\n\x1a\n-",
}
Write = Callable[[Mapping[str, str | bytes]], TemplateFolder]


@pytest.fixture
def kept(folder: Write) -> Kept:
    def make(template: str, read: TemplateSource) -> dict[str, Any]:
        return publish(template, read, PUBLIC)

    return Kept(folder(FILES), make)


def test_it_is_published_once(kept: Kept) -> None:
    assert kept.of("t") is kept.of("t")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("subject.txt", "Ho", id="a text"),
        pytest.param(
            "_layout/base.html", "<html><body>!{% block body %}{% endblock %}</body></html>", id="a layout"
        ),
        pytest.param("images/a.png", b"\x89PNG\r\n\x1a\n+", id="a picture"),
        pytest.param("subject.tr.txt", "Selam", id="another language"),
    ],
)
def test_a_change_is_seen(kept: Kept, folder: Write, name: str, content: str | bytes) -> None:
    before = kept.of("t")
    folder({name: content})
    after = kept.of("t")
    assert after is not before
    assert kept.of("t") is after


def test_what_cannot_be_published_is_not_kept(kept: Kept, folder: Write, tmp_path: Path) -> None:
    before = kept.of("t")
    (tmp_path / "t" / "subject.txt").unlink()
    for _ in range(2):
        with pytest.raises(TemplateFault, match=r"there is no subject\.txt"):
            kept.of("t")
    folder({"subject.txt": "Hi"})
    assert kept.of("t") == before
