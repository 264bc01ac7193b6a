"""What tests start ends with them, however they end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests import started

PATIENCE = 30.0


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_when_the_tests_are_gone_so_is_all_that_they_started(tmp_path: Path) -> None:
    door = tmp_path / "door"
    starter = subprocess.Popen(
        [sys.executable, "-m", "tests.starter", door],
        cwd=started.ROOT, env=started.environment(), stdin=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    until(door.exists)
    with Path(os.devnull).open("w") as nowhere:
        lines = [
            started.ask(words, tmp_path, {"PATH": os.defpath}, str(door), [nowhere.fileno()] * 3, program)
            for program, words in (("/bin/sh", ["-c", "sleep 60 & wait"]), ("/bin/sleep", ["60"]))
        ]
    running = [started.Started(line) for line in lines]
    children = Path(f"/proc/{running[0].pid}/task/{running[0].pid}/children")
    until(children.read_text)
    pids = [int(children.read_text()), *(each.pid for each in running)]
    assert starter.stdin is not None
    starter.stdin.close()  # as the system does for a process that was killed
    assert starter.wait(PATIENCE) == 0
    until(lambda: not any(alive(pid) for pid in pids))
    for line in lines:
        line.close()
