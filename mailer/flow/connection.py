"""One connection's circle: next delivery → message → mark → hand over → outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mailer.core.delivery import Failure, InDoubt, Outcome, Phase, TryLater
from mailer.core.handoff import Finish, Go, SendJob, Start
from mailer.core.message import Message
from mailer.core.retry import next_attempt
from mailer.errors import RelayError, RenderError
from mailer.flow.desk import Desk
from mailer.flow.work import Work

#: Seconds a connection rests that the relay has no room for, while it serves others of ours.
CROWDED = 5.0

#: Trouble that is the relay's own: no delivery is to blame, and none is tried before the relay answers again.
RELAY_PHASES = (Phase.CONNECT, Phase.HELLO, Phase.TLS, Phase.AUTH)


class SessionPort(Protocol):
    """One connection to the relay, kept."""

    async def ready(self) -> TryLater | None: ...
    async def send(self, message: Message, may_start: Callable[[], bool]) -> Outcome: ...
    async def close(self) -> None: ...


class ComposerPort(Protocol):
    """Makes messages."""

    async def prepare(self, jobs: Sequence[SendJob]) -> None: ...
    def compose(self, job: SendJob, now: datetime) -> Message: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What every connection of a sender uses. `jitter` gives numbers in [0, 1)."""

    composer: ComposerPort
    open_session: Callable[[], SessionPort]
    clock: Callable[[], datetime]
    jitter: Callable[[], float]


class Connection:
    """One connection's circle: next delivery → message → mark → hand over → outcome."""

    def __init__(self, tools: Tools, work: Work, desk: Desk) -> None:
        self._tools = tools
        self._work = work
        self._desk = desk
        self._session = tools.open_session()
        self._finish: Finish | None = None  # of the last delivery, not yet written down

    async def run(self) -> None:
        try:
            while True:
                job = self._work.take()
                if job is None:
                    await self._settle()  # nobody knows how long the wait will be
                    job = await self._work.next()
                if job is None:
                    return
                await self._deliver(job)
        except RelayError as error:
            await self._settle()
            await self._work.stall(refused=error)
        finally:
            await self._session.close()

    async def _settle(self) -> None:
        """Write the last outcome down without starting anything."""
        finish, self._finish = self._finish, None
        await self._desk.exchange(finish, None)

    async def _deliver(self, job: SendJob) -> None:
        tools = self._tools
        try:
            message = tools.composer.compose(job, tools.clock())
        except Exception as error:  # noqa: BLE001 - whatever one row's data does, the others go out
            await self._not_made(job, error)
            return
        trouble = await self._session.ready()
        if trouble is not None:
            await self._settle()
            if self._work.others_served(self):
                await self._work.give_back(job)
                await self._work.rest(CROWDED)
                return
            self._finish = self._finished(job, trouble)
            await self._work.stall(down=trouble)
            return
        self._work.served.add(self)
        finish, self._finish = self._finish, None
        verdict = await self._desk.exchange(finish, Start(job.delivery_id, message.message_id))
        if not isinstance(verdict, Go):
            return
        try:
            outcome = await self._session.send(message, self._work.may_start)
        except RenderError as error:  # this relay cannot carry it
            await self._not_made(job, error)
            return
        except RelayError as error:  # it was reached anew, and refused us: the mark is taken back
            self._finish = self._finished(job, TryLater(Phase.AUTH, detail=str(error)))
            raise
        self._finish = self._finished(job, outcome)
        if isinstance(outcome, TryLater) and outcome.phase in RELAY_PHASES:
            if self._work.others_served(self):
                await self._settle()
                await self._work.rest(CROWDED)
            else:
                await self._work.stall(down=outcome)

    async def _not_made(self, job: SendJob, error: Exception) -> None:
        """No message can be made of this one; the reason is written down and the next one's turn comes."""
        await self._settle()
        reason, detail = Failure.RENDER.value, f"{type(error).__name__}: {error}"
        if isinstance(error, RenderError):
            reason, detail = error.reason, str(error)
        self._finish = Finish(job.delivery_id, self._tools.clock(), failure=reason, detail=detail)

    def _finished(self, job: SendJob, outcome: Outcome) -> Finish:
        """What to write down for an outcome, with the time of the next attempt where there may be one."""
        now = self._tools.clock()
        again: datetime | None = None
        detail = ""
        if isinstance(outcome, TryLater | InDoubt):
            detail = outcome.detail
            again = next_attempt(
                now, job.attempts + 1, self._tools.jitter(), since=job.planned_at, expires_at=job.expires_at
            )
        return Finish(job.delivery_id, now, outcome=outcome, detail=detail, next_attempt=again)
