"""How fast one process hands messages to a relay: this session, the same in four steps, and aiosmtplib's own loop.

    python bench/session.py [--messages 3000] [--rounds 3] [--connections 10] [--size 10240]
    python bench/session.py --link-ms 40 [--connections 50]

The relay is Postfix's `smtp-sink` on loopback (Debian package postfix; nothing is installed as a service). Ways are
interleaved within a round, and the figures to compare are the ratios of one run. CPU is this process's, user and system
together, for a message. With `--link-ms` every byte waits half of that in a proxy, each way, so CPU is not told.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiosmtplib

sys.path.insert(0, str(Path(__file__).parents[1]))

from mailer.core.delivery import Accepted
from mailer.core.message import Message
from mailer.smtp.relay import RelayConfig, Tls
from mailer.smtp.session import Session
from tests.proxy import line_to

SINK = "/usr/sbin/smtp-sink"


@dataclass(frozen=True)
class Load:
    """What is sent in one go."""

    port: int
    shares: list[list[Message]]  # one for each connection


def shares(connections: int, messages: int, data: bytes) -> list[list[Message]]:
    each = [
        Message("shop@kardelen.example", f"c{number}@example.com", data, f"<{number}@kardelen.example>")
        for number in range(messages)
    ]
    return [each[first::connections] for first in range(connections)]


async def with_session(load: Load) -> None:
    async def one(messages: list[Message]) -> None:
        session = Session(config(load.port))
        queue = iter(messages[1:])
        for message in messages:
            outcome = await session.send(message, yes, before_dot=nothing, follow=lambda: next(queue, None))
            assert isinstance(outcome, Accepted), outcome
        await session.close()

    await asyncio.gather(*(one(share) for share in load.shares))


async def with_aiosmtplib(load: Load) -> None:
    async def one(messages: list[Message]) -> None:
        async with aiosmtplib.SMTP(
            hostname="127.0.0.1", port=load.port, start_tls=False, local_hostname="bench.test"
        ) as client:
            for message in messages:
                await client.sendmail(message.mail_from, [message.rcpt_to], message.data)

    await asyncio.gather(*(one(share) for share in load.shares))


def config(port: int) -> RelayConfig:
    return RelayConfig(
        "127.0.0.1", port, tls=Tls.NONE, local_hostname="bench.test", messages_per_connection=10**9
    )


def yes() -> bool:
    return True


def nothing() -> None: ...


@contextmanager
def sink(*options: str) -> Iterator[int]:
    """`smtp-sink` on a free port of loopback; `-p` makes it silent about PIPELINING."""
    user = ("-u", "nobody") if os.geteuid() == 0 else ()  # it does not run as root
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    with subprocess.Popen([SINK, *user, *options, f"127.0.0.1:{port}", "200"]) as process:
        try:
            for _ in range(100):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.02)
            yield port
        finally:
            process.terminate()


@asynccontextmanager
async def reached(port: int, link_ms: float) -> AsyncIterator[int]:
    """The port, at the end of a line that takes its time."""
    if not link_ms:
        yield port
        return
    async with line_to(port, delay=link_ms / 2000) as line:
        yield line.port


def spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measured(way: Callable[[Load], Awaitable[None]], load: Load, link_ms: float) -> tuple[float, float]:
    """Messages a second, and CPU seconds of this process for one message."""
    async with reached(load.port, link_ms) as port:
        begun, cpu = time.perf_counter(), spent()
        await way(Load(port, load.shares))
        messages = sum(map(len, load.shares))
        return messages / (time.perf_counter() - begun), (spent() - cpu) / messages


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int)
    parser.add_argument("--size", type=int, default=10_240, help="bytes of a message")
    parser.add_argument("--link-ms", type=float, default=0.0, help="milliseconds of a round trip")
    options = parser.parse_args()
    connections = options.connections or (50 if options.link_ms else 10)
    data = b"Subject: x\r\n\r\n" + (b"m" * 74 + b"\r\n") * (options.size // 76)
    figures: dict[str, list[tuple[float, float]]] = {}
    with sink() as pipelined, sink("-p") as plain:
        ways = {
            "aiosmtplib": (with_aiosmtplib, pipelined),
            "four steps": (with_session, plain),
            "session": (with_session, pipelined),
        }
        for _ in range(options.rounds):
            for name, (way, port) in ways.items():
                load = Load(port, shares(connections, options.messages, data))
                figures.setdefault(name, []).append(asyncio.run(measured(way, load, options.link_ms)))
    print(
        f"{options.messages} messages of {len(data)} bytes, {connections} connections, {options.rounds} rounds"
    )
    print("way           a second   of aiosmtplib   CPU µs a message")
    for name, runs in figures.items():
        ratio = statistics.median(
            mine[0] / base[0] for mine, base in zip(runs, figures["aiosmtplib"], strict=True)
        )
        cpu = "" if options.link_ms else f"{statistics.median(run[1] for run in runs) * 1e6:8.0f}"
        print(f"{name:<12}{statistics.median(run[0] for run in runs):>10.0f}{ratio:>13.2f} x{cpu:>16}")


if __name__ == "__main__":
    main()
