from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from mailer.errors import RenderError
from mailer.render.guard import guard


def spin(seconds: float) -> int:
    end = time.process_time() + seconds
    count = 0
    while time.process_time() < end:
        count += 1
    return count


def test_what_ends_in_time_is_left_alone() -> None:
    with guard(5):
        assert spin(0.2)
    spin(0.2)  # the watchdog looks on, and sees nobody
    signal.raise_signal(signal.SIGPROF)  # one from elsewhere ends nothing


def test_what_runs_too_long_is_ended() -> None:
    with pytest.raises(RenderError, match=r"longer than 0\.05 s"), guard(0.05):
        spin(10)
    spin(0.2)  # no alarm is left behind


def swallow() -> None:
    for _ in range(3):
        try:
            spin(10)
        except BaseException:  # noqa: BLE001, S112 - the worst a template's way could hold
            continue
    spin(10)


def test_nothing_on_the_way_can_swallow_the_alarm() -> None:
    with pytest.raises(RenderError), guard(0.05):
        swallow()


def test_time_on_the_wall_does_not_count() -> None:
    with guard(0.05):
        time.sleep(0.3)


def test_errors_pass_and_the_watch_ends() -> None:
    with pytest.raises(KeyError), guard(5):
        raise KeyError
    spin(0.2)


def test_a_forked_process_is_watched_as_well() -> None:
    with guard(5):
        pass
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    child = os.fork()
    if child == 0:
        with suppress(BaseException), guard(0.05):
            spin(10)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 5


@pytest.mark.parametrize(
    ("error", "message"), [(MemoryError, "more memory"), (RecursionError, "without end")]
)
def test_memory_and_recursion(error: type[Exception], message: str) -> None:
    with pytest.raises(RenderError, match=message), guard():
        raise error


def test_other_threads_are_guarded_but_for_time() -> None:
    said: list[object] = []

    def work() -> None:
        try:
            with guard(0.01):
                raise MemoryError
        except RenderError as error:
            said.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(said) == 1


def test_memory_of_a_process_is_limited() -> None:
    program = """
from mailer.errors import RenderError
from mailer.render.guard import guard, limit_memory, limit_processor
limit_memory(600_000_000)
limit_processor(30)
try:
    with guard():
        "x" * 700_000_000
except RenderError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert "more memory" in done.stdout
