"""Several processes that serve at one door: the system deals connections out among them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Sequence

_FAREWELL = 15.0  # seconds a child has to finish what it has begun
_AGAIN = 1.0  # seconds before one that died is replaced


async def keep(command: Sequence[str], door: socket.socket, count: int, stop: asyncio.Event) -> None:
    """Keep so many children serving at the door until told to stop; one that dies is replaced.

    Args:
        command: words after `mailer` that make a child; it is told which file of its own the door is.
        door: open; the children share it.
        count: how many.
        stop: set: they finish what they have begun and leave.
    """
    async with asyncio.TaskGroup() as group:
        for _number in range(count):
            group.create_task(_one(command, door, stop))


async def _one(command: Sequence[str], door: socket.socket, stop: asyncio.Event) -> None:
    stopped = asyncio.create_task(stop.wait())
    words = (sys.executable, "-m", "mailer", *command, "--door", str(door.fileno()))
    try:
        while not stop.is_set():
            # Its input is a pipe that we hold: when we are gone, whatever way, it ends.
            child = await asyncio.create_subprocess_exec(
                *words, pass_fds=(door.fileno(),), stdin=asyncio.subprocess.PIPE
            )
            ended = asyncio.create_task(child.wait())
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                await _farewell(child)
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _AGAIN)
    finally:
        stopped.cancel()


async def _farewell(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(child.wait(), _FAREWELL)
        except TimeoutError:
            child.kill()
    await child.wait()


async def until_alone(stop: asyncio.Event) -> None:
    """In a child: stop when whoever started us is gone."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError, ValueError):
        pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        try:
            await reader.read()
        finally:
            pipe.close()
        stop.set()
