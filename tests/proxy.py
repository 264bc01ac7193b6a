"""A line between two programs that can be cut: after so many bytes, or by ceasing to pass anything on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass
class Line:
    """How the line behaves."""

    target: int
    cut_after: int | None = None  # bytes from client to server, over all connections
    deaf: bool = False  # once `cut_after` is reached, keep the line but pass nothing on
    port: int = 0
    passed: int = 0

    async def up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Client to server. Ends when the line is cut."""
        while data := await reader.read(65_536):
            if self.cut_after is not None and self.passed + len(data) >= self.cut_after:
                writer.write(data[: max(0, self.cut_after - self.passed)])
                await writer.drain()
                self.passed = self.cut_after
                await asyncio.sleep(3600 if self.deaf else 0)
                return
            self.passed += len(data)
            writer.write(data)
            await writer.drain()

    async def down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Server to client."""
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


async def join(line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, until either side ends it or the line is cut."""
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", line.target)
    ways = [
        asyncio.ensure_future(line.up(reader, far_writer)),
        asyncio.ensure_future(line.down(far_reader, writer)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        far_writer.transport.abort()
        for way in ways:
            way.add_done_callback(lambda done: done.cancelled() or done.exception())
            way.cancel()


@asynccontextmanager
async def line_to(target: int, *, cut_after: int | None = None, deaf: bool = False) -> AsyncIterator[Line]:
    """A line to a port of 127.0.0.1 until the block ends."""
    line = Line(target, cut_after, deaf)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            await join(line, reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        waiting = list(tasks)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.sleep(0.01)  # aborted transports close their sockets in the loop's next rounds
