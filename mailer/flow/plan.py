"""Planning: what has fallen due becomes runs, and each run's audience becomes deliveries.

A pass may be repeated, interrupted or made twice at once: the unique rows of run and delivery decide what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from mailer.core.agenda import Group, Occasion, agenda, entry_occasion, window_start
from mailer.core.audience import Selection
from mailer.core.calendar import LeapDay, add_duration, local_date
from mailer.core.campaign import Campaign
from mailer.core.coupon import PoolCoupon, StaticCoupon, GeneratedCoupon, last_day
from mailer.core.delivery import State
from mailer.core.once import once_key
from mailer.core.policy import OWN_ACTION_EVENT, Candidate, Rules, decide, local_day
from mailer.core.run import NewDelivery, NewRun, Reserve, RunState
from mailer.core.segment import Rule
from mailer.core.trigger import EventTrigger, IncidentTrigger, ManualTrigger, SegmentTrigger
from mailer.errors import FileFault

CHUNK = 2_000  # customers decided and written at a time
EVENTS = 500  # event runs written at a time


class Found(Protocol):
    """A run as the store answers."""

    @property
    def id(self) -> int: ...
    @property
    def state(self) -> RunState: ...
    @property
    def created(self) -> bool: ...


class KnownCampaign(Protocol):
    """What the store knows of a campaign."""

    @property
    def first_seen_at(self) -> datetime: ...
    @property
    def planned_at(self) -> datetime | None: ...
    @property
    def paused(self) -> bool: ...


class RunBook(Protocol):
    """Where runs and deliveries are written down."""

    async def seen(self, names: Sequence[str], now: datetime) -> Mapping[str, KnownCampaign]: ...
    async def planned(self, names: Sequence[str], now: datetime) -> None: ...
    async def open(self, new: NewRun, now: datetime) -> Found: ...
    async def add(
        self, run_id: int, rows: Sequence[NewDelivery], now: datetime, *, entered: str | None = None
    ) -> int: ...
    async def add_small(self, wanted: Sequence[tuple[NewRun, NewDelivery]], now: datetime) -> int: ...
    async def begin_planning(self, run_id: int) -> None: ...
    async def release(self, run_id: int, now: datetime, *, missed: bool = False) -> None: ...
    async def ids(self, campaign: str, occurrences: Sequence[str]) -> Mapping[str, tuple[int, RunState]]: ...


class People(Protocol):
    """Whom a campaign reaches."""

    async def zones(self) -> frozenset[str | None]: ...
    async def chunk(self, selection: Selection, now: datetime, after: int, limit: int) -> list[Candidate]: ...
    async def held(self, once_keys: Sequence[str]) -> set[str]: ...
    async def last_sent(self, campaign: str, customers: Sequence[int]) -> Mapping[int, datetime]: ...
    async def addresses(self, run_id: int, email_keys: Sequence[str]) -> set[str]: ...
    async def events(
        self, name: str, campaign: str, since: datetime, until: datetime, after: int, limit: int
    ) -> list[dict[str, Any]]: ...
    async def posts(self, name: str, after: datetime | None, until: datetime) -> list[dict[str, Any]]: ...
    async def last_issue(self, campaign: str) -> datetime | None: ...
    async def look_at_members(self, campaign: str, rule: Rule, now: datetime) -> bool: ...


Versions = Callable[[Campaign, datetime], Any]  # → awaitable campaign_version id


@dataclass
class PlanReport:
    """What a pass did, and what it could not do."""

    added: int = 0
    runs: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Target:
    """One run being planned: the occasion's facts every chunk needs."""

    campaign: Campaign
    new: NewRun
    rule: Rule
    entered: str | None = None


