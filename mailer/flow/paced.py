"""The ledger of a paced sender: what passes through it tells the pacer what left, and what did not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from mailer.core.handoff import Finish, Go, HandoffFacts, SendJob, Start, Verdict
from mailer.flow.claiming import LedgerPort
from mailer.flow.pacer import Pacer


class PacedLedger:
    """Stands before the ledger; see `LedgerPort`."""

    def __init__(self, ledger: LedgerPort, pacer: Pacer) -> None:
        self._ledger = ledger
        self._pacer = pacer

    async def advance(
        self,
        sender_id: int,
        now: datetime,
        finished: Sequence[Finish],
        starting: Sequence[Start],
        judge: Callable[[HandoffFacts], Verdict],
    ) -> dict[int, Verdict]:
        verdicts = await self._ledger.advance(sender_id, now, finished, starting, judge)
        self._pacer.finished(finished)
        self._pacer.given_back(
            [start.delivery_id for start in starting if not isinstance(verdicts.get(start.delivery_id), Go)]
        )
        return verdicts

    async def release(self, sender_id: int, ids: Sequence[int]) -> None:
        await self._ledger.release(sender_id, ids)
        self._pacer.given_back(ids)

    async def load(self, ids: Sequence[int]) -> list[SendJob]:
        return await self._ledger.load(ids)

    async def claim(self, sender_id: int, now: datetime, limit: int, *, urgent: bool = False) -> list[int]:
        return await self._ledger.claim(sender_id, now, limit, urgent=urgent)

    async def claimed(self, sender_id: int) -> list[int]:
        return await self._ledger.claimed(sender_id)

    async def defer_due(self, now: datetime, until: datetime, detail: str) -> int:
        return await self._ledger.defer_due(now, until, detail)

    async def pending_above(self, now: datetime, priority: int) -> bool:
        return await self._ledger.pending_above(now, priority)

    async def pending(self, now: datetime, *, urgent: bool = False) -> bool:
        return await self._ledger.pending(now, urgent=urgent)
