"""Sender processes as children: started, replaced, asked to stop, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.cluster import processes
from mailer.cluster.processes import SenderProcesses, shares, slots

PATIENCE = 20.0
ROOT = Path(__file__).parents[2]

Children = Callable[[str], SenderProcesses]


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Children:
    """Senders whose program is this text; each writes its words to `log` first."""

    def made(program: str) -> SenderProcesses:
        package = tmp_path / "mailer"
        package.mkdir()
        (package / "__init__.py").touch()
        first = "import os, sys, signal, time\nopen('log', 'a').write(f'{os.getpid()} {sys.argv[1:]}\\n')\n"
        (package / "__main__.py").write_text(first + dedent(program))
        monkeypatch.chdir(tmp_path)  # `python -m mailer` finds this one first
        return SenderProcesses(("_sender",), {**os.environ, "WORD": "told"})

    return made


def started(tmp_path: Path) -> list[int]:
    log = tmp_path / "log"
    return [int(line.split(" ")[0]) for line in log.read_text().splitlines()] if log.exists() else []


def alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.02)


async def test_until_idle_waits_for_all_and_tells_how_they_ended(children: Children, tmp_path: Path) -> None:
    ours = children("sys.exit(3 if sys.argv[3] == '2' else 0)")
    assert await asyncio.wait_for(ours.run_until_idle([1, 2]), PATIENCE) == [0, 3]
    words = sorted(line.partition(" ")[2] for line in (tmp_path / "log").read_text().splitlines())
    assert words == [
        f"['_sender', '--connections', '{share}', '--first', '{first}', '--until-idle']"
        for share, first in ((1, 0), (2, 1))
    ]


async def test_children_get_the_environment_they_are_given(children: Children, tmp_path: Path) -> None:
    await children("open('said', 'w').write(os.environ['WORD'])").run_until_idle([1])
    assert (tmp_path / "said").read_text() == "told"


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
    assert not any(alive(pid) for pid in started(tmp_path))


async def test_one_that_dies_at_once_is_asked_less_and_less_often(
    children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "RESTART_SECONDS", 0.2)
    stop = asyncio.Event()
    keeping = asyncio.create_task(children("sys.exit(3)").keep([1], stop))
    await asyncio.sleep(2.0)
    stop.set()
    await asyncio.wait_for(keeping, PATIENCE)
    assert 2 <= len(started(tmp_path)) <= 4  # every fifth of a second it would be far more


async def test_asked_to_stop_a_child_finishes_what_it_has_begun(children: Children, tmp_path: Path) -> None:
    ours, stop = (
        children(
            """
        def ask(*_given):
            time.sleep(0.3)
            open("finished", "w").write("yes")
            sys.exit(0)
        signal.signal(signal.SIGTERM, ask)
        open("ready", "w").write("yes")
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


async def test_a_child_that_cannot_stop_is_ended(
    children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.3)
    ours = children(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen('ready', 'w').write('yes')\ntime.sleep(60)"
    )
    stop = asyncio.Event()
    keeping = asyncio.create_task(ours.keep([1], stop))
    await until((tmp_path / "ready").exists)
    stop.set()
    await asyncio.wait_for(keeping, PATIENCE)
    assert not alive(started(tmp_path)[0])


async def test_children_notice_when_their_parent_is_killed(children: Children, tmp_path: Path) -> None:
    children("sys.stdin.read()\nopen('orphan', 'w').write('noticed')")
    parent = f"""
        import asyncio, sys
        sys.path.insert(0, {str(ROOT)!r})
        from mailer.cluster.processes import SenderProcesses
        asyncio.run(SenderProcesses(("_sender",), {{}}).keep([1], asyncio.Event()))
    """
    process = subprocess.Popen([sys.executable, "-c", dedent(parent)], cwd=tmp_path)  # noqa: ASYNC220
    await until(lambda: started(tmp_path))
    process.kill()
    process.wait()
    await until((tmp_path / "orphan").exists)


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


async def test_the_reserved_one_is_told_so(children: Children, tmp_path: Path) -> None:
    ours, stop = children("time.sleep(60)"), asyncio.Event()
    keeping = asyncio.create_task(ours.keep([2], stop, reserved=1))
    await until(lambda: len(started(tmp_path)) == 2)
    stop.set()
    await asyncio.wait_for(keeping, PATIENCE)
    words = sorted(line.partition(" ")[2] for line in (tmp_path / "log").read_text().splitlines())
    assert words == [
        "['_sender', '--connections', '1', '--first', '2', '--urgent']",
        "['_sender', '--connections', '2', '--first', '0']",
    ]
