"""Rehearsing: the same planning and the same last look, on a copy of the database, under a clock that is set.

The clock goes from one instant at which something can fall due to the next. At each, what is due is planned, and
what may leave is handed over to nobody: accepted on the spot, so that caps, once-keys and coupons behave as they
would. What waits when the copy is made goes out as it would, for its place counts, but is no part of the answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from mailer.core.calendar import LeapDay
from mailer.core.campaign import Campaign
from mailer.core.delivery import Accepted, Reply
from mailer.core.handoff import Finish, Go, Start
from mailer.core.rehearsal import MINUTE, TICK, Line, Window
from mailer.core.segment import Rule
from mailer.core.trigger import EventTrigger, SegmentTrigger
from mailer.flow.diary import SEGMENTS_EVERY, Diary, DiaryMaker
from mailer.flow.rehearse_entries import Entries
from mailer.flow.rehearse_ports import Parts

WAVE = 5_000  # deliveries handed over in one transaction
LEASE = timedelta(days=3650).total_seconds()  # on a copy nobody takes over

_TAKEN = Accepted(Reply(250, "rehearsed"))
_INCIDENTS = ""  # no campaign's name: whoever is affected by an open incident


@dataclass
class Rehearsed:
    """What cannot be told of one customer."""

    faults: list[str] = field(default_factory=list)  # campaigns that cannot go out, and why
    empty: Sequence[tuple[str, str]] = ()  # issues without anything new: campaign, occurrence


class Rehearsal:
    """One rehearsal of the campaigns."""

    def __init__(
        self,
        parts: Parts,
        *,
        campaigns: Mapping[str, Campaign],
        segments: Mapping[str, Rule],
        zone: ZoneInfo,
        leap_day: LeapDay,
    ) -> None:
        self._parts = parts
        self._campaigns = campaigns
        self._diaries = DiaryMaker(
            campaigns=campaigns, segments=segments, stored=parts.copy, zone=zone, leap_day=leap_day
        )
        self._entries = {
            name: Entries(name, segments[each.trigger.segment], parts.people)
            for name, each in campaigns.items()
            if isinstance(each.trigger, SegmentTrigger) and each.enabled
        }
        self._delays = {
            name: each.trigger.after.elapsed()
            for name, each in campaigns.items()
            if isinstance(each.trigger, EventTrigger)
        }

    async def play(self, window: Window, progress: Callable[[datetime], None]) -> Rehearsed:
        """Play the window from its start; `progress` hears of each instant."""
        parts, done = self._parts, Rehearsed()
        now: datetime | None = min(parts.clock(), window.start - TICK)
        diary = await self._begin(window)
        sender = await parts.senders.register("rehearsal", 0, window.start, LEASE, "")
        told: set[str] = set()
        while now is not None:
            parts.clock.now = now
            progress(now)
            await parts.words.take(now)
            names = diary.take(now)
            told.update(await self._plan(names, now, diary, window))
            await self._hand_over(sender, now)
            await parts.ledger.finish_runs(now)
            for name in names & self._entries.keys():
                until = min(now + SEGMENTS_EVERY, window.last)
                for moment in await self._entries[name].between(now, until):
                    diary.note(moment, name)
            now = _sooner(diary.next(), await parts.copy.next_wait(now, window.end))
        done.faults = sorted(told)
        done.empty = await parts.copy.empty_issues(window)
        return done

    def lines(self, window: Window, campaign: str | None) -> AsyncIterator[Line]:
        """Everybody who is written to or left out, in order of time."""
        return self._parts.copy.lines(window, campaign)

    async def _begin(self, window: Window) -> Diary:
        """Set the stage: nothing due before the window is caught up.

        The moment before it, who is in a segment is noted, and who should know of an incident by then is told: from
        then on only what is new counts.
        """
        parts = self._parts
        await parts.copy.begin(window.start)
        parts.book.watched = self._delays.keys()
        await parts.planner.look(window.start)
        diary, lively = await self._diaries.of(window, await parts.people.zones())
        if not lively:
            parts.people.still = self._delays
        for name in (*self._entries, _INCIDENTS):
            diary.note(window.start - TICK, name)
        for moment in (window.start, *await parts.incidents.upcoming(window.start, window.end)):
            diary.note(moment, _INCIDENTS)
        return diary

    async def _plan(self, names: set[str], now: datetime, diary: Diary, window: Window) -> list[str]:
        """Plan these campaigns; the faults of those that cannot go out."""
        faults: list[str] = []
        if campaigns := names - {_INCIDENTS}:
            await self._parts.planner.looks.take(now, only=campaigns)
            report = await self._parts.planner.plan(now, only=campaigns)
            faults += report.faults
        if _INCIDENTS in names:
            planned = await self._parts.incidents.plan_open(now)
            faults += [str(fault) for fault in planned.faults]
            # Whoever a first notice is on its way to now may hear more in a minute.
            if planned.notices and now + MINUTE in window:
                diary.note(now + MINUTE, _INCIDENTS)
        return faults

    async def _hand_over(self, sender: int, now: datetime) -> None:
        """Everything that may leave now leaves, or is stopped by the last look."""
        parts = self._parts
        finished: list[Finish] = []
        met: set[int] = set()
        while True:
            claimed = await parts.ledger.claim(sender, now, WAVE)
            fresh = [each for each in claimed if each not in met]
            await parts.ledger.release(sender, [each for each in claimed if each in met])
            if not fresh and not finished:
                return
            met.update(fresh)
            jobs = await parts.ledger.load(fresh) if fresh else []
            await parts.recheck.prepare(jobs)
            starts = [Start(job.delivery_id, parts.recheck.message_id(job), job.unfit) for job in jobs]
            verdicts = await parts.ledger.advance(
                sender, now, finished, starts, partial(parts.judge, now=now)
            )
            finished = [
                Finish(delivery, now, outcome=_TAKEN)
                for delivery, verdict in verdicts.items()
                if isinstance(verdict, Go)
            ]


def _sooner(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
