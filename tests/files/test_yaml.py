from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mailer.errors import FileFault
from mailer.files import yaml

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def told(text: str) -> list[str]:
    """What is said of a text that is no good."""
    try:
        return [str(fault) for fault in yaml.parse(text, "f.yaml").faults]
    except FileFault as fault:
        return [str(fault)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        pytest.param("", {}, id="nothing"),
        pytest.param("\ufeffa: 1", {"a": 1}, id="a byte order mark"),
        pytest.param("at: 10:00", {"at": "10:00"}, id="a time is text"),
        pytest.param("a: 1:30:00", {"a": "1:30:00"}, id="no sexagesimal numbers"),
        pytest.param("a: [NO, no, yes, on, off]", {"a": ["NO", "no", "yes", "on", "off"]}, id="Norway"),
        pytest.param("a: [true, false, null, ~]", {"a": [True, False, None, None]}, id="true and null"),
        pytest.param("a: [0o10, 0x1f, 1e3, -2]", {"a": [8, 31, 1000.0, -2]}, id="numbers"),
        pytest.param("a: 2026-12-01", {"a": "2026-12-01"}, id="a date is text"),
        pytest.param("a: 2026-12-01T10:00+03:00", {"a": "2026-12-01T10:00+03:00"}, id="a zone is kept"),
        pytest.param(
            "b: &b {x: 1}\nc:\n  <<: *b\n  y: 2", {"b": {"x": 1}, "c": {"y": 2, "x": 1}}, id="merged"
        ),
        pytest.param("1: a", {"1": "a"}, id="a number as a key"),
        pytest.param("a: !!python/object/apply:os.system [id]", {"a": ["id"]}, id="a tag starts nothing"),
    ],
)
def test_values_are_plain(text: str, values: dict[str, Any]) -> None:
    read = yaml.parse(text, "f.yaml").values
    assert read == values
    assert type(read) is dict


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("a: 1\nb: [", "f.yaml:2: cannot be read as YAML: ", id="unfinished"),
        pytest.param("a:\n\t- b", "f.yaml:2: cannot be read as YAML: a tab begins", id="a tab"),
        pytest.param("a: b: c", "f.yaml:1: cannot be read as YAML: no key may stand here;", id="two colons"),
        pytest.param("a: %10", "f.yaml:1: cannot be read as YAML: a value may not begin with %;", id="a share"),
        pytest.param("- a", "f.yaml:1: must be a mapping of keys to values", id="a list"),
        pytest.param("word", "f.yaml:1: must be a mapping of keys to values", id="a word"),
        pytest.param("a: 1\n---\nb: 1", "f.yaml:2: cannot be read as YAML: ", id="two documents"),
        pytest.param("a: 1\n1.5: x", "f.yaml:2: the key 1.5 is not a word", id="a fraction as a key"),
        pytest.param("~: x", "f.yaml:1: the key None is not a word", id="nothing as a key"),
        pytest.param("a: \0", "f.yaml: cannot be read as YAML: unacceptable character", id="NUL"),
        pytest.param(f"a: {'9' * 5000}", "f.yaml: cannot be read as YAML: it holds a number", id="huge number"),
        pytest.param("a: " + "[" * 1000, "f.yaml: is nested too deeply", id="deep"),
        pytest.param(BOMB, "f.yaml: unfolds to more than 100,000 keys", id="aliases without end"),
    ],
)  # fmt: skip
def test_a_fault_says_where(text: str, said: str) -> None:
    found = told(text)
    assert len(found) == 1
    assert found[0].startswith(said)
    assert "\n" not in found[0]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("password: s3cret\npassword: s3cret2", id="twice"),
        pytest.param("a:\n  password: s3cret\n  password: s3cret2", id="twice, below"),
        pytest.param("password: *s3cret", id="like an alias"),
        pytest.param("password: @s3cret", id="reserved"),
        pytest.param("password: %s3cret", id="like a directive"),
        pytest.param("password: `s3cret", id="reserved, the other"),
        pytest.param('password: "s3cret', id="unfinished"),
        pytest.param("password: s3cret: x", id="two colons"),
        pytest.param("password: 's3cret' s3cret", id="text after quotes"),
        pytest.param("password: {s3cret", id="like a mapping"),
        pytest.param("password: !s3cret{", id="like a tag"),
    ],
)
def test_no_fault_prints_a_value(text: str) -> None:
    assert "s3cret" not in "".join(told(text))


def test_a_repeated_key_is_an_error_at_the_second() -> None:
    document = yaml.parse("a:\n  b: 1\n  c: 2\n  b: 3\n  c: 4", "f.yaml")
    assert [each.line for each in document.faults] == [4, 5]
    assert str(document.faults[0]) == "f.yaml:4: a key is written twice; keep one of the two"
    assert document.values == {"a": {"b": 1, "c": 2}}


def test_lines_are_known_for_every_key_and_item() -> None:
    document = yaml.parse("a: 1\nb:\n  c: 2\n  d:\n  - x\n  - y\n", "f.yaml")
    assert document.line(("b", "d", 1)) == 6
    assert document.line(("b", "c")) == 3
    assert document.line(("b", "nowhere")) == 2  # the nearest above
    assert document.line(("nowhere",)) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "there is no such file", id="none"),
        pytest.param(b"a: \xff", "is not UTF-8 text", id="latin-1"),
        pytest.param("a: 1".encode("utf-16"), "is not UTF-8 text", id="UTF-16"),
        pytest.param(b"#" * 1_000_001, "is larger than 1 MB", id="large"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "f.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileFault, match=said) as caught:
        yaml.read(path)
    assert str(path) in str(caught.value)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match="cannot be read: "):
        yaml.read(tmp_path)


def test_nothing_is_waited_for_where_a_file_belongs(tmp_path: Path) -> None:
    pipe, endless = tmp_path / "pipe.yaml", tmp_path / "endless.yaml"
    os.mkfifo(pipe)
    endless.symlink_to("/dev/zero")
    for path in (pipe, endless):
        with pytest.raises(FileFault) as caught:
            yaml.read(path)
        assert str(caught.value) == f"{path}: cannot be read: it is a pipe or a device, not a file"
    with pytest.raises(FileFault, match="Is a directory"):
        yaml.read(tmp_path)


def test_a_file_may_have_a_megabyte_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("a: b\n#".ljust(yaml.MOST_BYTES, "x"))
    assert yaml.read(file).values == {"a": "b"}
    file.write_text("a: b\n#".ljust(yaml.MOST_BYTES + 1, "x"))
    with pytest.raises(FileFault, match="larger than 1 MB"):
        yaml.read(file)
