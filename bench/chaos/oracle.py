"""A relay that knows what it took: on disk first, then the 250. It can kill a sender at a named point.

    python bench/chaos/oracle.py --log kept.jsonl [--port N] [--pause SECONDS] [--hasty]

It prints its port as a line of JSON. Each line of the log, (phase, message-id, recipient, sha256, at in seconds of the
epoch), is on disk (fsync; with `--hasty` given to the system) before anything is answered: `kept` was accepted,
`dropped` came whole and was not accepted, since the sender was killed right then.

A line of JSON on standard input, `{"point": "dot", "after": 17, "group": 4711}`, kills (SIGKILL) that process group
when the point is reached for the seventeenth time from now; one of JSON is printed then. The points of a message:

    mail   MAIL was read             354    the 354 has left            kept   noted down, no answer left
    data   DATA was read, no 354     body   a part of it came           told   the 250 has left
                                     dot    it came whole, not noted
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import re
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MESSAGE_ID = re.compile(rb"(?im)^message-id:\s*(\S+)")
LARGEST = 2**24  # bytes of a message
POINTS = ("mail", "data", "354", "body", "dot", "kept", "told")


@dataclass
class Trap:
    """Whom to kill where."""

    point: str
    after: int
    group: int


class Oracle:
    """What all connections share."""

    def __init__(self, log: Path, pause: float, *, sync: bool) -> None:
        self.pause = pause
        self._sync = sync
        self.trap: Trap | None = None
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._noted: list[bytes] = []  # lines on their way to the disk
        self._stands: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stands.set_result(None)

    async def note(self, phase: str, recipient: str, data: bytes) -> None:
        """On disk when this returns; what several connections note at once gets there together."""
        found = MESSAGE_ID.search(data.partition(b"\r\n\r\n")[0])
        facts = {
            "phase": phase,
            "message_id": found[1].decode("utf-8", "replace") if found else "",
            "recipient": recipient,
            "sha256": hashlib.sha256(data).hexdigest(),
            "at": time.time(),
        }
        self._noted.append(json.dumps(facts).encode() + b"\n")
        if self._stands.done():
            loop = asyncio.get_running_loop()
            self._stands = loop.create_future()
            loop.call_soon(self._write)
        await asyncio.shield(self._stands)

    def _write(self) -> None:
        os.write(self._log, b"".join(self._noted))
        if self._sync:
            os.fsync(self._log)
        self._noted.clear()
        self._stands.set_result(None)

    def at(self, point: str) -> bool:
        """A message is at a point; whether its sender was killed there."""
        trap = self.trap
        if trap is None or trap.point != point:
            return False
        trap.after -= 1
        if trap.after > 0:
            return False
        self.trap = None
        with suppress(ProcessLookupError):
            os.killpg(trap.group, signal.SIGKILL)
        say({"killed": trap.group, "point": point})
        return True

    async def listen(self) -> None:
        """Take traps, until there is nobody to set them."""
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            asked = json.loads(line)
            self.trap = Trap(asked["point"], asked["after"], asked["group"]) if asked["point"] else None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, ConnectionError):
            await self._converse(reader, writer)
        writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipient = ""

        async def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")
            await writer.drain()

        await say("220 oracle ESMTP")
        while True:
            line = (await reader.readuntil(b"\n")).decode("utf-8", "replace").strip()
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                await say("250-oracle\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8")
            elif verb == "MAIL":
                self.at("mail")
                await say("250 2.1.0 ok")
            elif verb == "RCPT":
                recipient = line.partition("<")[2].partition(">")[0]
                await say("250 2.1.5 ok")
            elif verb == "DATA":
                self.at("data")
                await say("354 go ahead")
                self.at("354")
                await say(await self._message(reader, recipient))
                self.at("told")
            elif verb == "QUIT":
                await say("221 bye")
                return
            else:
                await say("250 ok")

    async def _message(self, reader: asyncio.StreamReader, recipient: str) -> str:
        first = await reader.readuntil(b"\r\n")
        data = b""
        if first != b".\r\n":
            self.at("body")
            rest = await reader.readuntil(b"\r\n.\r\n")
            data = (first + rest[:-3]).replace(b"\r\n..", b"\r\n.")
        if self.pause:
            await asyncio.sleep(self.pause)
        if self.at("dot"):
            await self.note("dropped", recipient, data)
            return "451 4.3.0 never heard"
        await self.note("kept", recipient, data)
        self.at("kept")
        return "250 2.0.0 kept"


def say(facts: object) -> None:
    with suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()


async def main() -> None:
    parser = argparse.ArgumentParser(description="A relay that knows what it took.")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds before each answer to a message")
    parser.add_argument("--hasty", action="store_true", help="do not wait for the disk: nobody is killed")
    given = parser.parse_args()
    oracle = Oracle(given.log, given.pause, sync=not given.hasty)
    server = await asyncio.start_server(oracle.serve, "127.0.0.1", given.port, limit=LARGEST)
    say({"port": server.sockets[0].getsockname()[1]})
    await oracle.listen()  # it ends with whoever started it


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