class Planner:
    """The planner over one catalogue of campaigns."""

    def __init__(
        self,
        *,
        campaigns: Mapping[str, Campaign],
        segments: Mapping[str, Rule],
        book: RunBook,
        people: People,
        version: Versions,
        rules: Rules,
        leap_day: LeapDay,
        currency: str,
    ) -> None:
        self._campaigns = campaigns
        self._segments = segments
        self._book = book
        self._people = people
        self._version = version
        self._rules = rules
        self._leap_day = leap_day
        self._currency = currency

    async def look(self, now: datetime) -> None:
        """Note the campaigns that are here now: nothing due before this moment is ever caught up."""
        await self._book.seen(list(self._campaigns), now)

    async def plan(self, now: datetime, *, events_only: bool = False) -> PlanReport:
        """One pass: everything that fell due by `now`. A campaign that cannot be planned stops no other.

        `events_only` looks at nothing but what customers did: a quick pass between two whole ones.
        """
        report = PlanReport()
        if not self._campaigns:
            return report
        seen = await self._book.seen(list(self._campaigns), now)
        done = []
        for campaign in sorted(self._campaigns.values(), key=lambda each: (-each.priority, each.name)):
            known = seen[campaign.name]
            if events_only and not isinstance(campaign.trigger, EventTrigger):
                continue
            try:
                if campaign.enabled and not known.paused:
                    await self._plan_campaign(campaign, known, now, report)
                done.append(campaign.name)
            except FileFault as fault:
                report.faults.append(str(fault))
        if not events_only:
            await self._book.planned(done, now)
        return report

    async def run_by_hand(self, campaign: Campaign, now: datetime) -> tuple[str, int]:
        """Start a campaign now; returns its occurrence and how many deliveries it has."""
        day = local_date(now, self._rules.zone).isoformat()
        taken = await self._book.ids(campaign.name, [day, *(f"{day}.{n}" for n in range(2, 100))])
        key = next(k for k in [day, *(f"{day}.{n}" for n in range(2, 100))] if k not in taken)
        occasion = Occasion(key, local_date(now, self._rules.zone), (Group(now, None),), now)
        report = PlanReport()
        await self._plan_occasion(campaign, occasion, now, None, report, keep_empty=True)
        return key, report.added

    async def _plan_campaign(
        self, campaign: Campaign, known: KnownCampaign, now: datetime, report: PlanReport
    ) -> None:
        trigger = campaign.trigger
        if isinstance(trigger, IncidentTrigger | ManualTrigger):
            return
        if isinstance(trigger, EventTrigger):
            await self._plan_events(campaign, trigger, known, now, report)
        elif isinstance(trigger, SegmentTrigger):
            rule = self._segments[trigger.segment]
            if await self._people.look_at_members(campaign.name, rule, now):
                await self._plan_entries(campaign, rule, now, report)
        else:
            # Nothing due before the first look is caught up: the instant of the look itself still counts.
            first = known.first_seen_at - timedelta(microseconds=1)
            start = max(window_start(campaign, now, self._rules.zone, known.planned_at), first)
            for occasion in agenda(
                campaign,
                await self._people.zones(),
                start=start,
                now=now,
                tenant=self._rules.zone,
                leap_day=self._leap_day,
            ):
                await self._plan_occasion(campaign, occasion, now, known.planned_at, report)

    async def _plan_occasion(
        self,
        campaign: Campaign,
        occasion: Occasion,
        now: datetime,
        planned_at: datetime | None,
        report: PlanReport,
        *,
        keep_empty: bool = False,
    ) -> None:
        """One run, grown by the groups that have fallen due. Written down once somebody is in it."""
        found = (await self._book.ids(campaign.name, [occasion.key])).get(occasion.key)
        if found is not None and found[1] in (RunState.CANCELLED, RunState.SKIPPED_EMPTY):
            return
        run_id = found[0] if found is not None else None
        new = await self._new_run(campaign, occasion, now, fresh=run_id is None)
        if new.state is RunState.SKIPPED_EMPTY:
            await self._book.open(new, now)
            report.runs.append(f"{campaign.name} {occasion.key}")
            return
        target = _Target(campaign, new, campaign.audience)
        grew = False
        if run_id is None and keep_empty:
            run_id = (await self._book.open(await self._versioned(campaign, new, now), now)).id
            grew = True
        for group in occasion.groups:
            unfinished = found is None or found[1] is RunState.PLANNING
            seen_before = planned_at is not None and group.due <= planned_at and not unfinished
            selection = Selection(
                rule=campaign.audience,
                run_id=run_id,
                zones=group.zones,
                stored_by=group.due,
                changed_since=planned_at - timedelta(hours=1) if seen_before and planned_at else None,
                attribute=campaign.anniversary.anniversary if campaign.anniversary else None,
                days=group.days,
            )
            run_id, more = await self._fill(target, selection, group.due, run_id, now, report)
            grew = grew or more
        if run_id is not None and (grew or (found is not None and found[1] is RunState.PLANNING)):
            missed = all(group.due <= campaign.catch_up.before(now) for group in occasion.groups)
            await self._book.release(run_id, now, missed=missed)
            report.runs.append(f"{campaign.name} {occasion.key}")

    async def _fill(
        self,
        target: _Target,
        selection: Selection,
        due: datetime,
        run_id: int | None,
        now: datetime,
        report: PlanReport,
    ) -> tuple[int | None, bool]:
        """Add everyone selected, chunk by chunk; returns the run's number and whether it grew."""
        after, grew = 0, False
        while chunk := await self._people.chunk(replace(selection, run_id=run_id), now, after, CHUNK):
            after = chunk[-1].key
            if run_id is None:
                opened = await self._book.open(await self._versioned(target.campaign, target.new, now), now)
                run_id = opened.id
            if not grew:
                await self._book.begin_planning(run_id)
                grew = True
            candidates = await self._informed(target, chunk, run_id, due)
            rows = self._decided(target, candidates, due, now)
            report.added += await self._book.add(run_id, rows, now, entered=target.entered)
            if len(chunk) < CHUNK:
                break
        return run_id, grew

    async def _plan_entries(self, campaign: Campaign, rule: Rule, now: datetime, report: PlanReport) -> None:
        """Those who entered the segment since the last look, in the run of the tenant's day."""
        occasion = entry_occasion(now, self._rules.zone)
        found = (await self._book.ids(campaign.name, [occasion.key])).get(occasion.key)
        new = await self._new_run(campaign, occasion, now, fresh=False)
        target = _Target(campaign, new, rule, entered=campaign.name)
        both = Rule(all=(rule, campaign.audience))
        selection = Selection(rule=both, entering=campaign.name)
        run_id, grew = await self._fill(target, selection, now, found[0] if found else None, now, report)
        if run_id is not None and (grew or (found is not None and found[1] is RunState.PLANNING)):
            await self._book.release(run_id, now)
            report.runs.append(f"{campaign.name} {occasion.key}")

    async def _plan_events(
        self, campaign: Campaign, trigger: EventTrigger, known: KnownCampaign, now: datetime, report: PlanReport
    ) -> None:
        """A run for each event that has fallen due; one older than catch_up when it reached us starts nothing."""
        zone = self._rules.zone
        reach = trigger.after.elapsed() + timedelta(days=1)
        since = window_start(campaign, now, zone, known.planned_at) - reach
        version: int | None = None
        after = 0
        while events := await self._people.events(trigger.event, campaign.name, since, now, after, EVENTS):
            after = events[-1]["id"]
            wanted = []
            members = await self._members(campaign, events, now)
            for event in events:
                candidate = members.get(event["customer"])
                due = add_duration(event["at"], trigger.after, zone)
                if candidate is None or not _starts(campaign, event, due, known, now):
                    continue
                if version is None:
                    version = await self._version(campaign, now)
                wanted.append(await self._event_run(campaign, trigger, event, candidate, due, version, now))
            report.added += await self._book.add_small(wanted, now)
            report.runs.extend(f"{campaign.name} {new.occurrence}" for new, _row in wanted)

    async def _members(
        self, campaign: Campaign, events: Sequence[Mapping[str, Any]], now: datetime
    ) -> dict[str, Candidate]:
        """Those among the events' customers that are in the audience."""
        ids = tuple({str(event["customer"]) for event in events})
        if not ids:
            return {}
        chunk = await self._people.chunk(Selection(rule=campaign.audience, ids=ids), now, 0, len(ids))
        return {candidate.id: candidate for candidate in chunk}

    async def _event_run(
        self,
        campaign: Campaign,
        trigger: EventTrigger,
        event: Mapping[str, Any],
        candidate: Candidate,
        due: datetime,
        version: int,
        now: datetime,
    ) -> tuple[NewRun, NewDelivery]:
        occurrence = str(event["ext_id"])
        late = max(due, event["stored_at"])  # news that reached us late is news now
        context: dict[str, Any] = {"event": trigger.event, "properties": event["properties"]}
        own = event["at"] if trigger.event == OWN_ACTION_EVENT else None
        if own is not None:
            context["own_action_at"] = own.astimezone(UTC).isoformat()
        new = NewRun(
            campaign=campaign.name,
            occurrence=occurrence,
            version_id=version,
            purpose=campaign.purpose,
            priority=campaign.priority,
            due_at=due,
            closes_at=due,
            state=RunState.QUEUED,
        )
        key = self._once_key(campaign, candidate, occurrence, due)
        held = await self._people.held([key])
        last = await self._people.last_sent(campaign.name, [candidate.key])
        informed = replace(
            candidate, once_held=key in held, last_sent_at=last.get(candidate.key), context=context
        )
        row = self._delivery(campaign, informed, occurrence, late, now, own_action_at=own)
        return new, replace(row, due_at=due)

    async def _new_run(self, campaign: Campaign, occasion: Occasion, now: datetime, *, fresh: bool) -> NewRun:
        first = occasion.groups[0].due
        content: dict[str, Any] | None = None
        state = RunState.PLANNING
        if campaign.content is not None and fresh:
            since = await self._people.last_issue(campaign.name)
            posts = await self._people.posts(campaign.content.events, since, first)
            content = {"posts": [{**post, "at": post["at"].isoformat()} for post in posts]}
            if not posts:
                state = RunState.SKIPPED_EMPTY
        return NewRun(
            campaign=campaign.name,
            occurrence=occasion.key,
            version_id=None,
            purpose=campaign.purpose,
            priority=campaign.priority,
            due_at=first,
            closes_at=occasion.closes_at,
            state=state,
            content=content,
        )

    async def _versioned(self, campaign: Campaign, new: NewRun, now: datetime) -> NewRun:
        return replace(new, version_id=await self._version(campaign, now))

    async def _informed(
        self, target: _Target, chunk: Sequence[Candidate], run_id: int, due: datetime
    ) -> list[Candidate]:
        """The chunk, with what other deliveries say about each."""
        campaign = target.campaign
        keys = {each.key: self._once_key(campaign, each, target.new.occurrence, due) for each in chunk}
        held = await self._people.held(list(keys.values())) if campaign.once.per != "run" else set()
        last: Mapping[int, datetime] = {}
        if campaign.once.gap is not None:
            last = await self._people.last_sent(campaign.name, [each.key for each in chunk])
        taken: set[str] = set()
        if campaign.commercial:
            taken = await self._people.addresses(run_id, [each.email_key for each in chunk])
        return [
            replace(
                each,
                once_held=keys[each.key] in held,
                last_sent_at=last.get(each.key),
                duplicate=each.email_key in taken,
            )
            for each in chunk
        ]

    def _decided(
        self, target: _Target, candidates: Sequence[Candidate], due: datetime, now: datetime
    ) -> list[NewDelivery]:
        """A row for each: the oldest record of an address first, so that later ones are its duplicates."""
        written: set[str] = set()
        rows = []
        for candidate in candidates:
            known = replace(candidate, duplicate=candidate.duplicate or candidate.email_key in written)
            row = self._delivery(target.campaign, known, target.new.occurrence, due, now)
            if row.state == State.QUEUED:
                written.add(candidate.email_key)
            rows.append(row)
        return rows

    def _delivery(
        self,
        campaign: Campaign,
        candidate: Candidate,
        occurrence: str,
        due: datetime,
        now: datetime,
        own_action_at: datetime | None = None,
    ) -> NewDelivery:
        decision = decide(candidate, campaign, self._rules, due=due, now=now, own_action_at=own_action_at)
        return NewDelivery(
            customer_key=candidate.key,
            once_key=self._once_key(campaign, candidate, occurrence, due),
            email=candidate.email,
            email_key=candidate.email_key,
            due_at=due,
            not_before=decision.not_before,
            state=decision.state,
            reason=decision.reason,
            expires_at=decision.expires_at,
            context=candidate.context,
            coupon=self._reserve(campaign, candidate, decision.not_before),
        )

    def _once_key(self, campaign: Campaign, candidate: Candidate, occurrence: str, due: datetime) -> str:
        day = local_day(due, candidate.zone, self._rules)
        return once_key(campaign.name, candidate.id, campaign.once.per, occurrence, day)

    def _reserve(self, campaign: Campaign, candidate: Candidate, handoff: datetime) -> Reserve | None:
        spec = campaign.coupon
        if spec is None:
            return None
        return Reserve(
            kind=spec.kind,
            code=spec.code if isinstance(spec, StaticCoupon) else None,
            prefix=spec.prefix if isinstance(spec, GeneratedCoupon) else "",
            pool=spec.pool if isinstance(spec, PoolCoupon) else None,
            percent=spec.percent,
            amount_e4=spec.amount_e4,
            currency=(spec.currency or self._currency) if spec.amount_e4 is not None else None,
            valid_until=last_day(local_day(handoff, candidate.zone, self._rules), spec.valid),
        )


def _starts(
    campaign: Campaign, event: Mapping[str, Any], due: datetime, known: KnownCampaign, now: datetime
) -> bool:
    """Whether an event is a reason to write: fallen due, young enough, and news since the campaign is here."""
    reached = max(due, event["stored_at"])
    if due > now or reached < known.first_seen_at:
        return False
    return due > campaign.catch_up.before(event["stored_at"]) and due > campaign.catch_up.before(now)

