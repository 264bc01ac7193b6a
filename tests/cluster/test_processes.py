"""Sender processes as children: started, replaced, asked to stop, and never left behind."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from textwrap import dedent, indent
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.cluster import processes
from mailer.cluster.processes import SenderProcesses, numbered, shares, slots
from mailer.cluster.starter import KILLED, Starter
from tests.noted import noted

PATIENCE = 60.0
ROOT = Path(__file__).parents[2]

#: What each of these programs does first: it lets signals in, and writes who it is and what it was told to `log`.
FIRST = """
import json, os, pathlib, signal, sys, time
from functools import partial
def ready(told):
    return partial(main, told)
def note(name):
    pathlib.Path(name).write_text("yes")
def main(told, line):
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM])
    with open("log", "a") as log:
        log.write(json.dumps({"pid": os.getpid(), "told": told, "at": time.monotonic()}) + "\\n")
"""

Children = Callable[[str], SenderProcesses]


def written(folder: Path, program: str) -> ModuleType:
    """The module `program` of this folder, whose children do what this text says."""
    file = folder / "program.py"
    file.write_text(FIRST + indent(dedent(program), "    "))
    spec = importlib.util.spec_from_file_location("program", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["forked", "loaded"])
def children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Children]:
    """Senders whose program is this text, by a starter of either kind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with ExitStack() as stack:

        def made(program: str) -> SenderProcesses:
            entry = written(tmp_path, program).ready
            starter = stack.enter_context(Starter.ready(entry))
            if request.param == "loaded":
                starter.close()  # as if it had been killed
            return SenderProcesses(starter, {"word": "told"})

        yield made


def told(folder: Path) -> list[dict[str, Any]]:
    log = folder / "log"
    return [line["told"] for line in noted(log)] if log.exists() else []


def started(folder: Path) -> list[int]:
    log = folder / "log"
    return [line["pid"] for line in noted(log)] if log.exists() else []


def noticed(folder: Path) -> set[int]:
    return {int(each.name.partition("-")[2]) for each in folder.glob("noticed-*")}


def below(pid: int) -> list[int]:
    """The processes that this one started, and those that they did."""
    with suppress(OSError):  # it may end meanwhile
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [each for child in map(int, found) for each in (child, *below(child))]
    return []


def named(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def alive(pid: int) -> bool:
    with suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def the_starter() -> int:
    (found,) = [pid for pid in below(os.getpid()) if named(pid) == "mailer-starter"]
    return found


async def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.02)


async def test_until_idle_waits_for_all_and_tells_how_they_ended(children: Children, tmp_path: Path) -> None:
    ours = children("return 3 if told['connections'] == 2 else 0")
    assert await asyncio.wait_for(ours.run_until_idle([1, 2]), PATIENCE) == [0, 3]
    asked = sorted(told(tmp_path), key=lambda each: each["first"])
    assert asked == [
        {"word": "told", "first": first, "connections": share, "until_idle": True, "urgent": False}
        for first, share in ((0, 1), (1, 2))
    ]


ENDS = {
    "return 0": 0,
    "sys.exit(0)": 1,  # whoever ends otherwise than by returning is in trouble
    "raise ValueError('a fault of ours')": 1,
    "os._exit(5)": KILLED,  # nobody hears of it
    "os.kill(os.getpid(), signal.SIGUSR1)": KILLED,
}


@pytest.mark.parametrize("program", ENDS)
async def test_how_a_child_ends(children: Children, program: str) -> None:
    ours = children(program)
    assert await asyncio.wait_for(ours.run_until_idle([1]), PATIENCE) == [ENDS[program]]


async def test_what_all_need_is_loaded_once(children: Children, tmp_path: Path) -> None:
    (tmp_path / "needed.py").write_text("import os, pathlib; pathlib.Path(f'noticed-{os.getpid()}').touch()")
    ours = children("return 0 if 'needed' in sys.modules else 1")
    ours = SenderProcesses(ours._starter, {}, ["needed"])
    assert await asyncio.wait_for(ours.run_until_idle([1, 1, 1]), PATIENCE) == [0, 0, 0]
    (by,) = noticed(tmp_path)
    assert by not in {os.getpid(), *started(tmp_path)}


async def test_a_module_that_asks_a_program_when_it_is_loaded_hears_its_answer(
    children: Children, tmp_path: Path
) -> None:
    ask = f"[{sys.executable!r}, '-c', 'raise SystemExit(7)']"
    (tmp_path / "asks.py").write_text(f"import subprocess\nanswer = subprocess.run({ask}).returncode\n")
    ours = SenderProcesses(children("import asks; return asks.answer")._starter, {}, ["asks"])
    assert await asyncio.wait_for(ours.run_until_idle([1]), PATIENCE) == [7]


