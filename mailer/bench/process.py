"""What a process on this machine used: processor time and memory, as Linux tells of them below /proc (proc(5))."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from resource import struct_rusage

from mailer.errors import MailerError

_TICK = os.sysconf("SC_CLK_TCK")
_LOOK = 0.05  # seconds
_UTIME = 11  # fields 14 and 15 of stat(5), counted behind the command's closing parenthesis


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command took from its start to its end."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    out: str


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor seconds, user and system, that these processes have used so far; one that is gone counts none."""
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
            total += int(fields[_UTIME]) + int(fields[_UTIME + 1])
    return total / _TICK


def peak_mb(pids: Iterable[int]) -> float:
    """Resident megabytes of the largest of these processes at its largest."""
    peaks = [0.0]
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
            peaks += [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")]
    return max(peaks)


@dataclass(frozen=True, slots=True)
class Memory:
    """What processes take of memory, in megabytes. Pages of a file that anybody could read again count, too."""

    private: float = 0.0  # of the one with most: pages that no other process has
    proportional: float = 0.0  # of the one with most: those, and of each shared page its part (PSS)
    together: float = 0.0  # of all of them: each page counted once, less what others have of shared ones


def memory(pids: Iterable[int]) -> Memory:
    """What these processes take now; one that is gone takes nothing."""
    private, proportional = [0.0], [0.0]
    for pid in pids:
        with contextlib.suppress(OSError):  # gone, or no kernel that tells
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]
            said = {line.split()[0]: int(line.split()[1]) / 1024 for line in lines}
            private.append(said["Private_Clean:"] + said["Private_Dirty:"])
            proportional.append(said["Pss:"])
    return Memory(max(private), max(proportional), sum(proportional))


def parent(pid: int) -> int:
    """The process that started this one."""
    return int(Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[1])


async def run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Usage:
    """Run a command to its end; it is killed when we are told to stop.

    Raises:
        MailerError: it failed.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603, ASYNC220 - a list of words, no shell; starting takes a millisecond
        [str(word) for word in command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    reading = asyncio.create_task(asyncio.to_thread(_read, process))
    peak = 0.0  # what wait4(2) tells of it is never below what its parent had when it was started
    try:
        while not reading.done():
            peak = max(peak, peak_mb([process.pid]))
            await asyncio.wait({reading}, timeout=_LOOK)
    except asyncio.CancelledError:
        process.kill()
        await reading
        raise
    out, error, status, usage = reading.result()
    seconds = time.perf_counter() - begun
    if status != 0:
        raise MailerError(f"{command[0]} failed: {error.strip() or f'status {status}'}")
    return Usage(seconds, usage.ru_utime + usage.ru_stime, peak, out)


def _read(process: subprocess.Popen[bytes]) -> tuple[str, str, int, struct_rusage]:
    assert process.stdout is not None  # noqa: S101 - asked for above
    assert process.stderr is not None  # noqa: S101
    with process.stdout, process.stderr:
        out, error = process.stdout.read(), process.stderr.read()  # both say a few lines at most
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return out.decode("utf-8", "replace"), error.decode("utf-8", "replace"), process.returncode, usage
