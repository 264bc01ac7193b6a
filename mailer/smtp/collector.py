"""The replies of a connection, collected in the order they were asked for.

It takes the place of aiosmtplib's own protocol once that has connected, encrypted and logged in: that one hands out
one reply at a time, behind a lock and a task of its own, and forgets what arrives in between. Here the bytes are
parsed where they arrive; whoever waits is woken once, when all it asked for is there.
"""

from __future__ import annotations

import asyncio

from aiosmtplib import SMTPResponseException

#: A reply as it came: its code, and its lines joined by LF.
Raw = tuple[int, bytes]

#: Bytes of one reply, all its lines together; real ones are a few hundred (RFC 5321 §4.5.3.1.5: 512 a line).
LIMIT = 32_768

_FIRST, _LAST = b"2", b"5"  # RFC 5321 §4.2.1: the digits a final reply can begin with


class Collector(asyncio.Protocol):
    """Replies of one connection, and why no more will come. One coroutine waits at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.replies: list[Raw] = []  # complete, and not yet taken
        self.ended: Exception | None = None  # why nothing more is read
        self._loop = loop
        self._expected = 0  # replies asked for that have not come
        self._rest = b""  # of a line not yet complete
        self._lines: list[bytes] = []  # of a reply not yet complete
        self._size = 0  # of those
        self._paused = False
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._timeout = self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, count: int) -> None:
        """So many more replies will come; one more than that is out of turn, and ends the reading."""
        self._expected += count

    async def take(self, count: int, timeout: float) -> list[Raw]:  # noqa: ASYNC109 -- one timer serves all waits
        """The next replies; fewer if the connection ended, the last of them a 421 if that was why.

        `timeout` is in seconds, and begins anew with each reply.
        """
        replies = self.replies
        if len(replies) < count and self.ended is None:
            await self._wait(count, timeout)
        taken = replies[:count]
        del replies[:count]
        return taken

    async def drained(self, timeout: float) -> bool:  # noqa: ASYNC109 -- as above
        """Wait until what was written has left; no, if a reply or the end of the connection came first."""
        await asyncio.sleep(0)  # a peer that takes everything at once must not keep us from hearing it
        while self._paused and not self.replies and self.ended is None:
            await self._wait(1, timeout)
        return not self.replies and self.ended is None

    def end(self, error: Exception) -> None:
        """Read nothing more; the first reason stays."""
        if self.ended is None:
            self.ended = error
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Parse what came. A stranger's bytes: every line and reply is bounded."""
        if self.ended is not None:
            return
        if self._rest:
            data = self._rest + data
        start = 0
        while (stop := data.find(b"\n", start)) >= 0:
            if not self._expected:
                break
            line = data[start : stop - 1] if data[stop - 1 : stop] == b"\r" else data[start:stop]
            start = stop + 1
            self._read(line)
            if self.ended is not None:
                return
        if not self._expected and start < len(data):
            self.end(ValueError("the relay spoke out of turn"))
            return
        self._rest = data[start:]
        if len(self._rest) + self._size > LIMIT:
            self.end(junk(b"a reply without an end: " + (b"\n".join(self._lines) or self._rest)[:100]))
        elif self._waiter is not None and len(self.replies) >= self._wanted:
            self._wake()

    def eof_received(self) -> bool:
        """Nobody answers any more, so the connection is closed on our side too."""
        self.end(ConnectionResetError("the relay ended the connection"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Whatever the reason, the peer is gone."""
        self.end(exc or ConnectionResetError("the connection was closed"))

    def pause_writing(self) -> None:
        """The peer takes less than we write."""
        self._paused = True

    def resume_writing(self) -> None:
        """What was written has left."""
        self._paused = False
        self._wake()

    def _read(self, line: bytes) -> None:
        code, mark = line[:3], line[3:4]
        if len(code) != 3 or not code.isdigit() or not _FIRST <= code[:1] <= _LAST or mark not in b" -\t":  # noqa: PLR2004 -- RFC 5321 §4.2: three digits
            self.end(junk(line))
        elif mark == b"-":
            self._lines.append(line[4:])
            self._size += len(line)
        else:
            text = line[4:]
            if self._lines:
                text = b"\n".join([*self._lines, text])
                self._lines, self._size = [], 0
            self.replies.append((int(code), text))
            self._expected -= 1
            if self._waiter is not None:
                self._deadline = self._loop.time() + self._timeout
            if code == b"421":  # RFC 5321 §3.8: whatever it answers, nothing follows it
                self.end(ConnectionResetError("the relay closes the connection"))

    async def _wait(self, count: int, timeout: float) -> None:  # noqa: ASYNC109 -- as above
        self._wanted, self._timeout = count, timeout
        self._deadline = deadline = self._loop.time() + timeout
        # One timer for all waits, made anew only when it would be late: a message costs none.
        if self._timer is None or self._timer.when() > deadline:
            self._set_timer(deadline)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _set_timer(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._late)

    def _late(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() < self._deadline:
            self._set_timer(self._deadline)
        else:
            self.end(TimeoutError())


def junk(line: bytes) -> SMTPResponseException:
    """The error of bytes that are no reply, as aiosmtplib raises it."""
    return SMTPResponseException(-1, line[:512].decode("utf-8", "replace"))
