"""When people will enter a segment: looked for ahead of time, from twice a day down to the minute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailer.core.audience import Selection
from mailer.core.rehearsal import halves
from mailer.core.segment import Rule
from mailer.flow.rehearse_ports import PeoplePort

FEW = 20  # people whose entry is found to the minute
KEYS = 5_000  # customers asked about by one statement


class Entries:
    """Entries into the segment one campaign waits for people to enter."""

    def __init__(self, campaign: str, rule: Rule, people: PeoplePort) -> None:
        self._campaign = campaign
        self._rule = rule
        self._people = people

    async def between(self, now: datetime, until: datetime) -> list[datetime]:
        """When those who are not in it now, and will be at `until`, enter it.

        Whoever enters and leaves again in between, having done nothing, is not found.
        """
        found: set[int] = set()
        after = 0
        while page := await self._people.chunk(
            Selection(rule=self._rule, entering=self._campaign), until, after, KEYS
        ):
            after = page[-1].key
            found.update(each.key for each in page)
        return await self._found(now, until, found)

    async def _found(self, start: datetime, end: datetime, keys: set[int]) -> list[datetime]:
        """The same of customers who are in it at `end`, and were not at `start`."""
        if not keys:
            return []
        middle = halves(start, end, few=len(keys) <= FEW)
        if middle is None:
            return [end]
        early = await self._inside(middle, sorted(keys))
        return [*await self._found(start, middle, early), *await self._found(middle, end, keys - early)]

    async def _inside(self, at: datetime, keys: Sequence[int]) -> set[int]:
        found: set[int] = set()
        for first in range(0, len(keys), KEYS):
            some = tuple(keys[first : first + KEYS])
            selection = Selection(rule=self._rule, keys=some)
            found.update(each.key for each in await self._people.chunk(selection, at, 0, len(some)))
        return found
