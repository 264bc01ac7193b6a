"""Files for the registry of consent: each whole, and under a name of its own whoever writes beside us."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailer.errors import FileFault
from mailer.files.registry import write

NOW = datetime(2027, 5, 10, 7, tzinfo=UTC)


def recipients(path: Path) -> list[str]:
    return [json.loads(line)["recipient"] for line in path.read_text("utf-8").splitlines()]


def test_files_of_one_second_have_names_of_their_own(tmp_path: Path) -> None:
    first, second = (
        write(tmp_path / "iys", [{"recipient": each}], NOW) for each in ("ş@x.example", "b@x.example")
    )
    assert (first.name, second.name) == ("iys-20270510T070000Z-001.jsonl", "iys-20270510T070000Z-002.jsonl")
    assert (recipients(first), recipients(second)) == (["ş@x.example"], ["b@x.example"])
    assert first.stat().st_mode & 0o777 == 0o600


def test_two_that_write_at_once_do_not_write_over_each_other(tmp_path: Path) -> None:
    written: list[Path] = []

    def records() -> Iterator[Mapping[str, str]]:
        yield {"recipient": "a@x.example"}
        written.append(write(tmp_path, [{"recipient": "b@x.example"}], NOW))  # somebody else, meanwhile
        yield {"recipient": "c@x.example"}

    written.append(write(tmp_path, records(), NOW))
    assert [recipients(each) for each in written] == [["b@x.example"], ["a@x.example", "c@x.example"]]
    assert sorted(tmp_path.iterdir()) == sorted(written)


def test_a_folder_that_cannot_be_written_is_named_and_nothing_half_is_left(tmp_path: Path) -> None:
    (tmp_path / "iys").write_text("a file")
    with pytest.raises(FileFault, match="iys: cannot be written"):
        write(tmp_path / "iys", [{"recipient": "a@x.example"}], NOW)
