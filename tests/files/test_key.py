from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from mailer.errors import SettingsError
from mailer.files.key import secret_keys


def test_a_key_is_made_once_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "state"
    assert secret_keys(folder, "first") == ("first",)
    assert secret_keys(folder, "second") == ("first",)
    assert stat.S_IMODE((folder / "secret.key").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["secret.key"]


def test_all_who_start_together_get_the_same_key(tmp_path: Path) -> None:
    together, found = threading.Barrier(8), list[str]()

    def start(number: int) -> None:
        together.wait()
        found.append(*secret_keys(tmp_path, f"key-{number}"))

    threads = [threading.Thread(target=start, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_key_that_is_there_needs_no_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret_keys(tmp_path, "first")

    def full(*_given: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)
    monkeypatch.setattr("os.link", full)
    assert secret_keys(tmp_path, "second") == ("first",)


def test_an_empty_key_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text("\n")
    with pytest.raises(SettingsError, match="delete the file"):
        secret_keys(tmp_path, "fresh")


def test_a_folder_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="set state_dir"):
        secret_keys(tmp_path / "file", "fresh")


def test_keys_of_the_past_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text("new\n\nold\n  older  \n")
    assert secret_keys(tmp_path, "fresh") == ("new", "old", "older")
