"""Commands of the program, started by the starter: `start(WORDS, …)`, with what a test needs of `Popen`.

As a program it is the command itself, for shells, or what commands start as Python: `python started.py WORDS`.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
STARTER = "MAILER_TEST_STARTER"  # where it listens, for `python started.py WORDS`
MODULE = ["-m", "mailer"]
TRIAL = ["-m", "mailer.render.trial"]  # what a command tries a template with


class Started:
    """One command. Its streams are pipes of ours, or those it was given."""

    def __init__(self, line: socket.socket, out: int | None = None, err: int | None = None) -> None:
        self._line = line
        self.pid = self._number()
        self.returncode: int | None = None
        self._out = out
        self._said: dict[int, list[bytes]] = {stream: [] for stream in (out, err) if stream is not None}

    def poll(self) -> int | None:
        """Its exit status, or None while it runs."""
        if self.returncode is None:
            self._line.setblocking(False)
            with suppress(BlockingIOError):
                self._line.recv(1, socket.MSG_PEEK)
                self.wait()
        return self.returncode

    def wait(self) -> int:
        """Wait for its end: its exit status, negative the signal that ended it."""
        if self.returncode is None:
            self._line.setblocking(True)
            self.returncode = self._number()
            self._line.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Tell it, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def line(self) -> str:
        """The next line that it prints, waited for; what is left of one at its end."""
        assert self._out is not None
        said = b""
        while not said.endswith(b"\n") and (piece := os.read(self._out, 1)):
            said += piece
        return said.decode()

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What it said, when it and all that share its streams have ended.

        Raises:
            TimeoutExpired: they have not.
        """
        end = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            for stream in self._said:
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                if time.monotonic() > end:
                    raise subprocess.TimeoutExpired("mailer", timeout)
                for key, _events in selector.select(max(0, end - time.monotonic())):
                    piece = os.read(key.fd, 1 << 16)
                    self._said[key.fd].append(piece)
                    if not piece:
                        selector.unregister(key.fd)
                        os.close(key.fd)
        self.wait()
        out, err = (b"".join(pieces).decode() for pieces in self._said.values())
        return out, err

    def _number(self) -> int:
        said = b""
        while not said.endswith(b"\n"):
            piece = self._line.recv(1)
            assert piece, "the starter is gone"
            said += piece
        return int(said)


def start(
    words: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    program: Path | str | None = None,
    given: int | None = None,
) -> Started:
    """Start `mailer WORDS` in a folder, with nothing to read but what is `given`; or another program."""
    (out, said), (err, told) = os.pipe(), os.pipe()
    with Path(os.devnull).open() as nothing:
        read = nothing.fileno() if given is None else given
        line = ask(words, cwd, env, place(), [read, said, told], program)
    os.close(said)
    os.close(told)
    return Started(line, out, err)


def ask(
    words: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    where: str,
    fds: list[int],
    program: Path | str | None = None,
    group: int = 0,
) -> socket.socket:
    """Ask the starter that listens there; what it says comes from the socket."""
    line = socket.socket(socket.AF_UNIX)
    line.connect(where)
    asked = {
        "words": list(words),
        "folder": str(cwd),
        "environment": dict(env),
        "program": str(program) if program else None,
        "python": str(Path(where).with_name("mailer")),
        "group": group,
    }
    data = json.dumps(asked).encode() + b"\n"
    sent = socket.send_fds(line, [data], fds)
    if sent < len(data):  # else a quick command may have ended by now, and nobody listens any more
        line.sendall(data[sent:])
    return line


def scripts() -> Path:
    """A folder with a `mailer` in it, for shells."""
    return Path(place()).parent


def environment() -> dict[str, str]:
    """Ours, without settings; and compiled modules are kept, since commands are many."""
    dropped = ("MAILER_", "PYTHONDONTWRITEBYTECODE", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


@cache
def place() -> str:
    """Where the starter of this process listens; started when first asked for."""
    folder = tempfile.mkdtemp(prefix="mailer-starter-")
    where = f"{folder}/door"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.starter", where],
        cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip

    def close() -> None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)
        shutil.rmtree(folder)

    atexit.register(close)
    script = Path(folder) / "mailer"
    words = ["exec", "env", f"{STARTER}={where}", sys.executable, "-IS", str(Path(__file__))]
    # What is neither a word of the program nor the trial of a template needs no way around.
    forked, other = shlex.join(words), shlex.quote(sys.executable)
    script.write_text(
        f'#!/bin/sh\n[ "$1" != -m ] || case "$2" in {MODULE[1]}|{TRIAL[1]}) ;; *) exec {other} "$@" ;; esac\n'
        f'{forked} "$@"\n'
    )
    script.chmod(0o755)
    while not Path(where).exists():
        assert process.poll() is None, "the starter does not start"
        time.sleep(0.01)
    return where


def _be(words: list[str], where: str) -> int:
    """The command, or the sender of one, as far as whoever started us can tell; its exit status."""
    child = words[:2] in (MODULE, TRIAL)
    group = os.getpgrp() if child else 0  # one that a shell started is of another session
    words = words[2:] if words[:2] == MODULE else words
    begun = Started(ask(words, Path.cwd(), os.environ, where, [0, 1, 2], group=group))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda told, _frame: os.kill(begun.pid, told))
    return begun.wait()


if __name__ == "__main__":
    ended = _be(sys.argv[1:], os.environ.pop(STARTER))
    if ended < 0:
        signal.signal(-ended, signal.SIG_DFL)
        os.kill(os.getpid(), -ended)
    sys.exit(ended)
