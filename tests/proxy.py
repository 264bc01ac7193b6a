"""A line between two programs that is slow, or cut after so many bytes, or passes nothing on from then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass
class Line:
    """How the line behaves. Bytes are counted over all its connections."""

    target: int
    cut_after: int | None = None  # bytes from client to server
    replies_cut_after: int | None = None  # bytes from server to client
    deaf: bool = False  # where it is cut, keep the line but pass nothing on
    heals: bool = False  # after the first cut it is never cut again
    delay: float = 0.0  # seconds each byte is under way
    port: int = 0
    passed: int = 0
    replied: int = 0

    async def up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Client to server. Ends when the line is cut."""
        while data := await reader.read(65_536):
            whole = self._until(self.cut_after, self.passed, data)
            self.passed += len(whole)
            await self._carry(whole, writer)
            if self.cut_after is not None and self.passed >= self.cut_after:
                await self._cut()
                return
        await asyncio.sleep(self.delay)

    async def down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Server to client. Ends when the line is cut."""
        while data := await reader.read(65_536):
            whole = self._until(self.replies_cut_after, self.replied, data)
            self.replied += len(whole)
            await self._carry(whole, writer)
            if self.replies_cut_after is not None and self.replied >= self.replies_cut_after:
                await self._cut()
                return
        await asyncio.sleep(self.delay)

    def _until(self, limit: int | None, passed: int, data: bytes) -> bytes:
        return data if limit is None else data[: max(0, limit - passed)]

    async def _carry(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, writer.write, data)
        else:
            writer.write(data)
            await writer.drain()

    async def _cut(self) -> None:
        if self.heals:
            self.cut_after = self.replies_cut_after = None
        await asyncio.sleep(3600 if self.deaf else 0)


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
async def line_to(
    target: int, *, cut_after: int | None = None, deaf: bool = False, delay: float = 0.0
) -> AsyncIterator[Line]:
    """A line to a port of 127.0.0.1 until the block ends."""
    line = Line(target, cut_after, deaf=deaf, delay=delay)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            await join(line, reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
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
