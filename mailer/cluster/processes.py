"""Sender processes: started, watched and stopped. They share nothing with us but the database."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

from mailer.cluster.starter import Child, Starter

GRACE_SECONDS = 30.0  # a sender finishes the messages it has begun
RESTART_SECONDS = 1.0  # before a sender that died is replaced; twice as long each time it died at once
LONGEST_RESTART = 60.0
OWN_FILES = 40  # a sender opens besides its connections: the database, its journal, what the interpreter has
STEADY_SECONDS = 10.0  # one that lived so long did not die at once


class SenderProcesses:
    """Children that our starter starts; each holds the other end of a line and dies when we do."""

    def __init__(self, starter: Starter, order: Mapping[str, Any], load: Sequence[str] = ()) -> None:
        """Every child is told the `order`, and which share of the connections is its own.

        The modules to `load` are those that only children need; they share them.
        """
        self._starter = starter
        self._order = dict(order)
        self._load = load
        self._children: list[Child] = []
        self._stopping = False

    async def run_until_idle(self, connections: Sequence[int]) -> list[int]:
        """Start a sender for each share of the connections; returns their exit statuses when all are done."""
        self._stopping = False
        children: list[Child] = []
        self._children = children
        try:
            for first, share in numbered(connections):
                children.append(await self._start(first, share, until_idle=True))
                if self._stopping:  # said while this one was being started
                    children[-1].signal(signal.SIGTERM)
                    break
            return list(await asyncio.gather(*(child.wait() for child in children)))
        finally:
            await self.stop()

    async def keep(self, connections: Sequence[int], stop: asyncio.Event, *, reserved: int = 0) -> None:
        """Keep a sender running for each share, and one for what is urgent; one that dies is replaced."""
        try:
            async with asyncio.TaskGroup() as group:
                for first, share in numbered(connections):
                    group.create_task(self._keep_one(stop, first, share))
                if reserved:
                    group.create_task(self._keep_one(stop, sum(connections), reserved, urgent=True))
        finally:
            await self.stop()

    async def _keep_one(self, stop: asyncio.Event, first: int, share: int, *, urgent: bool = False) -> None:
        stopped = asyncio.create_task(stop.wait())
        wait = RESTART_SECONDS
        try:
            while not stop.is_set():
                began = time.monotonic()
                child = await self._start(first, share, urgent=urgent)
                self._children.append(child)
                ended = asyncio.create_task(child.wait())
                await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not ended.done():
                    ended.cancel()
                    return
                self._children.remove(child)
                if time.monotonic() - began > STEADY_SECONDS:
                    wait = RESTART_SECONDS
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), wait)
                wait = min(wait * 2, LONGEST_RESTART)
        finally:
            stopped.cancel()

    async def stop(self) -> None:
        """Ask every child to finish what it has begun; those that cannot are killed."""
        self._stopping = True
        for child in self._children:
            child.signal(signal.SIGTERM)
        waits = [asyncio.create_task(child.wait()) for child in self._children]
        if waits:
            await asyncio.wait(waits, timeout=GRACE_SECONDS)
        for child in self._children:
            child.signal(signal.SIGKILL)
            await child.wait()
        self._children = []

    async def _start(
        self, first: int, connections: int, *, until_idle: bool = False, urgent: bool = False
    ) -> Child:
        # Which of all connections these are says which relays they belong to.
        share = {"first": first, "connections": connections, "until_idle": until_idle, "urgent": urgent}
        return await self._starter.start(self._order | share, self._load)


def shares(connections: int, processes: int) -> list[int]:
    """`connections` dealt out over `processes` as evenly as they go; nobody gets none."""
    processes = max(1, min(processes, connections))
    each, rest = divmod(connections, processes)
    return [each + (1 if index < rest else 0) for index in range(processes)]


def numbered(dealt: Sequence[int]) -> list[tuple[int, int]]:
    """Each share with the number of its first connection among all."""
    return [(sum(dealt[:index]), share) for index, share in enumerate(dealt)]


def slots(connections: int, processes: int) -> tuple[list[int], int]:
    """Connections dealt out, and those of the slot reserved for what is urgent: a tenth, where there are two."""
    if connections == 1:
        return [1], 0
    reserved = max(1, connections // 10)
    return shares(connections - reserved, processes), reserved


def affordable(connections: int) -> int:
    """How many of so many connections this process has files for; it is given all files it may have.

    Without this some connections would fail for want of a file, which looks as if the relay were away.
    """
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - OWN_FILES))
