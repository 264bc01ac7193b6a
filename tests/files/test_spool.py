"""The spool: nothing that was flushed is lost or half there, whoever dies and whatever the disk says."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailer.files import spool
from mailer.files.spool import Spool
from tests.project.tree import ROOT

PLENTY = 1_000_000


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def lines(folder: Path) -> list[str]:
    return [line for part in spool.parts(folder, 100) for line in part.lines]


def test_a_file_is_whole_after_a_second_and_nobody_takes_it_before(tmp_path: Path) -> None:
    clock = Clock()
    mine = Spool(tmp_path, clock, PLENTY)
    mine.put("a")
    mine.flush()
    assert lines(tmp_path) == []  # it may still grow
    clock.now += 0.5
    mine.put("b")
    mine.flush()
    clock.now += 0.6
    mine.flush()
    assert lines(tmp_path) == ["a", "b"]
    mine.put("c")
    mine.flush(last=True)
    assert [list(part.lines) for part in spool.parts(tmp_path, 100)] == [
        ["a", "b"],
        ["c"],
    ]  # the oldest first
    assert mine.idle


def test_no_two_lines_have_one_name(tmp_path: Path) -> None:
    spools = [Spool(tmp_path, Clock(), PLENTY) for _ in range(3)]
    assert len({each.mark() for each in spools for _ in range(100)}) == 300


WRITER = """
import os, sys, time
from pathlib import Path
from mailer.files.spool import Spool
mine = Spool(Path(sys.argv[1]), time.time, 1_000_000)
mine.put("kept")
mine.flush()
print("ready", flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_left_is_taken_but_for_half_a_line(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    assert lines(tmp_path) == []
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    (left,) = tmp_path.glob("*.open")
    with left.open("a") as file:
        file.write("half a li")
    assert lines(tmp_path) == ["kept"]


@contextmanager
def a_disk_of(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_keeps_lines_waiting_and_no_half_of_one_behind(tmp_path: Path) -> None:
    mine = Spool(tmp_path, Clock(), PLENTY)
    mine.put("a" * 100)
    mine.flush()
    mine.put("b" * 3_000)
    with a_disk_of(1_000):
        for _again in range(2):
            with pytest.raises(OSError, match=r"."):
                mine.flush()
    mine.put("c")
    mine.flush(last=True)
    assert lines(tmp_path) == ["a" * 100, "b" * 3_000, "c"]
    assert mine.lost == 0


def test_a_folder_that_cannot_be_made_keeps_them_waiting_too(tmp_path: Path) -> None:
    place = tmp_path / "spool"
    place.write_text("in the way")
    mine = Spool(place, Clock(), PLENTY)
    mine.put("a")
    with pytest.raises(OSError, match=r"exists|directory"):
        mine.flush()
    place.unlink()
    mine.flush(last=True)
    assert lines(place) == ["a"]


def test_what_is_too_much_is_counted_and_let_go(tmp_path: Path) -> None:
    clock = Clock()
    mine = Spool(tmp_path, clock, 10)
    mine.put("x" * 20)
    mine.flush(last=True)
    mine.put("late")
    mine.flush()
    assert (lines(tmp_path), mine.lost) == (["x" * 20], 1)
    for part in spool.parts(tmp_path, 9):
        part.path.unlink()
    mine.put("room again")
    mine.flush(last=True)
    assert lines(tmp_path) == ["room again"]
    full = Spool(tmp_path, clock, PLENTY)
    for _number in range(60_000):
        full.put("")
    assert full.lost == 10_000  # memory ends too


def test_one_takes_in_at_a_time(tmp_path: Path) -> None:
    with spool.turn(tmp_path / "new") as ours, spool.turn(tmp_path / "new") as theirs:
        assert (ours, theirs) == (True, False)
    with spool.turn(tmp_path / "new") as ours:
        assert ours


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    for name in ("0001-a.whole", "0002-b.open"):
        os.mkfifo(tmp_path / name)  # whoever opened one would wait for ever
    (tmp_path / "0003-c.whole").mkdir()
    (tmp_path / "0004-d.whole").symlink_to("/dev/zero")
    (tmp_path / "0005-e.whole").write_text("a\n")
    assert [part.name for part in spool.parts(tmp_path, 100)] == ["0005-e.whole"]


def test_a_file_that_cannot_get_its_last_name_is_let_go_of_all_the_same(tmp_path: Path) -> None:
    """Whoever takes files in leaves alone what somebody has locked, as long as that somebody lives."""
    folder = tmp_path / "spool"
    mine = Spool(folder, Clock(), PLENTY)
    mine.put("a")
    mine.flush()
    [file] = folder.iterdir()
    file.with_suffix(".whole").mkdir()  # no file can be renamed to a folder
    with pytest.raises(OSError):
        mine.flush(last=True)
    assert lines(folder) == ["a"]


def test_what_waits_is_as_old_as_the_first_of_it(tmp_path: Path) -> None:
    assert spool.waiting(tmp_path) == (0, None)
    clock = Clock()
    mine = Spool(tmp_path, clock, PLENTY)
    for line in ("a", "bc"):
        mine.put(line)
        mine.flush(last=True)
        clock.now += 60
    assert spool.waiting(tmp_path) == (5, 1_000.0)


def test_no_file_is_begun_where_the_others_have_all_the_room(tmp_path: Path) -> None:
    mine = Spool(tmp_path, Clock(), 2)
    for line in ("a", "b"):  # the first takes two bytes, its end included
        mine.put(line)
        mine.flush(last=True)
    assert lines(tmp_path) == ["a"]
    assert mine.lost == 1
