"""How the rules grow with the customers: import, planning, segments, rehearsal, as whole processes.

    python bench/rules.py 10000 100000 [--rehearse 10000] [--database postgresql://…]

For each size it makes a shop in a temporary folder, runs the public commands, and prints seconds, rows a second and the
peak memory of the process. Compare rows of one run with each other; the machine's speed is not part of the claim.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
THEN, NOW = "2027-01-01T06:00:00Z", "2027-03-02T07:00:00Z"  # a Tuesday, ten o'clock in Istanbul
ZONES = ("Europe/Istanbul", "", "Europe/Berlin", "", "Europe/London", "")
SEGMENTS = {
    "in_city": "{attr: {city: İzmir}}",
    "buyers": "{orders: {count: 1.., in: 90d}}",
    "spenders": "{spend: {net: 500.., settled: 14d}}",
    "birthday_soon": "{date: {attr: birthday, in_days: 0..7}}",
    "quiet_fibre": (
        "{all: [{services: {has: fibre}}, {consent: commercial}], not: [{event: {name: order.placed, in: 30d}}]}"
    ),
}


def measured(command: Sequence[str], folder: Path, environment: dict[str, str]) -> tuple[float, int]:
    """Wall seconds and peak resident megabytes of one command."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _pid, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{' '.join(command)} failed:\n{said.decode()}")
    return time.perf_counter() - begun, usage.ru_maxrss // 1024


def write_files(folder: Path, size: int) -> None:
    """A shop of `size` customers; one in five ordered, birthdays spread over the year."""
    with (folder / "customers.csv").open("w", encoding="utf-8") as file:
        file.write(
            "id,email,first_name,last_name,locale,timezone,postal_code,services,consent,birthday,city\n"
        )
        for n in range(size):
            city = "İzmir" if n % 20 == 0 else "Ankara"
            file.write(
                f"{n},c{n}@shop.example,Ad{n},Soyad,{'tr' if n % 4 else 'en'},{ZONES[n % 6]},34{n % 1000:03d},"
                f"{'fibre' if n % 3 == 0 else ''},yes,19{50 + n % 50}-{n % 12 + 1:02d}-{n % 28 + 1:02d},{city}\n"
            )
    with (folder / "events.jsonl").open("w", encoding="utf-8") as file:
        file.write(
            '{"id":"post","customer":null,"name":"post.published","at":"2027-03-01T08:00:00Z",'
            '"properties":{"title":"T","url":"https://shop.example/t","summary":"S"}}\n'
        )
        for n in range(0, size, 5):
            file.write(
                f'{{"id":"o{n}","customer":"{n}","name":"order.placed","at":"2027-0{n % 2 + 1}-10T10:00:00Z",'
                f'"properties":{{"order":"o{n}","net":{100 + n % 1000},"currency":"TRY"}}}}\n'
            )
    shutil.copytree(ROOT / "templates", folder / "templates")
    shutil.copytree(ROOT / "jobs", folder / "jobs")
    with (folder / "jobs" / "_segments.yaml").open("a", encoding="utf-8") as file:
        known = {"buyers", "birthday_soon"}  # those are there
        file.writelines(f"{name}: {rule}\n" for name, rule in SEGMENTS.items() if name not in known)


def play(size: int, *, rehearse: bool, database: str | None) -> None:
    """Run everything once for one size, a printed row for each command."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_files(folder, size)
        shutil.copy(ROOT / "settings.yaml", folder)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MAILER_")}
        if database:
            environment["MAILER_DATABASE_URL"] = database
        mailer = (sys.executable, "-m", "mailer")

        def row(what: str, rows: int, *words: str) -> None:
            seconds, peak = measured((*mailer, *words), folder, environment)
            print(f"| {what} | {size:,} | {seconds:.1f} | {rows / seconds:,.0f} | {peak} |", flush=True)

        row("import customers", size, "--now", THEN, "customers", "import", "customers.csv")
        row("import events", size // 5, "--now", "2027-03-01T09:00:00Z", "events", "import", "events.jsonl")
        for name in SEGMENTS:
            row(f"count {name}", size, "--now", NOW, "segments", "count", name)
        if rehearse:
            month = ("--from", "2027-03-02T07:00:01Z", "--until", "2027-04-02T00:00:00Z")
            row("rehearse a month", size, "--now", NOW, "--json", "rehearse", *month)
        row("plan a run", size, "--now", NOW, "campaigns", "run", "newsletter", "--confirm", str(size))


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="+", type=int)
    parser.add_argument(
        "--rehearse", type=int, default=100_000, help="the largest size that is rehearsed as well"
    )
    parser.add_argument("--database", help="an empty PostgreSQL database; default: an SQLite file")
    chosen = parser.parse_args()
    print("| command | customers | seconds | rows a second | peak MB |\n|---|---|---|---|---|", flush=True)
    for size in chosen.sizes:
        play(size, rehearse=size <= chosen.rehearse, database=chosen.database)


if __name__ == "__main__":
    main()
