"""A sender process, from what it is told to its exit status; the supervisor's starter forks it."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from mailer import settings as settings_file
from mailer.app import App, fixed_clock, stop_on_signals, system_clock
from mailer.app.voice import explain, say, show_inside
from mailer.cluster.forks import Life
from mailer.errors import Fenced, RelayError
from mailer.files import catalog
from mailer.files.catalog import Catalog
from mailer.settings import Settings

ORPHAN_GRACE = 5.0  # seconds a sender whose supervisor died has to finish what it has begun
GIVEN_UP = 3  # exit status: the relay does not let us in, or others took over what we held


@dataclass(frozen=True, slots=True)
class Order:
    """What a sender process is told; JSON can say all of it."""

    settings: str | None = None  # the file; none: settings.yaml in this folder, if it is there
    now: str | None = None  # the instant the clock stands at, RFC 3339; none: it runs
    debug: bool = False
    shared: bool = False  # its work is handed out to several machines
    urgent: bool = False  # it takes incidents and other service mail only
    until_idle: bool = False
    connections: int = 1
    first: int = 0  # the number of the first of them, among those of all senders
    counted: bool = True  # what the relay answers is counted for monitoring
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Files:
    """What files say, as they are when a sender is asked for."""

    settings: Settings
    catalog: Catalog


def ready(asked: Mapping[str, Any]) -> Life:
    """What a sender does, its files read beforehand: what reading takes would be memory of each."""
    order = Order(**asked)
    try:
        files = _read(order)
    except Exception:  # noqa: BLE001 - the sender finds the same, and tells it
        files = None
    return partial(_live, order, files)


def _read(order: Order) -> _Files:
    file = Path(order.settings or "settings.yaml")
    settings = settings_file.load(file, must_exist=order.settings is not None, environment=order.environment)
    return _Files(settings, catalog.read(settings.jobs_dir))


def _live(order: Order, files: _Files | None, line: socket.socket) -> int:
    """Send until told to stop, until idle, or until the other end of `line` is gone; the exit status."""
    settings_file.become(order.environment)
    show_inside(debug=order.debug)
    # Rows come and go by the thousand and leave no circles; looking each 700 times was a seventh of the work.
    gc.set_threshold(20_000, 20, 20)
    sys.setswitchinterval(0.001)  # seconds: what waits in a thread holds the database's one writer's place
    try:
        asyncio.run(_send(order, files, line))
    except (RelayError, Fenced) as error:
        say(str(error))
        return GIVEN_UP
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - the last resort
        return explain(error, say, debug=order.debug)
    return 0


async def _send(order: Order, files: _Files | None, line: socket.socket) -> None:
    clock = system_clock if order.now is None else fixed_clock(datetime.fromisoformat(order.now))
    async with stop_on_signals(patient=True) as stop:
        orphan = asyncio.create_task(_die_with_parent(line, stop))
        try:
            files = files or _read(order)
            async with App.open(files.settings, clock, say, load=False, short=True) as app:
                app.limit_memory()
                await app.reload(files.catalog, quiet=True)  # the process that started us tells of faults
                await app.send(
                    order.connections,
                    first=order.first,
                    until_idle=order.until_idle,
                    stop=stop,
                    shared=order.shared,
                    urgent=order.urgent,
                    counted=order.counted,
                )
        finally:
            orphan.cancel()


async def _die_with_parent(line: socket.socket, stop: asyncio.Event) -> None:
    """Nobody ever writes to us: what can be read is the end of whoever had us started."""
    await asyncio.get_running_loop().sock_recv(line, 1)
    stop.set()
    await asyncio.sleep(ORPHAN_GRACE)
    os._exit(1)
