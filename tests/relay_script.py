r"""The language in which a test tells its relay how to behave.

A script is a JSON object. Under the name of a step (`banner ehlo starttls auth mail rcpt data body dot rset
noop quit`) it has an answer, or a list of answers used in turn for each recipient, the last one for good;
under `to`, the same for recipients of a pattern: `{"to": {"*@slow.example": {"dot": "wait 5|250 ok"}}}`. An
answer is one or more actions joined by `|`:

    250 2.0.0 text   say this line (LF in it makes more lines)
    raw 250 a\r\n    say exactly this, escapes understood
    drip 0.1         from now on pause after each byte
    wait 1.5         pause, in seconds
    flood 5000000    one line without an end
    endless          `250-` for ever
    keep             the message counts as accepted, though nobody is told
    after 1000       in `body`, first: when so many bytes have come
    cut              reset the connection
    half             end our half of it: nothing more is said, but what comes is heard
    close            close it politely
    silence          say nothing any more
    told             pause until the test says so: until the relay's file `told` is there

Other keys: `pause_after` (so many messages taken, of all connections; the dots behind them are answered when told),
`extensions`, `mechanisms`, `user`, `password`, `tls` (none, starttls, implicit), `certificate` (a file of tests/tls),
`close_after` (accepted messages of one connection), `hasty` (DATA is taken with no recipient).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

DEFAULTS = {
    "banner": "220 relay.test ESMTP",
    "starttls": "220 go ahead",
    "mail": "250 2.1.0 ok",
    "rcpt": "250 2.1.5 ok",
    "data": "354 go ahead",
    "dot": "250 2.0.0 kept",
    "rset": "250 ok",
    "noop": "250 ok",
    "quit": "221 bye|close",
}


class Gone(Exception):
    """The conversation ends here."""


@dataclass
class Script:
    """What to say, and how often it was said."""

    steps: Mapping[str, Any] = field(default_factory=dict)
    used: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def extensions(self) -> list[str]:
        return list(self.steps.get("extensions", ["SIZE 10000000", "8BITMIME", "SMTPUTF8"]))

    @property
    def mechanisms(self) -> list[str]:
        return list(self.steps.get("mechanisms", ["PLAIN", "LOGIN"]))

    @property
    def login(self) -> tuple[str, str] | None:
        return (self.steps["user"], self.steps["password"]) if "user" in self.steps else None

    @property
    def tls(self) -> str:
        return str(self.steps.get("tls", "none"))

    @property
    def certificate(self) -> str:
        return str(self.steps.get("certificate", "relay.pem"))

    @property
    def hasty(self) -> bool:
        return bool(self.steps.get("hasty", False))

    @property
    def close_after(self) -> int:
        return int(self.steps.get("close_after", 0))

    def answer(self, step: str, recipient: str = "") -> str:
        """The next answer at a step; empty: the script has none."""
        for pattern, steps in self.steps.get("to", {}).items():
            if recipient and step in steps and fnmatch(recipient, pattern):
                return self._next(steps[step], step, recipient)
        return self._next(self.steps.get(step, DEFAULTS.get(step, "")), step, recipient)

    def dot(self, recipient: str, taken: int) -> str:
        """The answer to the dot, when so many messages were taken before."""
        answer, limit = self.answer("dot", recipient), self.steps.get("pause_after")
        return answer if limit is None or taken < limit else f"told|{answer}"

    def _next(self, answers: str | list[str], step: str, recipient: str) -> str:
        if isinstance(answers, str):
            return answers
        self.used[step, recipient] += 1
        return answers[min(self.used[step, recipient], len(answers)) - 1]


@dataclass
class Voice:
    """What the relay's side of a connection can do."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    told: Path | None = None
    pace: float = 0.0

    async def perform(self, answer: str) -> str:
        """Do what an answer says; the first digit of the last line said."""
        said = ""
        for action in filter(None, answer.split("|")):
            verb, _, rest = action.partition(" ")
            act = getattr(self, f"_{verb}", None)
            if act is not None:
                await act(rest)
            else:
                await self.say(action)
                said = action[0]
        return said

    async def say(self, text: str) -> None:
        await self._write(text.replace("\n", "\r\n").encode() + b"\r\n")

    async def hears(self, mechanism: str, initial: str, user: str, password: str) -> bool:
        """Whether the client knows the password (RFC 4616, RFC 2195, and LOGIN, which has none)."""
        if mechanism.upper() == "PLAIN":
            return _decoded(initial or await self._ask("")) == f"\0{user}\0{password}".encode()
        if mechanism.upper() == "LOGIN":
            name = _decoded(initial or await self._ask("Username:"))
            return (name, _decoded(await self._ask("Password:"))) == (user.encode(), password.encode())
        challenge = "<1@relay.test>"
        proof = hmac.new(password.encode(), challenge.encode(), "md5").hexdigest()
        return _decoded(await self._ask(challenge)) == f"{user} {proof}".encode()

    async def _ask(self, challenge: str) -> str:
        await self.say(f"334 {base64.b64encode(challenge.encode()).decode()}")
        return (await self.reader.readuntil(b"\n")).decode().strip()

    async def _write(self, data: bytes) -> None:
        for piece in [data[i : i + 1] for i in range(len(data))] if self.pace else [data]:
            self.writer.write(piece)
            await self.writer.drain()
            if self.pace:
                await asyncio.sleep(self.pace)

    async def _wait(self, seconds: str) -> None:
        await asyncio.sleep(float(seconds))

    async def _told(self, _rest: str) -> None:
        while self.told is None or not self.told.exists():  # noqa: ASYNC110 -- a process of its own, mostly
            await asyncio.sleep(0.01)

    async def _drip(self, seconds: str) -> None:
        self.pace = float(seconds)

    async def _raw(self, text: str) -> None:
        await self._write(text.encode().decode("unicode_escape").encode("latin-1"))

    async def _flood(self, size: str) -> None:
        await self._write(b"250 " + b"x" * int(size))

    async def _endless(self, _rest: str) -> None:
        while True:
            await self._write(b"250-more\r\n" * 100)

    async def _keep(self, _rest: str) -> None:
        pass

    async def _silence(self, _rest: str) -> None:
        await self.reader.read()
        raise Gone

    async def _close(self, _rest: str) -> None:
        raise Gone

    async def _half(self, _rest: str) -> None:
        self.writer.write_eof()

    async def _cut(self, _rest: str) -> None:
        self.writer.transport.abort()
        raise Gone


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
