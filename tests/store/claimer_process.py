"""A sender as a process of its own that claims all there is, seven at a time, and prints what it got.

`python -m tests.store.claimer_process URL NOW`
"""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime

from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from mailer.store.senders import Senders


async def main(url: str, now: datetime) -> None:
    database = await Database.connect(url)
    ledger = Ledger(database)
    mine = await Senders(database).register("h", 1, now, 30)
    while ids := await ledger.claim(mine, now, 7):
        print(*ids, flush=True)  # noqa: T201 - the test reads it
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], datetime.fromisoformat(sys.argv[2])))
