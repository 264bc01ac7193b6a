"""How fast customers are imported, and in how much memory: `python bench/import_customers.py 100000 1000000`.

Writes a generated file of ten columns for each number of rows, imports it into a fresh SQLite database (or
`--url`, an empty one), imports it again (nothing changes), and prints one JSON object for each step. Every
number runs in a process of its own, so that `peak_mb` is that run's.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from mailer.core.customer_row import FIELDS, CustomerReader
from mailer.core.importing import Columns
from mailer.files.rows import RowFile
from mailer.files.zones import load_zones
from mailer.flow.imports import CustomerImport
from mailer.store import migrate
from mailer.store.customer_merge import CustomerMerge
from mailer.store.engine import Database
from mailer.store.leases import Leases

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def write_file(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(
            [
                "id",
                "email",
                "first_name",
                "last_name",
                "locale",
                "country",
                "postal_code",
                "birthday",
                "consent",
                "city",
            ]
        )
        for n in range(rows):
            out.writerow(
                [
                    f"c{n}",
                    f"customer{n}@shop{n % 97}.example",
                    "Ayşe",
                    "Yılmaz",
                    "tr-TR",
                    "TR",
                    f"{34000 + n % 999}",
                    f"{1950 + n % 60}-{1 + n % 12:02d}-{1 + n % 28:02d}",
                    "yes" if n % 3 else "",
                    "İstanbul",
                ]
            )


async def measure(rows: int, url: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "customers.csv"
        write_file(path, rows)
        database = await Database.connect(url or f"sqlite:///{folder}/mailer.db")
        await migrate.require(database)
        zones = load_zones()
        use = CustomerImport(
            CustomerMerge(database, zones),
            Leases(database),
            CustomerReader(zones, ZoneInfo("Europe/Istanbul")),
        )
        for step in ("first", "again"):
            began = time.perf_counter()
            with RowFile(path, Columns(FIELDS), required=("id",)) as source:
                report = await use.run(source, now=NOW)
            took = time.perf_counter() - began
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                json.dumps(
                    {
                        "step": step,
                        "rows": rows,
                        "seconds": round(took, 1),
                        "rows_per_second": round(rows / took),
                        "peak_mb": round(peak),
                        "created": report.created,
                        "unchanged": report.unchanged,
                    }
                ),
                flush=True,
            )
        await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--url", help="of an empty database")
    given = parser.parse_args()
    if len(given.rows) == 1:
        asyncio.run(measure(given.rows[0], given.url))
        return
    for rows in given.rows:
        url = ["--url", given.url] if given.url else []
        subprocess.run([sys.executable, __file__, str(rows), *url], check=True)


if __name__ == "__main__":
    main()
