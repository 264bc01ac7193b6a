"""`mailer doctor`: looks at everything at once, and is through after a time that is known before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mailer.core.doctor import bulk
from mailer.core.doctor.dns import Answer, Book, Question, Wanted
from mailer.core.doctor.finding import Area, Finding, Verdict
from mailer.core.doctor.sending import Sending

#: Seconds for everything together; what is not known by then is `unknown`.
SECONDS = 8.0

DnsCheck = Callable[[Sending, Book], list[Finding]]
Look = Callable[[], Coroutine[Any, Any, list[Finding]]]


class Resolver(Protocol):
    """Asks the DNS. Trouble is an answer, too."""

    async def ask(self, question: Question) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Seeing:
    """A look at something that is not in the DNS, and what it is called where it takes too long."""

    area: Area
    check: str
    what: str
    look: Look


class Doctor:
    """Examines an installation."""

    def __init__(self, resolver: Resolver, sending: Sending, *, seconds: float = SECONDS) -> None:
        self._resolver = resolver
        self._sending = sending
        self._seconds = seconds
        self._asked: dict[Question, asyncio.Task[Answer]] = {}
        self._answers: dict[Question, Answer] = {}

    async def examine(self, checks: Sequence[DnsCheck], looks: Sequence[Seeing]) -> list[Finding]:
        """Everything that was found, in the order of the areas, and the providers' rules held against it."""
        jobs = [
            *(asyncio.create_task(self._through(each)) for each in checks),
            *(asyncio.create_task(each.look()) for each in looks),
        ]
        _done, late = await asyncio.wait(jobs, timeout=self._seconds)
        for each in (*late, *self._asked.values()):
            each.cancel()
        await asyncio.gather(*late, *self._asked.values(), return_exceptions=True)
        found: list[Finding] = []
        for check, job in zip(checks, jobs[: len(checks)], strict=True):
            # The same check again, with silence for whatever was not answered in time.
            found += check(self._sending, Book(self._answers, closed=True)) if job in late else job.result()
        for seeing, job in zip(looks, jobs[len(checks) :], strict=True):
            found += [_too_long(seeing)] if job in late else job.result()
        found += bulk.checklist(found, self._sending)
        order = list(Area)
        return sorted(found, key=lambda each: order.index(each.area))

    async def _through(self, check: DnsCheck) -> list[Finding]:
        """Run a check until nothing is missing that it wants to know."""
        while True:
            try:
                return check(self._sending, Book(self._answers))
            except Wanted as wanted:
                await asyncio.gather(*(self._ask(each) for each in wanted.questions))

    async def _ask(self, question: Question) -> None:
        """Ask once, however many checks want to know."""
        if question not in self._asked:
            self._asked[question] = asyncio.create_task(self._resolver.ask(question))
        self._answers[question] = await asyncio.shield(self._asked[question])


def _too_long(seeing: Seeing) -> Finding:
    return Finding(
        seeing.area,
        seeing.check,
        Verdict.UNKNOWN,
        f"{seeing.what} took too long to look at.",
        todo="Run it again.",
    )
