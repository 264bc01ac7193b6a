"""A relay that does as a script says: the counterpart of our tests, in this process or as a program.

    python tests/relay.py --port 0 --script '{"rcpt": ["451 4.7.1 later", "250 ok"]}' --log relay.jsonl

The program prints its port as a line of JSON. The script's language is told in `relay_script.py`. Each line
of the log is on disk before the reply leaves.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import re
import ssl
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.relay_script import DEFAULTS, Gone, Script, Voice

TLS = Path(__file__).parent / "tls"
_PATH = re.compile(r"<(.*)>")
_MESSAGE_ID = re.compile(rb"(?im)^message-id:\s*(\S+)")


@dataclass(frozen=True)
class Received:
    """One message as it came, dots removed."""

    mail_from: str
    options: str  # of MAIL
    recipient: str
    data: bytes
    message_id: str
    accepted: bool
    connection: int
    tls: bool
    user: str


@dataclass
class Relay:
    """The script, and what happened so far."""

    script: Script
    log: Path | None = None
    keep: Path | None = None
    told: Path | None = None
    port: int = 0
    connections: int = 0
    open: int = 0  # of them
    messages: list[Received] = field(default_factory=list)
    commands: list[tuple[int, str]] = field(default_factory=list)

    @property
    def accepted(self) -> list[Received]:
        return [message for message in self.messages if message.accepted]

    def verbs(self) -> list[str]:
        return [line.split(" ")[0] for _, line in self.commands]

    def note(self, phase: str, **facts: object) -> None:
        """One line in the log, on disk before anything else happens."""
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(json.dumps({"phase": phase, **facts, "at": time.time()}) + "\n")
                file.flush()
                os.fsync(file.fileno())

    def take(self, message: Received, answer: str) -> None:
        self.note(
            "dot",
            message_id=message.message_id,
            mail_from=message.mail_from,
            recipient=message.recipient,
            sha256=hashlib.sha256(message.data).hexdigest(),
            accepted=message.accepted,
            answer=answer,
        )
        self.messages.append(message)
        if self.keep is not None:
            (self.keep / f"{len(self.messages):06d}.eml").write_bytes(message.data)

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / self.script.certificate)
        return context

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        self.connections += 1
        self.open += 1
        self.note("connect", connection=self.connections)
        with suppress(Gone, OSError, asyncio.IncompleteReadError):
            await Conversation(self, self.connections, Voice(reader, writer, self.told)).run()
        self.open -= 1
        with suppress(OSError):
            writer.close()
            await writer.wait_closed()


class Conversation:
    """One connection's state, and what each command does to it."""

    def __init__(self, relay: Relay, number: int, voice: Voice) -> None:
        self.relay, self.number, self.voice, self.script = relay, number, voice, relay.script
        self.tls = relay.script.tls == "implicit"
        self.user = self.mail_from = self.recipient = self.options = ""
        self.begun = False  # MAIL was taken, and neither data nor RSET has ended it
        self.kept = 0

    async def run(self) -> None:
        await self.voice.perform(self.script.answer("banner"))
        while True:
            line = (await self.voice.reader.readuntil(b"\n")).decode("utf-8", "replace").rstrip("\r\n")
            self.relay.commands.append((self.number, line))
            verb, _, rest = line.partition(" ")
            step = getattr(self, f"on_{verb.lower()}", None)
            if step is not None:
                await step(rest)
            elif verb.lower() in DEFAULTS:
                await self.voice.perform(self.script.answer(verb.lower()))
            else:
                await self.voice.say("502 5.5.1 unknown command")

    async def on_ehlo(self, _name: str) -> None:
        offers = ["relay.test", *self.script.extensions]
        if self.script.tls == "starttls" and not self.tls:
            offers.append("STARTTLS")
        offers += ["AUTH " + " ".join(self.script.mechanisms)] if self.script.login is not None else []
        full = "\n".join([*(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}"])
        await self.voice.perform(self.script.answer("ehlo") or full)

    async def on_helo(self, _name: str) -> None:
        await self.voice.say("250 relay.test")

    async def on_starttls(self, _rest: str) -> None:
        if await self.voice.perform(self.script.answer("starttls")) == "2":
            await self.voice.writer.start_tls(self.relay.context())
            self.tls = True

    async def on_auth(self, rest: str) -> None:
        mechanism, _, initial = rest.partition(" ")
        scripted = self.script.answer("auth")
        if scripted:
            await self.voice.perform(scripted)
        elif self.script.login is not None and await self.voice.hears(mechanism, initial, *self.script.login):
            self.user = self.script.login[0]
            await self.voice.say("235 2.7.0 welcome")
        else:
            await self.voice.say("535 5.7.8 wrong user name or password")

    async def on_mail(self, rest: str) -> None:
        found = _PATH.search(rest)
        if self.script.login is not None and not self.user:
            await self.voice.say("530 5.7.0 authentication required")
            return
        if self.begun:
            await self.voice.say("503 5.5.1 nested MAIL")
            return
        self.mail_from, self.recipient = found[1] if found else "", ""
        self.options = rest[found.end() :].strip() if found else ""
        self.begun = await self.voice.perform(self.script.answer("mail")) not in ("4", "5")

    async def on_rcpt(self, rest: str) -> None:
        found = _PATH.search(rest)
        recipient = found[1] if found else ""
        if not self.begun:
            await self.voice.say("503 5.5.1 MAIL first")
            return
        answer = self.script.answer("rcpt", recipient)
        self.relay.note("rcpt", recipient=recipient, answer=answer)
        if await self.voice.perform(answer) == "2":
            self.recipient = recipient

    async def on_rset(self, _rest: str) -> None:
        self.begun, self.recipient = False, ""
        await self.voice.perform(self.script.answer("rset"))

    async def on_data(self, _rest: str) -> None:
        if not self.recipient and not (self.begun and self.script.hasty):
            await self.voice.say("503 5.5.1 no recipient")
            return
        answer = self.script.answer("data", self.recipient)
        self.relay.note("data", recipient=self.recipient, answer=answer)
        if await self.voice.perform(answer) != "3":
            return
        data, spoke = await self.read_body(self.script.answer("body", self.recipient))
        answer = "" if spoke else self.script.dot(self.recipient, len(self.relay.accepted))
        taken = any(action.startswith("2") or action == "keep" for action in answer.split("|"))
        recipient, accepted = self.recipient, taken and self.recipient != ""
        found = _MESSAGE_ID.search(data.partition(b"\r\n\r\n")[0])
        self.relay.take(
            Received(
                mail_from=self.mail_from,
                options=self.options,
                recipient=recipient,
                data=data,
                message_id=found[1].decode("utf-8", "replace") if found else "",
                accepted=accepted,
                connection=self.number,
                tls=self.tls,
                user=self.user,
            ),
            answer,
        )
        self.begun, self.recipient = False, ""
        await self.voice.perform(answer)
        if answer.startswith("told|"):
            self.relay.note("told", recipient=recipient)
        self.kept += accepted
        if self.script.close_after and self.kept >= self.script.close_after:
            raise Gone

    async def read_body(self, answer: str) -> tuple[bytes, bool]:
        """The data up to CRLF.CRLF, dots removed; and whether the script spoke in the middle."""
        trigger, _, actions = answer.partition("|")
        threshold = int(trigger.removeprefix("after ")) if answer else None
        lines, size, spoke = [], 0, False
        while (line := await self.voice.reader.readuntil(b"\r\n")) != b".\r\n":
            lines.append(line.removeprefix(b"."))
            size += len(line)
            if threshold is not None and size >= threshold and not spoke:
                spoke = True
                await self.voice.perform(actions)
        return b"".join(lines), spoke


@asynccontextmanager
async def running(
    steps: Mapping[str, Any] | None = None,
    *,
    port: int = 0,
    log: Path | None = None,
    keep: Path | None = None,
    told: Path | None = None,
) -> AsyncIterator[Relay]:
    """A relay on a port of 127.0.0.1 until the block ends; then its connections are cut."""
    relay = Relay(Script(steps or {}), log, keep, told)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            await relay.serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()

    context = relay.context() if relay.script.tls == "implicit" else None
    server = await asyncio.start_server(connected, "127.0.0.1", port, limit=2**20, ssl=context)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        waiting = list(tasks)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.sleep(0.01)  # aborted transports close their sockets in the loop's next rounds


async def main(options: argparse.Namespace, steps: Mapping[str, Any]) -> None:
    async with running(
        steps, port=options.port, log=options.log, keep=options.keep, told=options.told
    ) as relay:
        os.write(sys.stdout.fileno(), json.dumps({"port": relay.port}).encode() + b"\n")
        if not options.until_stdin_ends:
            await asyncio.Event().wait()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        await reader.read()
        pipe.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A relay that does as a script says.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--until-stdin-ends", action="store_true", help="end with whoever started it")
    parser.add_argument("--script", default="{}", help="JSON, or the name of a file of it")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--keep", type=Path, help="a folder for the messages")
    parser.add_argument("--told", type=Path, help="a file that is there when it may go on")
    return parser.parse_args()


if __name__ == "__main__":
    given = _options()
    text = given.script if given.script.lstrip().startswith("{") else Path(given.script).read_text()
    with suppress(KeyboardInterrupt):
        asyncio.run(main(given, json.loads(text)))
