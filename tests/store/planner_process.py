"""A planner as a process of its own, for tests in which several write at once.

`python -m tests.store.planner_process URL CAMPAIGN OCCURRENCE RESERVE FIRST LAST`: says `ready`, waits for the end
of its input, then writes a delivery for each customer FIRST to LAST, ten at a time. RESERVE is a coupon as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from mailer.core.run import NewRun, Reserve, RunState
from mailer.store.engine import Database
from tests.store.planned import a_row, runs_of
from tests.store.rows import NOW

AT_ONCE = 10


async def main(url: str, campaign: str, occurrence: str, reserve: Reserve, keys: list[int]) -> None:
    database = await Database.connect(url)
    book = runs_of(database)
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    await asyncio.to_thread(sys.stdin.read)
    new = NewRun(
        campaign=campaign, occurrence=occurrence, version_id=None, purpose="commercial", priority=40, due_at=NOW,
        closes_at=NOW, state=RunState.PLANNING,
    )  # fmt: skip
    run_id = (await book.open(new, NOW)).id
    for start in range(0, len(keys), AT_ONCE):
        part = keys[start : start + AT_ONCE]
        rows = [a_row(key, reserve, once_key=f"{campaign}:{occurrence}:{key}") for key in part]
        await book.add(run_id, rows, NOW)
    await database.close()


if __name__ == "__main__":
    _url, _campaign, _occurrence, _reserve, _first, _last = sys.argv[1:]
    asyncio.run(
        main(
            _url,
            _campaign,
            _occurrence,
            Reserve(**json.loads(_reserve)),
            list(range(int(_first), int(_last) + 1)),
        )
    )
