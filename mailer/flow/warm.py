"""The days of a warm-up: so many commercial mails leave today, and the rest waits for the next day's larger number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from mailer.core.handoff import SendJob
from mailer.core.throttle import WarmUp


class DaysPort(Protocol):
    """How many mails of each day's number are taken, over all senders."""

    async def allot(self, day: date, wanted: int, most: int) -> int: ...
    async def give_back(self, day: date, number: int) -> None: ...


class WarmUpDays:
    """One sender's part in the warm-up. Days are the tenant's. Service mail is neither held nor counted."""

    def __init__(self, port: DaysPort, warm_up: WarmUp, zone: ZoneInfo, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._port = port
        self._warm_up = warm_up
        self._zone = zone
        self._day: date | None = None
        self._left = 0  # of that day's number, at hand
        self._on_their_way: dict[int, date] = {}  # deliveries, and the day they are counted to
        self._told: date | None = None

    async def admit(
        self, jobs: Sequence[SendJob], now: datetime
    ) -> tuple[list[SendJob], dict[int, datetime]]:
        """Those that may leave today; and those that may not, and when they may.

        Raises:
            StoreError: the database is away.
        """
        day = now.astimezone(self._zone).date()
        most = self._warm_up.allowance(day)
        if most is None:
            return list(jobs), {}
        if day != self._day:
            self._day, self._left = day, 0
        wanted = sum(job.purpose == "commercial" for job in jobs)
        if wanted > self._left:
            self._left += await self._port.allot(day, wanted - self._left, most)
        going: list[SendJob] = []
        late: dict[int, datetime] = {}
        tomorrow = datetime.combine(day + timedelta(days=1), time(), self._zone)
        for job in jobs:
            if job.purpose != "commercial":
                going.append(job)
            elif self._left:
                self._left -= 1
                self._on_their_way[job.delivery_id] = day
                going.append(job)
            else:
                late[job.delivery_id] = tomorrow
        if late and self._told != day:
            self._told = day
            self._tell(
                f"The warm-up's {most} commercial mails of {day} are taken; the others wait for the next day."
            )
        return going, late

    def over(self, delivery_id: int, *, left: bool) -> None:
        """A delivery is no longer on its way; where it did not leave, another may."""
        day = self._on_their_way.pop(delivery_id, None)
        if day is not None and day == self._day and not left:
            self._left += 1

    async def leave(self) -> None:
        """What was taken and not used is free for others.

        Raises:
            StoreError: the database is away; the day has so many fewer.
        """
        number = self._left + sum(day == self._day for day in self._on_their_way.values())
        if number and self._day is not None:
            await self._port.give_back(self._day, number)
        self._left = 0
        self._on_their_way.clear()
