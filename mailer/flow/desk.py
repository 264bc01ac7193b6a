"""Where the connections of a sender meet: one transaction writes what is over and marks what is about to leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog

from mailer.core.delivery import Phase, TryLater
from mailer.core.handoff import Finish, HandoffFacts, Start, Verdict, Wait
from mailer.errors import StoreError

log = structlog.get_logger()

FIRST_WAIT = 0.1  # seconds between two tries to write outcomes down
LONGEST_WAIT = 10.0


class Judge(Protocol):
    """The last look; see `core.policy.judge`."""

    def __call__(self, facts: HandoffFacts, now: datetime) -> Verdict: ...


class AdvancePort(Protocol):
    """The one statement of intent and outcome."""

    async def advance(
        self,
        sender_id: int,
        now: datetime,
        finished: Sequence[Finish],
        starting: Sequence[Start],
        judge: Callable[[HandoffFacts], Verdict],
    ) -> dict[int, Verdict]: ...


@dataclass(frozen=True, slots=True)
class _Visit:
    finish: Finish | None
    start: Start | None
    answer: asyncio.Future[Verdict | None]


class Desk:
    """Writes for all connections of one sender. While one transaction runs, the next one gathers."""

    def __init__(
        self, ledger: AdvancePort, sender_id: int, clock: Callable[[], datetime], judge: Judge
    ) -> None:
        self._ledger = ledger
        self._sender_id = sender_id
        self._clock = clock
        self._judge = judge
        self._waiting: list[_Visit] = []
        self._wake = asyncio.Event()

    async def exchange(self, finish: Finish | None, start: Start | None) -> Verdict | None:
        """Write `finish` and ask to start `start`; returns when both are durable.

        Raises:
            Fenced: this sender's lease ran out; it must stop.
        """
        if finish is None and start is None:
            return None
        answer: asyncio.Future[Verdict | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Visit(finish, start, answer))
        self._wake.set()
        return await answer

    async def serve(self) -> None:
        """Write, for as long as the sender lives."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(0)  # let every connection that is ready join
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            try:
                await self._write(batch)
            except BaseException as error:
                for visit in [*batch, *self._waiting]:
                    if not visit.answer.done():
                        visit.answer.set_exception(error)
                        visit.answer.exception()  # whoever left already need not fetch it
                self._waiting = []
                raise

    async def _write(self, batch: Sequence[_Visit]) -> None:
        finished = [visit.finish for visit in batch if visit.finish is not None]
        starting = [visit.start for visit in batch if visit.start is not None]
        verdicts: dict[int, Verdict] = {}
        wait = FIRST_WAIT
        while finished or starting:
            now = self._clock()
            try:
                verdicts = await self._ledger.advance(
                    self._sender_id, now, finished, starting, partial(self._judge, now=now)
                )
                break
            except StoreError as trouble:
                # Fail closed: nothing new starts. Whether the failed commit took is not known, so the marks are
                # taken back as definite no's; outcomes are tried again until they stand.
                log.warning("outcomes_wait", trouble=str(trouble), outcomes=len(finished))
                finished = [*finished, *(_taken_back(start, now) for start in starting)]
                starting = []
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
        for visit in batch:
            if not visit.answer.done():
                start = visit.start
                visit.answer.set_result(verdicts.get(start.delivery_id, Wait(None)) if start else None)


def _taken_back(start: Start, now: datetime) -> Finish:
    outcome = TryLater(Phase.MAIL, detail="the database was away")
    return Finish(start.delivery_id, now, outcome=outcome, detail=outcome.detail, next_attempt=now)
