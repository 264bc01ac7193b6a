"""What the starter does (`starter.py` starts it): for each request it reads what the child will need, and forks it."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from mailer.cluster.malloc import give_large_blocks_back

#: What a child does: it gets a socket that ends with whoever asked for it, and returns its exit status. SIGINT, SIGTERM
#: and SIGHUP are blocked until it is ready to hear them, so that a wish to stop neither ends it nor is lost.
Life = Callable[[socket.socket], int]

#: Makes of what was asked what the child does. It runs in the starter: what it reads no child has in memory by itself.
Entry = Callable[[Mapping[str, Any]], Life]


def loaded() -> NoReturn:
    """Load the program and serve: `python -c … DESCRIPTOR MODULE:FUNCTION`."""
    gc.disable()
    give_large_blocks_back()
    module, _, name = sys.argv[2].partition(":")
    entry = getattr(importlib.import_module(module), name)
    gc.collect()
    gc.freeze()
    gc.enable()
    serve(socket.socket(fileno=int(sys.argv[1])), entry)


def serve(line: socket.socket, entry: Entry) -> NoReturn:
    """Start a child for each request, until whoever asks is gone."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # none waits to be asked how it ended: its line tells
        _be_called("mailer-starter")
        with contextlib.suppress(ConnectionError):
            while asked := _request(line):
                request = json.loads(asked)
                _load(request["load"])
                _start(line, entry(request["asked"]))
    except BaseException:  # noqa: BLE001 - nothing of the process that we were forked from may go on here
        traceback.print_exc()
    finally:
        os._exit(0)


def _request(line: socket.socket) -> bytes:
    asked = b""
    while not asked.endswith(b"\n"):
        piece = line.recv(1 << 16)
        if not piece:
            return b""
        asked += piece
    return asked


def _load(modules: Sequence[str]) -> None:
    if not sys.modules.keys() >= set(modules):
        # Some libraries ask another program something when they are loaded, and wait for its end: that must be told.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for module in modules:
            importlib.import_module(module)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # children that ended meanwhile
                pass
        gc.freeze()


def _start(line: socket.socket, life: Life) -> None:
    try:
        theirs, ours = socket.socketpair()
        with theirs, ours:
            pid = os.fork()
            if pid == 0:
                line.close()
                theirs.close()
                _live(ours, life)
            socket.send_fds(line, [b"%d" % pid], [theirs.fileno()])
    except OSError as error:
        line.sendall(b"-%d" % (error.errno or 0))


def _live(line: socket.socket, life: Life) -> NoReturn:
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _be_called("mailer-sender")
        line.setblocking(False)
        status = life(line)
    except BaseException:  # noqa: BLE001 - it tells of its own errors; what comes here is a fault of the program
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            line.send(b"%d" % status)
        os._exit(status)


def _be_called(name: str) -> None:
    """The name `ps -o comm` and `top` show, at most 15 letters; Linux only."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name, "ascii")
