"""A process that has the program loaded and forks for each command, so that a test does not wait for imports.

    python -m tests.starter SOCKET      ends when its standard input does, and all that it started with it

What comes out of the fork behaves as `python -m mailer WORDS` would: a process group of its own, or that of
whoever it is a child of, the folder, environment and standard streams it was given, the signals and the exit of
a fresh interpreter; so does the trial of a template, which commands start, and so does any other module whose words
are `-m MODULE …`. A `program` that is asked for is executed instead. Each connection is one command: a line
of JSON with three descriptors goes in, its pid comes back at once and its exit status at its end; it does not
outlive whoever asked. `started.py` is the other side, and what a command finds in the place of Python when it
starts senders.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import alembic.command  # noqa: F401 - the program imports it late, and here once for all

from mailer import settings
from mailer.__main__ import main
from mailer.render import trial
from tests.started import ROOT, TRIAL

_STREAMS = 3


class Server:
    """Whoever asks, and what was started for them."""

    def __init__(self, place: Path) -> None:
        self.selector = selectors.DefaultSelector()
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(f"{place}.new")
        self.door.listen(64)
        Path(f"{place}.new").rename(place)  # whoever finds it is answered
        self.selector.register(self.door, selectors.EVENT_READ, None)
        self.selector.register(sys.stdin, selectors.EVENT_READ, None)
        self.asking: dict[int, tuple[int, socket.socket]] = {}  # pidfd → (pid, who waits for its end)
        self.watches: dict[int, int] = {}  # whoever waits → pidfd

    def serve(self) -> list[str] | None:
        """Returns the words of a command in the process that is to run it, None when the tests are over."""
        while True:
            for key, _events in self.selector.select():
                if key.fileobj is sys.stdin:
                    self.end_all()
                    return None
                if key.fileobj is self.door:
                    words = self.start(self.door.accept()[0])
                    if words is not None:
                        return words
                elif key.fd in self.asking:
                    self.ended(key.fd)
                elif key.fd in self.watches:
                    self.left(key.fd)

    def start(self, asker: socket.socket) -> list[str] | None:
        asked, streams = _request(asker)
        if not asked:  # it has ended meanwhile
            asker.close()
            return None
        pid = os.fork()
        if pid == 0:
            try:
                os.setpgid(0, asked["group"])
            except PermissionError:  # that of a test, which is of another session
                os.setpgid(0, 0)
            _tell(asker, os.getpid())  # from here on it can be signalled with its group
            asker.close()
            self.let_go()
            _become(asked, streams)
            return list(asked["words"])
        for stream in streams:
            os.close(stream)
        watch = os.pidfd_open(pid)
        self.asking[watch] = (pid, asker)
        self.watches[asker.fileno()] = watch
        self.selector.register(watch, selectors.EVENT_READ)
        self.selector.register(asker, selectors.EVENT_READ)
        return None

    def ended(self, watch: int) -> None:
        pid, asker = self.asking.pop(watch)
        if self.watches.pop(asker.fileno(), None) is not None:
            self.selector.unregister(asker)
        self.selector.unregister(watch)
        os.close(watch)
        _pid, status = os.waitpid(pid, 0)
        _tell(asker, os.waitstatus_to_exitcode(status))
        asker.close()

    def left(self, asker: int) -> None:
        """Whoever asked was killed: so is what it asked for."""
        watch = self.watches.pop(asker)
        self.selector.unregister(asker)
        signal.pidfd_send_signal(watch, signal.SIGKILL)

    def end_all(self) -> None:
        """Whoever would have ended them is gone."""
        for pid, _asker in self.asking.values():
            for kill in (os.killpg, os.kill):  # it may not have its group yet
                with suppress(ProcessLookupError):
                    kill(pid, signal.SIGKILL)

    def let_go(self) -> None:
        """Close all that is ours: a command holds none of it."""
        self.selector.close()
        self.door.close()
        for watch, (_pid, asker) in self.asking.items():
            os.close(watch)
            asker.close()


def _request(asker: socket.socket) -> tuple[dict[str, Any], list[int]]:
    data, streams, _flags, _address = socket.recv_fds(asker, 1 << 16, _STREAMS)
    piece = data
    while piece and not data.endswith(b"\n"):
        piece = asker.recv(1 << 16)
        data += piece
    return json.loads(data) if piece else {}, streams


def _tell(asker: socket.socket, number: int) -> None:
    try:
        asker.sendall(b"%d\n" % number)
    except OSError:  # whoever asked is gone; the command goes on, as it would
        asker.close()


def _become(asked: dict[str, Any], streams: list[int]) -> None:
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    tempfile.tempdir = None  # TMPDIR may be another
    sys.executable = asked["python"]  # senders come from here as well
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Whoever started the tests may have had them ignored, as nohup and a shell's & do.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL if asked["program"] else signal.default_int_handler)
    if asked["program"]:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execve(asked["program"], [asked["program"], *asked["words"]], asked["environment"])  # noqa: S606


def _leave(end: SystemExit) -> None:
    """End as the interpreter does, but for taking every module apart: that is half the work of a short command.

    Returns when what was printed cannot be written; the interpreter then says so.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # it waits for threads, as at every end
    atexit._run_exitfuncs()
    gc.collect()  # what was not closed complains of it
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(end.code or 0))


def _be(words: list[str]) -> NoReturn:
    """The trial of a template, on what it is given, or another module."""
    gc.freeze()
    gc.enable()
    if words == TRIAL:
        trial._main()
    else:
        sys.argv[:] = words[1:]
        runpy.run_module(words[1], run_name="__main__")
    raise SystemExit


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever we were started with
    settings.load(
        ROOT / "settings.yaml", environment={}
    )  # what reading them prepares, each command would anew
    server = Server(Path(sys.argv[1]))
    given = server.serve()
    if given is None:
        server.let_go()
    else:
        sys.argv[1:] = given
        try:
            if given[:1] == ["-m"]:
                _be(given)
            main()
        except SystemExit as end:
            _leave(end)
            raise
