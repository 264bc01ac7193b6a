"""How soon the affected hear of an outage: whole processes, a real relay, nobody else at work.

    python bench/notices.py 10000 100000 [--database postgresql://user@host/database] [--rounds 3]

For each size it makes a shop in a temporary folder with so many customers, starts the senders (`mailer run`; on
PostgreSQL `mailer scheduler` and `mailer worker`) and Postfix's smtp-sink, and tells everybody of an outage with
`mailer incidents open`. It prints seconds from the publication, the instant written down as such, until the sink had
the first notice and all of them, and how long the command took until then. On PostgreSQL it makes databases of its own.
"""

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
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine, func, select
from sqlalchemy.engine import make_url

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from mailer.bench.databases import databases  # noqa: E402 - runs from a checkout that nobody installed
from mailer.bench.postfix import HOST, SESSIONS, Sink, sink  # noqa: E402
from mailer.store.tables import campaign_version, incident, sender  # noqa: E402

LOOK = 0.005  # seconds between two looks at the sink's counter
PATIENCE = 600.0  # seconds for anything
SETTINGS = {
    "public_url": "https://mail.shop.example",
    "secret_key": "0123456789abcdef0123456789abcdef",
    "policy": {"quiet_hours": ""},
}


@dataclass(frozen=True)
class Shop:
    """A folder with settings, and the commands that are run there."""

    folder: Path
    url: str

    def command(self, *words: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "mailer", *words)

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("MAILER_")}
        return kept | {"PYTHONPATH": str(ROOT)}

    def mailer(self, *words: str) -> str:
        """The output of a command that has to succeed."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"mailer {' '.join(words)} failed:\n{done.stderr}")
        return done.stdout

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """A command that stays until the block ends."""
        process = subprocess.Popen(
            self.command(name), cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def write_files(folder: Path, size: int, url: str, port: int) -> Shop:
    """`size` customers with fibre, the stock templates and campaigns, and a relay on the loopback."""
    with (folder / "customers.csv").open("w", encoding="utf-8") as file:
        file.write("id,email,first_name,timezone,postal_code,services\n")
        file.writelines(f"{n},c{n}@reader.example,Ad{n},Europe/Istanbul,34710,fibre\n" for n in range(size))
    shutil.copytree(ROOT / "templates", folder / "templates")
    shutil.copytree(ROOT / "jobs", folder / "jobs")
    tenant = {
        "name": "Ağ", "from": "Ağ <haber@shop.example>", "locale": "tr", "timezone": "Europe/Istanbul",
        "postal_address": "Moda Cad. No. 12, 34710 Kadıköy/İstanbul",
    }  # fmt: skip
    relay = {"host": HOST, "port": port, "tls": "none", "connections": SESSIONS}
    values = SETTINGS | {"database_url": url, "state_dir": "var", "tenant": tenant, "relay": relay}
    (folder / "settings.yaml").write_text(json.dumps(values), "utf-8")  # JSON is YAML
    return Shop(folder, url)


async def until(true: Callable[[], bool], what: str) -> float:
    """When it became so, in seconds of the epoch."""
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            sys.exit(f"Waited {PATIENCE:.0f} s for {what}.")
        await asyncio.sleep(LOOK)
    return time.time()


@contextmanager
def looking(url: str) -> Iterator[Connection]:
    """A connection of our own to the database."""
    driver = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}[make_url(url).get_backend_name()]
    engine = create_engine(make_url(url).set(drivername=driver), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


async def signed_on(url: str) -> None:
    """Returns when every sender is there, and the outage's template was tried."""
    with looking(url) as connection:
        await until(lambda: bool(connection.scalar(select(func.count()).select_from(sender))), "a sender")
        await until(
            lambda: bool(connection.scalar(select(func.count()).select_from(campaign_version))), "a version"
        )
    await asyncio.sleep(2)  # the other senders


async def one(shop: Shop, size: int, to: Sink) -> tuple[float, float, float]:
    """Seconds from the command's start until the publication, and from there to the first and the last notice."""
    before, began = to.mails(), time.time()
    area = ("--title", "Kesinti", "--service", "fibre", "--postal", "34*")
    opening = asyncio.create_task(asyncio.to_thread(shop.mailer, "incidents", "open", *area))
    first = await until(lambda: to.mails() > before, "the first notice")
    last = await until(lambda: to.mails() >= before + size, "the last notice")
    await opening
    with looking(shop.url) as connection:
        published = connection.scalars(select(incident.c.published_at)).one().timestamp()
    return published - began, first - published, last - published


async def play(size: int, server: str | None) -> None:
    """One incident for `size` customers, and its row."""
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        async with databases(Path(temporary), server) as made, sink(Path(temporary)) as to:
            folder = Path(temporary) / "shop"
            folder.mkdir()
            url = await made.empty()
            shop = write_files(folder, size, url, to.port)
            shop.mailer("migrate")
            shop.mailer("customers", "import", "customers.csv")
            for name in ("run",) if server is None else ("scheduler", "worker"):
                stack.enter_context(shop.running(name))
            await signed_on(url)
            begun, first, last = await one(shop, size, to)
            stack.close()
    kind = "SQLite" if server is None else make_url(server).get_backend_name()
    print(
        f"| {kind} | {size:,} | {begun:.1f} | {first:.2f} | {last:.1f} | {size / (last - first):,.0f} |",
        flush=True,
    )


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="+", type=int)
    parser.add_argument("--database", help="a PostgreSQL server; default: SQLite files")
    parser.add_argument("--rounds", type=int, default=1)
    chosen = parser.parse_args()
    print(
        "| database | affected | command to publication, s | from there to the first notice, s | to the last, s |"
        " a second |\n|---|---|---|---|---|---|",
        flush=True,
    )
    for size in chosen.sizes:
        for _round in range(chosen.rounds):
            asyncio.run(play(size, chosen.database))


if __name__ == "__main__":
    main()