async def test_many_at_once_are_told_apart(children: Children, tmp_path: Path) -> None:
    ours = children("return told['first']")
    assert await asyncio.wait_for(ours.run_until_idle([1] * 12), PATIENCE) == list(range(12))
    assert len(set(started(tmp_path))) == 12


async def test_one_that_dies_is_replaced(
    children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "RESTART_SECONDS", 0.05)
    ours, stop = children("time.sleep(60)"), asyncio.Event()
    keeping = asyncio.create_task(ours.keep([1, 1], stop))
    await until(lambda: len(started(tmp_path)) == 2)
    os.kill(started(tmp_path)[0], signal.SIGKILL)
    await until(lambda: len(started(tmp_path)) == 3)
    stop.set()
    await asyncio.wait_for(keeping, PATIENCE)
    await until(lambda: not any(alive(pid) for pid in started(tmp_path)))


async def test_one_that_dies_after_the_starter_was_killed_is_replaced(
    children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "RESTART_SECONDS", 0.05)
    ours, stop = children("time.sleep(60)"), asyncio.Event()
    keeping = asyncio.create_task(ours.keep([1, 1], stop))
    await until(lambda: len(started(tmp_path)) == 2)
    os.kill(the_starter(), signal.SIGKILL)
    await asyncio.sleep(0.2)
    assert all(alive(pid) for pid in started(tmp_path))  # they do not need it
    os.kill(started(tmp_path)[1], signal.SIGKILL)
    await until(lambda: len(started(tmp_path)) == 3)
    stop.set()
    await asyncio.wait_for(keeping, PATIENCE)
    await until(lambda: not any(alive(pid) for pid in started(tmp_path)))


async def test_one_that_dies_at_once_is_asked_less_and_less_often(
    children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "RESTART_SECONDS", 0.05)
    stop = asyncio.Event()
    keeping = asyncio.create_task(children("return 3").keep([1], stop))
    await until(lambda: len(started(tmp_path)) >= 5)
    stop.set()
    await asyncio.wait_for(keeping, PATIENCE)
    begun = [line["at"] for line in noted(tmp_path / "log")]
    for number, (before, after) in enumerate(pairwise(begun)):
        assert after - before >= 0.05 * 2**number * 0.95  # timers may be early by the grain of their clock


async def test_asked_to_stop_a_child_finishes_what_it_has_begun(children: Children, tmp_path: Path) -> None:
    ours, stop = (
        children(
            """
        def ask(*_given):
            time.sleep(0.3)
            note("finished")
            sys.exit(0)
        signal.signal(signal.SIGTERM, ask)
        note("ready")
        time.sleep(60)
        """
        ),
        asyncio.Event(),
    )
    keeping = asyncio.create_task(ours.keep([1], stop))
    await until((tmp_path / "ready").exists)
    stop.set()
    await asyncio.wait_for(keeping, PATIENCE)
    assert (tmp_path / "finished").exists()


async def test_a_wish_to_stop_waits_for_a_child_that_has_hardly_begun(
    children: Children, tmp_path: Path
) -> None:
    ours = children(
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        note("ready")
        while signal.SIGTERM not in signal.sigpending():
            time.sleep(0.01)
        signal.signal(signal.SIGTERM, lambda *_given: note("heard"))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        return 0
        """
    )
    stop = asyncio.Event()
    keeping = asyncio.create_task(ours.keep([1], stop))
    await until((tmp_path / "ready").exists)
    stop.set()
    await asyncio.wait_for(keeping, PATIENCE)
    assert (tmp_path / "heard").exists()


async def test_a_child_that_cannot_stop_is_ended(
    children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.3)
    ours = children("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nnote('ready')\ntime.sleep(60)")
    stop = asyncio.Event()
    keeping = asyncio.create_task(ours.keep([1], stop))
    await until((tmp_path / "ready").exists)
    stop.set()
    await asyncio.wait_for(keeping, PATIENCE)
    await until(lambda: not alive(started(tmp_path)[0]))


async def test_a_starter_that_cannot_load_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    entry = written(tmp_path, "return 0").ready
    entry.__module__ = "gone"
    with pytest.raises(ChildProcessError, match="does not start"):
        await SenderProcesses(Starter(entry), {}).run_until_idle([1])
    assert "No module named 'gone'" in capfd.readouterr().err


#: A supervisor of its own, whose children note when they are alone.
PARENT = """
    import asyncio, sys, time
    from mailer.cluster.processes import SenderProcesses
    from mailer.cluster.starter import Starter
    from program import ready

    if __name__ == "__main__":
        with Starter.ready(ready) as starter:
            asyncio.run(SenderProcesses(starter, {}).keep([1, 1], asyncio.Event()))
"""
ORPHANS = """
    line.setblocking(True)
    line.recv(1)
    note(f"noticed-{os.getpid()}")
    return 0
"""


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts that supervisor, in a process group of its own."""
    (tmp_path / "parent.py").write_text(dedent(PARENT))
    made: list[subprocess.Popen[bytes]] = []

    def start(*before: str) -> subprocess.Popen[bytes]:
        written(tmp_path, ORPHANS)
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
        command = [*before, sys.executable, str(tmp_path / "parent.py")]
        made.append(subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True))
        return made[-1]

    yield start
    for process in made:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


