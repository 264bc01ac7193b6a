"""What all scripts here need: a shop in a temporary folder, and the oracle beside it."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy.engine import make_url

from mailer.store import migrate
from mailer.store.engine import Database
from tests import counterparts
from tests.acceptance import shop as acceptance
from tests.acceptance.shop import Running, Shop
from tests.noted import noted

acceptance.PATIENCE = 900.0  # these runs are long, and the machine may be busy

HERE = Path(__file__).parent
SEAM = HERE / "seam"
RELAY_DISK = tempfile.gettempdir()  # the relay is another machine: its disk is not full when the shop's is
SOON = "2027-01-15T08:00:00Z"
LATER = "2027-01-15T13:00:00Z"  # whatever was put off is due
IMPORTED = "2027-01-01T00:00:00Z"
GIFT = """
purpose: commercial
trigger: {at: 2027-01-15T11:00}
coupon: {kind: generated, prefix: GF, percent: 20}
"""


class Oracle:
    """The oracle as a program."""

    def __init__(self, folder: Path, *, pause: float = 0.0, hasty: bool = False) -> None:
        self.log = folder / "kept.jsonl"
        self.log.touch()
        self._read = self._lines = 0  # bytes of the log that were read, and lines among them
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "oracle.py"), "--log", str(self.log), "--pause", str(pause),
             *(["--hasty"] if hasty else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.port = int(json.loads(self._process.stdout.readline())["port"])

    def trap(self, point: str, after: int, group: int) -> None:
        """Kill that group at a point; an empty point takes a trap away."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"point": point, "after": after, "group": group}) + "\n")
        self._process.stdin.flush()

    def kept(self) -> list[dict[str, Any]]:
        """What it accepted."""
        return [note for note in noted(self.log) if note["phase"] == "kept"]

    def count(self) -> int:
        """How many messages came whole; quick, as it reads what is new."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        self._read += len(new)
        self._lines += new.count(b"\n")
        return self._lines

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@dataclass
class Place:
    """A shop, the oracle it sends through, and its database."""

    shop: Shop
    oracle: Oracle
    database_url: str
    connections: int
    audience: dict[str, int]  # by purpose

    def start(self, *words: str, now: str | None = SOON, seam: str = "") -> Running:
        """Start the program; with a seam it kills itself around a commit."""
        path = f"{SEAM}{os.pathsep}{acceptance.ROOT}"
        more = {"PYTHONPATH": path, "CHAOS_KILL": seam} if seam else {}
        return self.shop.start(*words, now=now, env=more)

    def finish(self) -> None:
        """Let whatever is left be done."""
        for now in (SOON, LATER):
            self.shop.run(now)


class Ground:
    """Where places are: SQLite files, or databases of our own beside the one of a URL."""

    def __init__(self, database: str) -> None:
        self._server = None
        self._let_go: Callable[[], None] = lambda: None
        if database == "postgresql":
            counterparts.make_scratch()
            self._server, self._let_go = counterparts.server()
        elif database != "sqlite":
            self._server = make_url(database).set(drivername="postgresql")
        self.kind = "postgresql" if self._server is not None else "sqlite"

    @contextmanager
    def place(
        self,
        *,
        recipients: int = 0,
        hit: int = 0,
        connections: int = 4,
        pause: float = 0.0,
        hasty: bool = False,
        processes: int = 2,
        campaigns: tuple[str, ...] = ("outage",),
    ) -> Iterator[Place]:
        """A shop with so many customers, for whom a gift is planned; `hit` of them have an outage."""
        folder = Path(tempfile.mkdtemp(prefix="mailer-chaos-"))
        relay = Path(tempfile.mkdtemp(prefix="mailer-chaos-relay-", dir=RELAY_DISK))
        url, drop = self._database(folder)
        place = Place(
            Shop(folder, *campaigns, database_url=url, fresh=True),
            Oracle(relay, pause=pause, hasty=hasty),
            url,
            connections,
            {purpose: count for purpose, count in (("commercial", recipients), ("service", hit)) if count},
        )
        try:
            place.shop.relay(place.oracle.port, connections=connections)
            place.shop.set(sender={"processes": processes, "claim_size": 100})
            if recipients:
                place.shop.campaign("gift", GIFT, body="{{ coupon.code }}")
                place.shop.customers(*people(recipients, hit), now=IMPORTED)
            if hit:
                place.shop.mailer("incidents", "open", "--title", "Kesinti", "--service", "fibre", now=SOON)
            yield place
        finally:
            place.shop.close()
            place.oracle.close()
            drop()
            for each in (folder, relay):
                shutil.rmtree(each, ignore_errors=True)

    def _database(self, folder: Path) -> tuple[str, Callable[[], None]]:
        if self._server is None:
            url = f"sqlite:///{folder}/mailer.db"
            asyncio.run(_migrated(url))
            return url, lambda: None
        server, name = self._server, f"mailer_chaos_{uuid4().hex[:12]}"
        counterparts.admin(server, f"CREATE DATABASE {name}")
        url = server.set(database=name).render_as_string(hide_password=False)
        asyncio.run(_migrated(url))
        return url, lambda: counterparts.admin(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def close(self) -> None:
        self._let_go()
        if counterparts.SCRATCH in os.environ:
            counterparts.drop_scratch()


def people(count: int, hit: int) -> Iterator[dict[str, str]]:
    for number in range(count):
        yield {
            "id": f"c{number}", "email": f"c{number}@x.example", "first_name": f"Ad{number}", "consent": "yes",
            "services": "fibre" if number < hit else "",
        }  # fmt: skip


async def _migrated(url: str) -> None:
    database = await Database.connect(url)
    await migrate.upgrade(database)
    await database.close()


@contextmanager
def ground(options: argparse.Namespace) -> Iterator[Ground]:
    """The ground for a script's `--database`; nothing is left of it."""
    made = Ground(options.database)
    try:
        yield made
    finally:
        made.close()


def parser(about: str) -> argparse.ArgumentParser:
    """The options every script has."""
    made = argparse.ArgumentParser(description=about)
    made.add_argument(
        "--database",
        default="sqlite",
        help="sqlite, postgresql (a server of our own), or the URL of a server where we may make databases",
    )
    made.add_argument("--seed", type=int, default=20270115)
    return made


def end_of(running: Running, *, within: float) -> int | None:
    """Wait for it; its exit status, None when it still runs."""
    end = time.monotonic() + within
    while not running.over():
        if time.monotonic() > end:
            return None
        time.sleep(0.01)
    return running.status


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
