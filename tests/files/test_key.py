from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from mailer.errors import SettingsError
from mailer.files.key import secret_keys

FIRST, SECOND = "first-and-long-enough-to-be-a-key", "second-and-long-enough-to-be-a-key"


def test_a_key_is_made_once_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "state"
    assert secret_keys(folder, FIRST) == (FIRST,)
    assert secret_keys(folder, SECOND) == (FIRST,)
    assert stat.S_IMODE((folder / "secret.key").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["secret.key"]


def test_all_who_start_together_get_the_same_key(tmp_path: Path) -> None:
    together, found = threading.Barrier(8), list[str]()

    def start(number: int) -> None:
        together.wait()
        found.append(*secret_keys(tmp_path, f"{FIRST}-{number}"))

    threads = [threading.Thread(target=start, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_key_that_is_there_needs_no_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret_keys(tmp_path, FIRST)

    def full(*_given: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)
    monkeypatch.setattr("os.link", full)
    assert secret_keys(tmp_path, SECOND) == (FIRST,)


def test_an_empty_key_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text("\n")
    with pytest.raises(SettingsError, match="delete the file"):
        secret_keys(tmp_path, "fresh")


def test_a_key_that_could_be_tried_out_signs_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text(f"a\n{FIRST}\n")
    with pytest.raises(SettingsError, match="write a longer one above it"):
        secret_keys(tmp_path, SECOND)


def test_a_folder_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="set state_dir"):
        secret_keys(tmp_path / "file", "fresh")


def test_keys_of_the_past_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text(f"{FIRST}\n\nold\n  older  \n")
    assert secret_keys(tmp_path, SECOND) == (FIRST, "old", "older")
