"""From candidates to rows: what other deliveries say about each, the decision, and the coupon."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from mailer.core.audience import Alike, KeyRule, Watch
from mailer.core.campaign import Campaign
from mailer.core.coupon import (
    GeneratedCoupon,
    PoolCoupon,
    ReminderCoupon,
    StaticCoupon,
    last_day,
    useful_until,
)
from mailer.core.delivery import Skip, State
from mailer.core.once import once_around, once_key
from mailer.core.policy import Candidate, Rules, decide, held_out, local_day
from mailer.core.run import Batch, NewDelivery, Reserve
from mailer.flow.plan_caps import Yielding
from mailer.flow.plan_ports import People


@dataclass(frozen=True, slots=True)
class Happening:
    """An event that is a reason to write to its customer."""

    occurrence: str  # the event's id
    candidate: Candidate
    due: datetime
    own_action_at: datetime | None


class Rows:
    """Makes deliveries; the rules and the currency are the tenant's."""

    def __init__(self, people: People, rules: Rules, currency: str, yielding: Yielding) -> None:
        self._people = people
        self._yielding = yielding
        self._rules = rules
        self._currency = currency
        self.paused: set[str] = set()  # campaigns; what falls due for them is skipped

    def watch(
        self,
        campaign: Campaign,
        occurrence: str,
        zones: Collection[str | None],
        due: datetime,
        now: datetime,
    ) -> Watch:
        """By which facts customers of these zones differ here; whoever differs in no other gets an equal row."""
        selections, events = self._yielding.foreseen(campaign, zones, due, now)
        keys: dict[tuple[str, str], set[str | None]] = {}
        if campaign.once.per != "run":
            for zone in zones:
                if around := self._around(campaign, zone, occurrence, due):
                    keys.setdefault(around, set()).add(zone)
        return Watch(
            due=due,
            once=tuple(KeyRule(frozenset(places), *around) for around, places in keys.items()),
            campaign=campaign.name if campaign.once.gap is not None else None,
            shared=campaign.commercial,
            capped=self._yielding.counts(campaign),
            foreseen=tuple(selections),
            events=tuple(events),
            names=bool(campaign.holdout),
        )

    def batches(
        self, campaign: Campaign, occurrence: str, found: Sequence[Alike], due: datetime, now: datetime
    ) -> list[Batch]:
        """Rows for customers who are told apart by nothing that `watch` named."""
        made: dict[tuple[NewDelivery, tuple[str, str] | None], list[int]] = {}
        for each in self._by_holdout(campaign, found):
            row = self.row(campaign, each.facts, occurrence, due, now)
            if self._yielding.full(campaign, each.facts, row, each.used):
                row = replace(row, state=State.SKIPPED, reason=Skip.CAPPED)
            around = self._around(campaign, each.facts.zone, occurrence, due)
            made.setdefault((replace(row, once_key=None), around), []).extend(each.customers)
        return [Batch(like, around, customers) for (like, around), customers in made.items()]

    def together(
        self,
        campaign: Campaign,
        occurrence: str,
        chunk: Sequence[Candidate],
        rows: Sequence[NewDelivery],
        due: datetime,
    ) -> list[Batch]:
        """The rows made for a chunk one by one, those that are equal together. None may have a context."""
        zones = {each.key: each.zone for each in chunk}
        found: dict[tuple[Any, ...], list[NewDelivery]] = {}
        for row in rows:
            decided = row.state, row.reason, row.not_before, row.expires_at, row.coupon
            found.setdefault((zones[row.customer_key], *decided), []).append(row)
        return [
            Batch(
                replace(same[0], customer_key=0, once_key=None, email="", email_key=""),
                self._around(campaign, zone, occurrence, due),
                [row.customer_key for row in same],
            )
            for (zone, *_decided), same in found.items()
        ]

    def _by_holdout(self, campaign: Campaign, found: Sequence[Alike]) -> Iterator[Alike]:
        """The same customers, those held out apart from the others; each group under the id of one of them."""
        if not campaign.holdout:
            yield from found
            return
        for each in found:
            parts: dict[bool, tuple[list[int], list[str]]] = {}
            for key, name in zip(each.customers, each.names, strict=True):
                out = held_out(self._rules.seed, campaign.name, name, campaign.holdout)
                keys, names = parts.setdefault(out, ([], []))
                keys.append(key)
                names.append(name)
            for keys, names in parts.values():
                yield Alike(replace(each.facts, id=names[0]), each.used, keys)

    async def of(
        self,
        campaign: Campaign,
        occurrence: str,
        chunk: Sequence[Candidate],
        run_id: int,
        due: datetime,
        now: datetime,
        moved: Collection[str] = (),
    ) -> list[NewDelivery]:
        """A row for each: the oldest record of an address first, so that later ones are its duplicates.

        The run writes to the addresses `moved` as well, though no customer it writes to has them any more.
        """
        written = set(moved)
        pairs = []
        for candidate in await self._informed(campaign, occurrence, chunk, run_id, due):
            twice = candidate.email_key in written
            known = replace(candidate, duplicate=True) if twice else candidate
            row = self.row(campaign, known, occurrence, due, now)
            if row.state == State.QUEUED:
                written.add(candidate.email_key)
            pairs.append((candidate, row))
        return await self._yielded(campaign, pairs, now)

    async def _yielded(
        self, campaign: Campaign, pairs: Sequence[tuple[Candidate, NewDelivery]], now: datetime
    ) -> list[NewDelivery]:
        """The rows, with those that find no place capped."""
        capped = await self._yielding.capped(campaign, pairs, now, self._expected)
        return [
            replace(row, state=State.SKIPPED, reason=Skip.CAPPED) if row.customer_key in capped else row
            for _candidate, row in pairs
        ]

    async def _expected(
        self, campaign: Campaign, occurrence: str, found: Sequence[Candidate], due: datetime
    ) -> list[NewDelivery]:
        """What will be written down when `due` comes, as far as anybody can say now."""
        known = await self._informed(campaign, occurrence, found, 0, due)
        return [self.row(campaign, candidate, occurrence, due, due) for candidate in known]

    async def of_events(
        self, campaign: Campaign, found: Sequence[Happening], now: datetime
    ) -> list[NewDelivery]:
        """A row for each event; no customer may be in it twice."""
        keys = [self._once_key(campaign, each.candidate, each.occurrence, each.due) for each in found]
        held = await self._held(keys)
        last: Mapping[int, datetime] = {}
        if campaign.once.gap is not None:
            last = await self._people.last_sent(campaign.name, [each.candidate.key for each in found])
        pairs = []
        for key, each in zip(keys, found, strict=True):
            known = replace(each.candidate, once_held=key in held, last_sent_at=last.get(each.candidate.key))
            row = self.row(campaign, known, each.occurrence, each.due, now, each.own_action_at)
            pairs.append((known, row))
        return await self._yielded(campaign, pairs, now)

    def row(
        self,
        campaign: Campaign,
        candidate: Candidate,
        occurrence: str,
        due: datetime,
        now: datetime,
        own_action_at: datetime | None = None,
    ) -> NewDelivery:
        """What is written down for one candidate."""
        if campaign.name in self.paused:
            candidate = replace(candidate, paused=True)
        decision = decide(candidate, campaign, self._rules, due=due, now=now, own_action_at=own_action_at)
        coupon = self._reserve(campaign, candidate, decision.not_before)
        return NewDelivery(
            customer_key=candidate.key,
            once_key=self._once_key(campaign, candidate, occurrence, due),
            email=candidate.email,
            email_key=candidate.email_key,
            due_at=due,
            not_before=decision.not_before,
            state=decision.state,
            reason=decision.reason,
            expires_at=self._useless_at(decision.expires_at, coupon, candidate),
            context=candidate.context,
            coupon=coupon,
        )

    async def _informed(
        self, campaign: Campaign, occurrence: str, chunk: Sequence[Candidate], run_id: int, due: datetime
    ) -> list[Candidate]:
        """The chunk, with what other deliveries say about each."""
        keys: dict[int, str | None] = {}
        held: set[str] = set()
        if campaign.once.per != "run":
            keys = {each.key: self._once_key(campaign, each, occurrence, due) for each in chunk}
            held = await self._held(keys.values())
        last: Mapping[int, datetime] = {}
        if campaign.once.gap is not None:
            last = await self._people.last_sent(campaign.name, [each.key for each in chunk])
        taken: set[str] = set()
        if campaign.commercial and run_id:
            taken = await self._people.addresses(run_id, [each.email_key for each in chunk])
        if not held and not last and not taken:
            return list(chunk)
        return [
            replace(
                each,
                once_held=keys.get(each.key) in held,
                last_sent_at=last.get(each.key),
                duplicate=each.email_key in taken,
            )
            for each in chunk
        ]

    async def _held(self, keys: Iterable[str | None]) -> set[str]:
        return await self._people.held([key for key in keys if key is not None])

    def _once_key(
        self, campaign: Campaign, candidate: Candidate, occurrence: str, due: datetime
    ) -> str | None:
        if not campaign.keyed:
            return None
        day = local_day(due, candidate.zone, self._rules)
        return once_key(campaign.name, candidate.id, campaign.once.per, occurrence, day)

    def _around(
        self, campaign: Campaign, zone: str | None, occurrence: str, due: datetime
    ) -> tuple[str, str] | None:
        if not campaign.keyed:
            return None
        return once_around(campaign.name, campaign.once.per, occurrence, local_day(due, zone, self._rules))

    def _useless_at(
        self, expires_at: datetime | None, coupon: Reserve | None, to: Candidate
    ) -> datetime | None:
        """See `core.coupon.useful_until`."""
        zone = ZoneInfo(to.zone) if to.zone else self._rules.zone
        return useful_until(expires_at, coupon.valid_until if coupon is not None else None, zone)

    def _reserve(self, campaign: Campaign, candidate: Candidate, handoff: datetime) -> Reserve | None:
        spec = campaign.coupon
        if spec is None:
            return None
        day = local_day(handoff, candidate.zone, self._rules)
        if isinstance(spec, ReminderCoupon):
            return Reserve(kind=spec.kind, of=spec.of, day=day)
        return Reserve(
            kind=spec.kind,
            code=spec.code if isinstance(spec, StaticCoupon) else None,
            prefix=spec.prefix if isinstance(spec, GeneratedCoupon) else "",
            pool=spec.pool if isinstance(spec, PoolCoupon) else None,
            percent=spec.percent,
            amount_e4=spec.amount_e4,
            currency=(spec.currency or self._currency) if spec.amount_e4 is not None else None,
            valid_until=last_day(day, spec.valid),
            budget=spec.budget,
        )
