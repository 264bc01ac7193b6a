"""One run, for whoever asks: how far it is, what it waits for, who is in it, what came of it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from mailer.core.capped import Mail, said
from mailer.core.delivery import CLAIMABLE, Failure, Hold, Skip, State
from mailer.core.explain import why
from mailer.core.report import Scope
from mailer.core.standstill import Held, Scene, holds
from mailer.flow.report import RunReport

PAGE = 100  # deliveries looked at together

_ORDER = (
    State.FAILED, State.IN_DOUBT, State.DEFERRED, State.SENDING, State.QUEUED, State.SENT, State.SKIPPED,
    State.CANCELLED, State.EXPIRED,
)  # fmt: skip
_AFTER = re.compile(r"([a-z_]{1,20})-([0-9]{1,15})")


class ViewsPort(Protocol):
    """Runs as they are kept."""

    async def one(self, run_id: int) -> tuple[dict[str, Any], Scene] | None: ...
    async def deliveries(
        self, run_id: int, state: str, reason: str | None, after: int, limit: int
    ) -> list[dict[str, Any]]: ...


class ReportPort(Protocol):
    """What came of runs."""

    async def runs(self, scope: Scope) -> list[RunReport]: ...


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run, and what holds it."""

    facts: Mapping[str, Any]
    holds: Sequence[Held]
    report: RunReport | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some deliveries of a run."""

    rows: Sequence[Mapping[str, Any]]
    after: str | None  # where the next page begins; None: this is the last


class RunDesk:
    """Questions about one run."""

    def __init__(
        self,
        views: ViewsPort,
        reports: ReportPort,
        winners: Callable[[Sequence[int]], Awaitable[Mapping[int, Sequence[Mail]]]],
    ) -> None:
        self._views = views
        self._reports = reports
        self._winners = winners

    async def show(self, run_id: int, now: datetime) -> RunFacts | None:
        """A run with what came of it; None: there is none."""
        found = await self._views.one(run_id)
        if found is None:
            return None
        facts, scene = found
        reports = await self._reports.runs(Scope(runs=(run_id,)))
        return RunFacts(facts, holds(scene, now), reports[0] if reports else None)

    async def deliveries(
        self,
        run_id: int,
        *,
        state: str | None = None,
        reason: str | None = None,
        after: str = "",
        language: str = "en",
    ) -> Page:
        """At most `PAGE` deliveries of a run, each with its state and reason in words: what went wrong comes first.

        `after` is what the page before said of it; anything else begins at the first.
        """
        states = [each for each in _in(reason) if state in (None, each)]
        begin, last = _place(after)
        if begin is not None and begin in states:
            states = states[states.index(begin) :]
        found: list[dict[str, Any]] = []
        for each in states:
            if len(found) <= PAGE:
                beyond = last if each == begin else 0
                found += await self._views.deliveries(run_id, each, reason, beyond, PAGE + 1 - len(found))
        rows = found[:PAGE]
        won = await self._winners([row["id"] for row in rows if row["reason"] == Skip.CAPPED])
        told = [
            {
                **row,
                "why": said(won.get(row["id"], ()), language) or why(row["state"], row["reason"], language),
            }
            for row in rows
        ]
        return Page(told, f"{rows[-1]['state']}-{rows[-1]['id']}" if len(found) > PAGE else None)


def _in(reason: str | None) -> tuple[State, ...]:
    """The states a reason is one of, in which they are listed."""
    if reason is None:
        return _ORDER
    if reason in tuple(Hold):
        return CLAIMABLE
    return (State.FAILED,) if reason in tuple(Failure) else (State.SKIPPED,)


def _place(after: str) -> tuple[State | None, int]:
    found = _AFTER.fullmatch(after)
    if found is None or found[1] not in tuple(State):
        return None, 0
    return State(found[1]), int(found[2])
