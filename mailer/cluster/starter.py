"""A process that has the program loaded and forks for each sender, which so begins at once and shares that memory.

It is forked from the program itself before that has threads or connections, and so has nothing to load either. Should
it be killed, senders live on and another is loaded. It shares the process group, ends when whoever started it does,
and needs no file, no port and no shared memory. Not `multiprocessing`'s fork server: see docs/decisions.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mailer.cluster.forks import Entry, loaded, serve
from mailer.cluster.malloc import give_large_blocks_back

KILLED = -signal.SIGKILL  # the status of a child that ended without a word: by a signal
_HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_REPLY = 32  # bytes at most


class Child:
    """One process that was started; made inside the event loop."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        """Take over the `line`, whose other end the child holds for as long as it lives."""
        self.pid = pid
        self._ended = asyncio.create_task(_last_word(line))

    async def wait(self) -> int:
        """Wait for its end: its exit status, or KILLED."""
        return await asyncio.shield(self._ended)

    def signal(self, number: int) -> None:
        """Tell it, unless it has ended."""
        if not self._ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


async def _last_word(line: socket.socket) -> int:
    said = b""
    with line, contextlib.suppress(ConnectionResetError):
        while piece := await asyncio.get_running_loop().sock_recv(line, _REPLY):
            said += piece
    return int(said) if said else KILLED


class Starter:
    """Starts children for `entry`, a function of a module that can be imported."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._line: socket.socket | None = None
        self._end: Callable[[], None] | None = None
        self._turn = asyncio.Lock()

    @classmethod
    @contextmanager
    def ready(cls, entry: Entry) -> Iterator[Starter]:
        """One that starts from this process as it is now; to be opened before any event loop.

        From a process with threads nothing may be forked: there the starter is loaded anew when first asked.
        """
        starter = cls(entry)
        give_large_blocks_back()
        if threading.active_count() == 1:
            starter._fork()
        try:
            yield starter
        finally:
            starter.close()

    async def start(self, asked: Mapping[str, Any], load: Sequence[str] = ()) -> Child:
        """Start a child; `asked` is what JSON can say, `load` names modules that it and the next ones share.

        Raises:
            OSError: the system lets us have no more processes or files.
        """
        request = json.dumps({"load": list(load), "asked": dict(asked)}).encode() + b"\n"
        async with self._turn:
            for line in (self._line, None):
                with contextlib.suppress(ConnectionError):
                    return await self._ask(line or self._load(), request)
                self.close()  # it was killed
            raise ChildProcessError("the process that starts senders does not start")

    async def _ask(self, line: socket.socket, request: bytes) -> Child:
        loop = asyncio.get_running_loop()
        answered = asyncio.Event()
        try:
            await loop.sock_sendall(line, request)
            loop.add_reader(line, answered.set)
            try:
                await answered.wait()
            finally:
                loop.remove_reader(line)
            said, found, _flags, _address = socket.recv_fds(line, _REPLY, 1)
        except asyncio.CancelledError:
            self.close()  # whatever it has started for us sees nobody at the other end
            raise
        if not said:
            raise ConnectionResetError
        if not found:
            number = max(-int(said), 0)
            raise OSError(number, os.strerror(number) if number else "no descriptor is left for a process")
        os.set_inheritable(found[0], False)
        held = socket.socket(fileno=found[0])
        held.setblocking(False)
        return Child(int(said), held)

    def close(self) -> None:
        """End the starter, not its children."""
        if self._line is not None and self._end is not None:
            self._line.close()
            self._end()
            self._line = self._end = None

    def _fork(self) -> None:
        with contextlib.suppress(AttributeError):  # there may be none
            sys.stdout.flush()  # or the fork would hold what waits there, too
        gc.freeze()  # a look for garbage would write to every page, and so share none
        ours, theirs = socket.socketpair()
        with _held():
            pid = os.fork()
            if pid == 0:
                ours.close()
                serve(theirs, self._entry)

        def end() -> None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

        self._take(ours, theirs, end)

    def _load(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        entry = f"{self._entry.__module__}:{self._entry.__qualname__}"
        code = f"import sys; sys.path[:] = {sys.path!r}; from {loaded.__module__} import loaded; loaded()"
        with _held():
            process = subprocess.Popen(  # noqa: S603 - this interpreter and a line of ours
                [sys.executable, "-P", "-c", code, str(theirs.fileno()), entry], pass_fds=[theirs.fileno()]
            )

        def end() -> None:
            process.kill()
            process.wait()

        self._take(ours, theirs, end)
        return ours

    def _take(self, ours: socket.socket, theirs: socket.socket, end: Callable[[], None]) -> None:
        theirs.close()
        ours.setblocking(False)
        self._line, self._end = ours, end


@contextmanager
def _held() -> Iterator[None]:
    """Signals to stop wait meanwhile; a process started inside holds them until it lets them in."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