Parent = Callable[..., "subprocess.Popen[bytes]"]


async def test_children_notice_when_their_parent_is_killed(parent: Parent, tmp_path: Path) -> None:
    process = parent()
    await until(lambda: len(started(tmp_path)) == 2)
    family = below(process.pid)
    assert len(family) == 3  # and the starter
    process.kill()
    process.wait()
    await until(lambda: len(noticed(tmp_path)) == 2)
    await until(lambda: not any(alive(pid) for pid in family))


async def test_they_notice_without_the_starter_too(parent: Parent, tmp_path: Path) -> None:
    process = parent()
    await until(lambda: len(started(tmp_path)) == 2)
    family = below(process.pid)
    os.kill(family[0], signal.SIGKILL)
    process.kill()
    process.wait()
    await until(lambda: not any(alive(pid) for pid in family))
    assert len(noticed(tmp_path)) == 2


async def test_killed_with_its_group_nothing_is_left(parent: Parent, tmp_path: Path) -> None:
    process = parent()
    await until(lambda: len(started(tmp_path)) == 2)
    family = below(process.pid)
    os.killpg(process.pid, signal.SIGKILL)
    await until(lambda: not any(alive(pid) for pid in family))


SURROUNDINGS = {
    "few files": ("prlimit", "--nofile=16"),
    "no standard streams": ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"),
}


@pytest.mark.parametrize("before", SURROUNDINGS.values(), ids=SURROUNDINGS)
async def test_poor_surroundings(parent: Parent, tmp_path: Path, before: tuple[str, ...]) -> None:
    process = parent(*before)
    await until(lambda: len(started(tmp_path)) == 2)
    process.kill()
    process.wait()
    await until(lambda: not any(alive(pid) for pid in started(tmp_path)))


@given(st.integers(1, 1000), st.integers(1, 300))
def test_connections_are_dealt_out_evenly_and_nobody_gets_none(connections: int, most: int) -> None:
    dealt = shares(connections, most)
    assert sum(dealt) == connections
    assert min(dealt) >= 1
    assert max(dealt) - min(dealt) <= 1
    assert len(dealt) == min(most, connections)


@given(st.integers(1, 1000), st.integers(1, 300))
def test_a_slot_is_kept_for_what_is_urgent_and_no_connection_is_lost(connections: int, most: int) -> None:
    dealt, reserved = slots(connections, most)
    assert sum(dealt) + reserved == connections
    assert min(dealt) >= 1
    assert (reserved >= 1) == (connections > 1)
    assert reserved <= max(1, connections // 10)


@given(st.lists(st.integers(1, 20), max_size=20))
def test_each_share_knows_its_first_connection(dealt: list[int]) -> None:
    assert [number for first, share in numbered(dealt) for number in range(first, first + share)] == list(
        range(sum(dealt))
    )


async def test_the_reserved_one_is_told_so(children: Children, tmp_path: Path) -> None:
    ours, stop = children("time.sleep(60)"), asyncio.Event()
    keeping = asyncio.create_task(ours.keep([2], stop, reserved=1))
    await until(lambda: len(started(tmp_path)) == 2)
    stop.set()
    await asyncio.wait_for(keeping, PATIENCE)
    asked = sorted(told(tmp_path), key=lambda each: each["first"])
    assert [(each["first"], each["connections"], each["urgent"]) for each in asked] == [
        (0, 2, False),
        (2, 1, True),
    ]
