"""What an incident costs as the affected grow in number: open, update and resolve, as whole processes.

    python bench/incidents.py 10000 100000 [--database postgresql://…]

For each size it makes a shop in a temporary folder and plays: open; update while no notice has left (all are taken back
and written anew); then, as if the relay had accepted every first notice, an update to all of them, one that narrows the
area to half of them, and the closure. It prints wall seconds, processor seconds of the command and its peak memory.
Compare rows of one run with each other; the machine's speed is not part of the claim.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import update
from sqlalchemy.ext.asyncio import create_async_engine

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from mailer.store.tables import delivery  # noqa: E402 - runs from a checkout that nobody installed

DAY = "2027-03-02"
ACCEPTED = datetime(2027, 3, 2, 8, 30, tzinfo=UTC)


def measured(command: Sequence[str], folder: Path, environment: dict[str, str]) -> tuple[float, float, int]:
    """Wall seconds, processor seconds and peak resident megabytes of one command."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _pid, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{' '.join(command)} failed:\n{said.decode()}")
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def write_files(folder: Path, size: int) -> None:
    """`size` customers with fibre under two postal codes."""
    with (folder / "customers.csv").open("w", encoding="utf-8") as file:
        file.write("id,email,first_name,timezone,postal_code,services,consent\n")
        file.writelines(
            f"{n},c{n}@shop.example,Ad{n},{'Europe/Istanbul' if n % 2 else ''},{34710 + n % 2},fibre,yes\n"
            for n in range(size)
        )
    shutil.copytree(ROOT / "templates", folder / "templates")
    shutil.copytree(ROOT / "jobs", folder / "jobs")
    shutil.copy(ROOT / "settings.yaml", folder)


async def accept(url: str) -> None:
    """Write down that the relay accepted whatever waits."""
    driver = url.replace("sqlite://", "sqlite+aiosqlite://").replace("postgresql://", "postgresql+psycopg://")
    engine = create_async_engine(driver)
    async with engine.begin() as connection:
        await connection.execute(
            update(delivery)
            .where(delivery.c.state == "queued")
            .values(state="sent", sent_at=ACCEPTED, updated_at=ACCEPTED, message_id="<x@shop.example>")
        )
    await engine.dispose()


def play(size: int, database: str | None) -> None:
    """One incident for `size` customers, a printed row for each command."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_files(folder, size)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MAILER_")}
        environment["MAILER_DATABASE_URL"] = url = database or f"sqlite:///{folder}/shop.db"
        environment["PYTHONPATH"] = str(ROOT)

        def row(what: str, at: str, *words: str) -> None:
            command = (sys.executable, "-m", "mailer", "--now", f"{DAY}T{at}:00Z", *words)
            seconds, processor, peak = measured(command, folder, environment)
            print(f"| {what} | {size:,} | {seconds:.1f} | {processor:.1f} | {peak} |", flush=True)

        row("(import)", "07:00", "customers", "import", "customers.csv")
        area = ("--service", "fibre", "--postal", "34*")
        row("open", "08:00", "incidents", "open", "--title", "Fibre", *area)
        news = ("incidents", "update", "1", "--message", "Found.", "--state")
        row("update before any notice left", "08:15", *news, "identified")
        asyncio.run(accept(url))
        row("update", "09:00", *news, "monitoring")
        asyncio.run(accept(url))
        narrower = ("--message", "Half.", "--add-postal", "34710", "--remove-postal", "34*")
        row("narrow to half", "09:30", "incidents", "update", "1", *narrower)
        asyncio.run(accept(url))
        row("resolve", "10:00", "incidents", "resolve", "1")


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="+", type=int)
    parser.add_argument("--database", help="an empty PostgreSQL database; default: an SQLite file")
    chosen = parser.parse_args()
    print("| command | affected | seconds | processor | peak MB |\n|---|---|---|---|---|", flush=True)
    for size in chosen.sizes:
        play(size, chosen.database)


if __name__ == "__main__":
    main()
