"""What a rehearsal needs of the copy it is played on, and what stands where the real parts would write or send."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from mailer.core.audience import Selection
from mailer.core.handoff import SendJob
from mailer.core.message import Draft, Letter, Message, Rendered
from mailer.core.policy import Candidate
from mailer.core.rehearsal import Line, Window
from mailer.flow.claiming import LedgerPort
from mailer.flow.diary import Stored
from mailer.flow.plan import Planner
from mailer.flow.scheduler import IncidentsPort, WordsPort
from mailer.flow.send import SendersPort
from mailer.flow.waves import Judge


class CopyPort(Stored, Protocol):
    """The copy that is played on."""

    async def begin(self, start: datetime) -> None: ...
    async def next_wait(self, after: datetime, due_before: datetime) -> datetime | None: ...
    async def empty_issues(self, window: Window) -> Sequence[tuple[str, str]]: ...
    def lines(self, window: Window, campaign: str | None) -> AsyncIterator[Line]: ...


class PeoplePort(Protocol):
    """Customers, as segments see them."""

    still: Mapping[str, timedelta]

    async def zones(self) -> frozenset[str | None]: ...
    async def chunk(self, selection: Selection, now: datetime, after: int, limit: int) -> list[Candidate]: ...


class UpcomingPort(IncidentsPort, Protocol):
    """Incidents, and when planned work does something."""

    async def upcoming(self, start: datetime, end: datetime) -> Sequence[datetime]: ...


class BookPort(Protocol):
    """The runs of the copy."""

    watched: Collection[str]


class FinisherPort(LedgerPort, Protocol):
    """Deliveries, and the end of their runs."""

    async def finish_runs(self, now: datetime) -> list[int]: ...


class RecheckPort(Protocol):
    """Who still fits at hand-off."""

    async def prepare(self, jobs: Sequence[SendJob]) -> None: ...
    def message_id(self, job: SendJob) -> str: ...


class VirtualClock:
    """A clock that is set."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The instant it was set to."""
        return self.now


class Unwritten:
    """Stands where mails are composed: a rehearsal looks at who gets one, not at what it says."""

    async def prepare(self, jobs: Sequence[SendJob]) -> None:
        """Nothing to get ready."""

    async def foresee(self) -> None:
        """Nothing to get ready."""

    def message_id(self, job: SendJob) -> str:
        """Not one that a real mail could bear."""
        return job.message_id or f"<{job.delivery_id}@rehearsal.invalid>"

    def draft(self, job: SendJob, now: datetime) -> Draft:
        """An address without a word."""
        return Rendered("", ""), Letter("", "", "", job.email, self.message_id(job), now)

    def put_together(self, draft: Draft) -> Message:
        """An envelope without a letter."""
        _, letter = draft
        return Message("", letter.to_address, b"", letter.message_id)


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a rehearsal, all on the copy."""

    copy: CopyPort
    planner: Planner
    words: WordsPort
    incidents: UpcomingPort
    book: BookPort
    people: PeoplePort
    ledger: FinisherPort
    senders: SendersPort
    recheck: RecheckPort
    judge: Judge
    clock: VirtualClock
