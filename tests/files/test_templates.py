from __future__ import annotations

from pathlib import Path

import pytest

from mailer.errors import TemplateFault
from mailer.files.templates import TemplateFolder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "templates"
    (root / "t" / "images").mkdir(parents=True)
    (root / "_layout").mkdir()
    (root / "t" / "body.txt").write_text("\ufeffğ")
    (root / "t" / "images" / "a.png").write_bytes(b"png")
    (tmp_path / "secret.txt").write_text("secret")
    return root


def test_reads_what_is_inside(root: Path) -> None:
    folder = TemplateFolder(root)
    assert folder.templates() == ["t"]
    assert set(folder.names("t")) == {"body.txt", "images/a.png"}
    assert folder.text("t/body.txt") == "ğ"
    assert folder.data("t/images/a.png") == b"png"
    assert not folder.names("nope")


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "t/../../secret.txt",
        "/etc/passwd",
        "t//body.txt",
        "./t/body.txt",
        "t\\..\\x",
        "t/\0",
        "..",
        "",
    ],
)
def test_never_leads_out(path: str, root: Path) -> None:
    folder = TemplateFolder(root)
    with pytest.raises(TemplateFault):
        folder.text(path)
    assert not folder.names(path)


def test_links_that_lead_out_are_not_followed(root: Path) -> None:
    (root / "t" / "leak.txt").symlink_to(root.parent / "secret.txt")
    (root / "away").symlink_to(root.parent)
    (root / "t" / "same.txt").symlink_to(root / "t" / "body.txt")
    folder = TemplateFolder(root)
    assert set(folder.names("t")) == {"body.txt", "same.txt", "images/a.png"}
    assert folder.text("t/same.txt") == "ğ"
    for path in ("t/leak.txt", "away/secret.txt"):
        with pytest.raises(TemplateFault, match="leads out"):
            folder.text(path)
    assert not folder.names("away")


def test_files_that_are_no_text(root: Path) -> None:
    (root / "t" / "latin.txt").write_bytes(b"one\ntwo \xfe")
    (root / "t" / "large.txt").write_bytes(b"x" * 1_000_001)
    folder = TemplateFolder(root)
    with pytest.raises(TemplateFault, match=r"t/latin\.txt:2: this is not UTF-8"):
        folder.text("t/latin.txt")
    with pytest.raises(TemplateFault, match="larger than 1 MB"):
        folder.text("t/large.txt")
    with pytest.raises(TemplateFault, match="cannot be read"):
        folder.text("t/none.txt")


def test_a_text_may_have_a_megabyte_and_no_more(root: Path) -> None:
    folder, file = TemplateFolder(root), root / "t" / "body.html"
    file.write_bytes(b"x" * 1_000_000)
    assert len(folder.text("t/body.html")) == 1_000_000
    file.write_bytes(b"x" * 1_000_001)
    with pytest.raises(TemplateFault, match="larger than 1 MB"):
        folder.text("t/body.html")
