"""Postfix's load generator: `smtp-sink`, that takes every mail and counts it, and `smtp-source`, that sends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mailer.bench.process import Usage, run
from mailer.errors import MailerError, UsageError

HOST = "127.0.0.1"
SESSIONS = 10  # of smtp-source, and connections of every other sender that is given several
_PLACES = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"  # not on everybody's PATH
_BACKLOG = "1024"
_HEADERS = 160  # bytes of the headers smtp-source writes above the body it is told to
_TAIL = 64  # bytes of the counter's end that hold its last line
_START_SECONDS = 5.0
_LOOK = 0.01


def program(name: str) -> str:
    """Where a program of Postfix lies.

    Raises:
        UsageError: it is not installed.
    """
    found = shutil.which(name) or shutil.which(name, path=_PLACES)
    if found is None:
        raise UsageError(
            f"mailer bench needs {name}, which comes with Postfix: install the Debian package postfix "
            "(no service of it has to run)."
        )
    return found


@dataclass(frozen=True, slots=True)
class Sink:
    """A running smtp-sink."""

    port: int
    pid: int
    counter: Path  # what `-c` prints: sess=… quit=… mesg=…, each time on the same line

    def mails(self) -> int:
        """How many mails it has taken since it started."""
        with self.counter.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL))
            lines = file.read().split(b"\r")
        # Behind the last \r a line may be half written.
        whole = [line for line in lines[:-1] if b"mesg=" in line]
        return int(whole[-1].rpartition(b"mesg=")[2]) if whole else 0


@asynccontextmanager
async def sink(folder: Path) -> AsyncIterator[Sink]:
    """An smtp-sink on a free port of the loopback; ended with the block."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = int(free.getsockname()[1])
    counter = folder / f"sink-{port}"
    command = [program("smtp-sink"), "-c"]
    if os.geteuid() == 0:
        command += ["-u", "nobody"]  # it refuses to stay root
    with counter.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603, ASYNC220 - a list of words, no shell
            [*command, f"{HOST}:{port}", _BACKLOG], stdout=file, stderr=subprocess.DEVNULL
        )
    try:
        await _answers(process, port)
        yield Sink(port, process.pid, counter)
    finally:
        process.terminate()
        process.wait()
        counter.unlink()


async def source(to: Sink, mails: int, size: int, *, kept: bool) -> Usage:
    """Send so many mails of so many bytes each in ten sessions, over connections that are `kept` or new each time."""
    return await run(
        [
            program("smtp-source"), "-s", str(SESSIONS), *(["-d"] if kept else []),
            "-l", str(max(1, size - _HEADERS)), "-m", str(mails), f"{HOST}:{to.port}",
        ]
    )  # fmt: skip


async def _answers(process: subprocess.Popen[bytes], port: int) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_START_SECONDS):
            while process.poll() is None:
                try:
                    _, writer = await asyncio.open_connection(HOST, port)
                except OSError:
                    await asyncio.sleep(_LOOK)
                    continue
                writer.close()
                return
    raise MailerError("smtp-sink does not answer.")
