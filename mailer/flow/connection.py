"""One connection's circle: next delivery → message → hand over → outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mailer.core.breaker import refusals_count
from mailer.core.delivery import Failure, InDoubt, Outcome, Phase, Refused, TryLater, Withdrawn
from mailer.core.handoff import Finish
from mailer.core.message import Message
from mailer.core.retry import next_attempt
from mailer.errors import RelayError, RenderError
from mailer.flow.making import ComposerPort, Maker, NotesPort
from mailer.flow.mark import Marked
from mailer.flow.work import Work

#: Seconds a connection rests that the relay has no room for, while it serves others of ours.
CROWDED = 5.0

#: Trouble that is the relay's own: no delivery is to blame, and none is tried before the relay answers again.
RELAY_PHASES = (Phase.CONNECT, Phase.HELLO, Phase.TLS, Phase.AUTH)


class SessionPort(Protocol):
    """One connection to the relay, kept.

    `send` asks `may_start` before a byte of the message leaves, calls `before_dot` right before the final dot
    does (an OSError from it: no dot), and asks `follow` what comes next, so that both travel together. The next
    call is for that very message then, or the connection is closed. `turn` is asked before a delivery is taken: may one
    more leave now, by what the relay is to get at most? `elsewhere` is asked when `ready` found none: is there a relay
    all the same, which only has no room for this connection yet?
    """

    def turn(self) -> bool: ...
    def elsewhere(self) -> bool: ...
    async def ready(self) -> TryLater | None: ...
    async def send(
        self,
        message: Message,
        may_start: Callable[[], bool],
        *,
        before_dot: Callable[[], None] | None = None,
        follow: Callable[[], Message | None] | None = None,
    ) -> Outcome: ...
    async def close(self) -> None: ...


class JournalPort(NotesPort, Protocol):
    """What this sender was about to do, for whoever finds it dead; see `files.journal`."""

    token: str

    def dot(self, attempt: tuple[int, int]) -> None: ...
    def told(self, attempt: tuple[int, int], outcome: Outcome) -> None: ...
    def done(self, deliveries: Sequence[int]) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What every connection of a sender uses. `jitter` gives numbers in [0, 1)."""

    composer: ComposerPort
    open_session: Callable[[], SessionPort]
    clock: Callable[[], datetime]
    jitter: Callable[[], float]


@dataclass(slots=True)
class _Made:
    """A delivery whose message is made."""

    marked: Marked
    message: Message
    begun: bool = False  # whether its envelope left, or may have
    held: bool = False  # whether it was us who said no, since its mark or our lease had grown old


class Connection:
    """One connection's circle."""

    def __init__(self, tools: Tools, work: Work, journal: JournalPort, maker: Maker) -> None:
        self._tools = tools
        self._work = work
        self._journal = journal
        self._maker = maker
        self._session = tools.open_session()
        self._next: _Made | None = None  # its envelope may have left behind the last dot

    async def run(self) -> None:
        """Deliver until there will be no more."""
        work = self._work
        try:
            while await work.wanted() and await work.turn(self._session.turn):
                with work.coming():  # a delivery is marked only when the relay is there to take it
                    trouble = await self._session.ready()
                if trouble is not None:
                    await self._shut_out(trouble)
                    continue
                work.served.add(self)
                marked = await work.next()
                while marked is not None:
                    await self._deliver(marked)
                    marked = work.take() if self._session.turn() else None
        except RelayError as error:
            work.stall(refused=error)
        finally:
            await self._session.close()

    async def _shut_out(self, trouble: TryLater) -> None:
        if self._work.others_served(self):
            await self._work.rest(CROWDED)
        elif not self._session.elsewhere():  # else those it has room for go on; we wait for our turn
            self._work.stall(down=trouble)

    async def _deliver(self, marked: Marked) -> None:
        """Hand a delivery over, and those that followed close behind it."""
        self._next = self._make(marked)
        try:
            while self._next is not None:
                current, self._next = self._next, None
                trouble = await self._hand_over(current)
                if trouble is not None:
                    self._withdraw()
                    await self._shut_out(trouble)
        finally:
            self._withdraw()

    async def _hand_over(self, made: _Made) -> TryLater | None:
        """Hand one message over; what keeps us from the relay, if that came in between."""
        marked, attempt = made.marked, made.marked.attempt
        try:
            outcome = await self._session.send(
                made.message,
                lambda: self._may_start(made),
                before_dot=lambda: self._journal.dot(attempt),
                follow=self._follow,
            )
        except RenderError as error:  # this relay cannot carry it
            self._not_made(marked, error)
            return None
        except RelayError:  # it was reached anew, and refused us
            self._work.finish(self._withdrawn(marked))
            raise
        self._journal.told(attempt, outcome)
        self._work.finish(self._finished(made, outcome))
        return outcome if isinstance(outcome, TryLater) and outcome.phase in RELAY_PHASES else None

    def _may_start(self, made: _Made) -> bool:
        """Asked before the message begins, and once more before its dot: by then its mark may have grown old."""
        made.held = not self._work.may_start()
        if made.held:
            return False
        made.begun = made.begun or made.marked.fresh
        made.held = not made.begun
        return made.begun

    def _follow(self) -> Message | None:
        """The message to glue behind a final dot."""
        while self._next is None:
            marked = self._work.take() if self._session.turn() else None
            if marked is None:
                return None
            self._next = self._make(marked)
        self._next.begun = True
        return self._next.message

    def _make(self, marked: Marked) -> _Made | None:
        """Its message; none when it cannot be made, which is written down."""
        made = self._maker.made(marked)
        if isinstance(made, Message):
            return _Made(marked, made)
        self._not_made(marked, made)
        return None

    def _not_made(self, marked: Marked, error: Exception) -> None:
        reason, detail = Failure.RENDER.value, f"{type(error).__name__}: {error}"
        if isinstance(error, RenderError):
            reason, detail = error.reason, str(error)
        if reason == Failure.RENDER:
            self._work.suspect(marked.job.run_id)
        self._work.finish(Finish(marked.job.delivery_id, self._tools.clock(), failure=reason, detail=detail))

    def _withdraw(self) -> None:
        """What was to follow does not leave now."""
        if self._next is not None:
            self._work.finish(self._withdrawn(self._next.marked))
            self._next = None

    def _withdrawn(self, marked: Marked) -> Finish:
        return Finish(marked.job.delivery_id, self._tools.clock(), Withdrawn(marked.job.attempts > 0))

    def _finished(self, made: _Made, outcome: Outcome) -> Finish:
        """What to write down for an outcome, with the time of the next attempt where there may be one."""
        now, job = self._tools.clock(), made.marked.job
        again: datetime | None = None
        detail = ""
        if isinstance(outcome, TryLater | InDoubt):
            detail = outcome.detail
            again = next_attempt(
                now, job.attempts + 1, self._tools.jitter(), since=job.planned_at, expires_at=job.expires_at
            )
            if made.held and not job.attempts and again is not None:
                again = now  # the relay refused nothing. Once only, in case this mail is what takes so long
        elif isinstance(outcome, Refused) and refusals_count(job.purpose):
            self._work.suspect(job.run_id)
        return Finish(job.delivery_id, now, outcome, detail=detail, next_attempt=again)
