"""One row in a hundred cannot be made into a mail: it fails alone, with its reason, and all others are sent.

    python bench/chaos/poison.py [--recipients 100000] [--database postgresql]

Half of the bad rows make the template divide by zero, the other half by a word.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.chaos.field import IMPORTED, LATER, SOON, Ground, ground, parser
from bench.chaos.reckoning import Tally, ledger

LETTER = """
purpose: commercial
trigger: {at: 2027-01-15T11:00}
"""
_PARTS = {0: "0", 100: "many"}  # a division by zero, and by a word
SUBJECT = "Merhaba {{ customer.first_name }}"
BODY = """
{% set parts = customer.attributes.parts | default(2) %}{{ 8 // (parts if parts == 'many' else parts | int) }}
"""


def one(where: Ground, tally: Tally, recipients: int) -> float:
    with where.place(hasty=True, connections=10) as place:
        place.shop.campaign("letter", LETTER, subject=SUBJECT, body=BODY)
        rows = (f"c{n},c{n}@x.example,Ad{n},{_PARTS.get(n % 200, '2')},yes\n" for n in range(recipients))
        file = place.shop.write("many.csv", "id,email,first_name,parts,consent\n" + "".join(rows))
        place.shop.mailer("customers", "import", str(file), now=IMPORTED)
        begun = time.monotonic()
        place.shop.run(SOON)
        seconds = time.monotonic() - begun
        place.shop.run(LATER)
        ended = Counter((row.state, row.reason) for row in asyncio.run(ledger(place.database_url)))
        tally.faults = recipients // 100
        tally.deliveries = sum(ended.values())
        tally.sent = ended["sent", None]
        tally.at.update({f"{state}: {reason}": count for (state, reason), count in ended.items()})
        kept = Counter(note["recipient"] for note in place.oracle.kept())
        tally.repeated = sum(count > 1 for count in kept.values())
        tally.lost = tally.sent - len(kept)
        tally.claim(tally.deliveries == recipients, "somebody has no row")
    return seconds


def main() -> None:
    made = parser("One row in a hundred is bad.")
    made.add_argument("--recipients", type=int, default=100_000)
    options = made.parse_args()
    tally = Tally()
    with ground(options) as where:
        seconds = one(where, tally, options.recipients)
    tally.end("poison rows", database=where.kind, seconds=round(seconds, 1))


if __name__ == "__main__":
    main()
