"""Which mails yield: to those that left, to higher ones that wait, and to higher ones that fall due later that day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from mailer.core.agenda import Group, Occasion, agenda, event_due
from mailer.core.audience import Selection
from mailer.core.calendar import LeapDay, instant, local_date
from mailer.core.campaign import Campaign
from mailer.core.cap import Claim, is_capped
from mailer.core.delivery import State
from mailer.core.policy import OWN_ACTION_EVENT, Candidate, Rules, claim, local_day
from mailer.core.quiet import held_until
from mailer.core.run import NewDelivery
from mailer.core.trigger import EventTrigger
from mailer.flow.issue import Prospects
from mailer.flow.plan_ports import Decider, People

Claims = dict[int, list[Claim]]
Pair = tuple[Candidate, NewDelivery]


class Yielding:
    """Caps a chunk of rows that are about to be written."""

    def __init__(
        self,
        *,
        campaigns: Mapping[str, Campaign],
        people: People,
        prospects: Prospects,
        rules: Rules,
        leap_day: LeapDay,
    ) -> None:
        self._campaigns = campaigns
        self._prospects = prospects
        self._people = people
        self._rules = rules
        self._leap_day = leap_day

    def counts(self, campaign: Campaign) -> bool:
        """Whether the campaign needs a place. A welcome takes its place and is never refused one."""
        return campaign.commercial and not is_welcome(campaign)

    def full(self, campaign: Campaign, candidate: Candidate, row: NewDelivery, used: Iterable[date]) -> bool:
        """Whether a row finds no place beside mails that left on the days `used`, when no other mail is in view."""
        if row.state != State.QUEUED or not self.counts(campaign):
            return False
        return is_capped(self._rules.cap, self._mine(campaign, candidate, row), used, ())

    def foreseen(
        self, campaign: Campaign, zones: Collection[str | None], due: datetime, now: datetime
    ) -> tuple[list[Selection], list[tuple[str, datetime, datetime]]]:
        """Among whom anybody may be that yields to a higher mail nobody has planned, and to one after which events.

        Customers outside of both have none before them; of the others `capped` knows.
        """
        if not self.counts(campaign):
            return [], []
        until = max((self._end_of_day(zone, self._handoff(zone, due, now)) for zone in zones), default=now)
        selections: list[Selection] = []
        events = []
        for other in self._higher(campaign):
            if isinstance(other.trigger, EventTrigger):
                events.append((other.trigger.event, _first_event(other, other.trigger, now), now))
            else:
                selections += _together(
                    each for _, _, each in self._later_occasions(other, zones, (now, until))
                )
        return selections, events

    async def capped(
        self, campaign: Campaign, pairs: Sequence[Pair], now: datetime, decider: Decider
    ) -> set[int]:
        """The customers whose row finds no place."""
        if not self.counts(campaign):
            return set()
        wanted = [(candidate, row) for candidate, row in pairs if row.state == State.QUEUED]
        if not wanted:
            return set()
        keys = [candidate.key for candidate, _row in wanted]
        used = await self._people.places(keys, now)
        waiting = await self._people.waiting(keys)
        later = await self._later(campaign, wanted, now, decider)
        found = set()
        for candidate, row in wanted:
            mine = self._mine(campaign, candidate, row)
            others = [
                claim(each, candidate.zone, self._rules, now) for each in waiting.get(candidate.key, ())
            ]
            # One that is planned already may be foreseen as well; it is one mail all the same.
            others += [each for each in later.get(candidate.key, []) if each not in others]
            if is_capped(self._rules.cap, mine, used.get(candidate.key, ()), others):
                found.add(candidate.key)
        return found

    async def _later(
        self, campaign: Campaign, wanted: Sequence[Pair], now: datetime, decider: Decider
    ) -> Claims:
        """Higher mails that nobody has planned, because they fall due between now and the end of the day."""
        until = max(self._end_of_day(candidate.zone, row.not_before) for candidate, row in wanted)
        claims: Claims = {}
        for other in self._higher(campaign):
            if isinstance(other.trigger, EventTrigger):
                await self._later_events(other, other.trigger, wanted, (now, until), decider, claims)
            else:
                await self._later_days(other, wanted, (now, until), decider, claims)
        return claims

    def _higher(self, campaign: Campaign) -> Iterator[Campaign]:
        """The campaigns that `campaign` may have to yield to."""
        for other in self._campaigns.values():
            if other.name == campaign.name or not other.enabled or not other.commercial:
                continue
            if other.priority >= campaign.priority:
                yield other

    def _later_occasions(
        self, other: Campaign, zones: Collection[str | None], window: tuple[datetime, datetime]
    ) -> Iterator[tuple[Occasion, Group, Selection]]:
        """What falls due in the window, and for whom."""
        for occasion in self._occasions(other, zones, window):
            for group in occasion.groups:
                yield (
                    occasion,
                    group,
                    Selection(
                        rule=other.audience,
                        outside=(other.name, occasion.key),  # of whom is in its run already, the row tells
                        zones=group.zones,
                        attribute=other.anniversary.anniversary if other.anniversary else None,
                        days=group.days,
                        before_year=occasion.local_date.year if group.days else None,
                    ),
                )

    def _occasions(
        self, other: Campaign, zones: Collection[str | None], window: tuple[datetime, datetime]
    ) -> list[Occasion]:
        now, until = window
        just_before = now - timedelta(
            microseconds=1
        )  # what falls due this very instant may not be planned yet
        return agenda(
            other, zones, start=just_before, now=until, tenant=self._rules.zone, leap_day=self._leap_day
        )

    async def _later_days(
        self,
        other: Campaign,
        wanted: Sequence[Pair],
        window: tuple[datetime, datetime],
        decider: Decider,
        claims: Claims,
    ) -> None:
        zones = {candidate.zone for candidate, _row in wanted}
        keys = tuple(candidate.key for candidate, _row in wanted)
        for occasion, group, selection in self._later_occasions(other, zones, window):
            if not await self._goes_out(other, occasion, window):
                continue
            found = await self._people.chunk(replace(selection, keys=keys), window[0], 0, len(keys))
            self._add(other, await decider(other, occasion.key, found, group.due), found, claims)

    async def _goes_out(self, other: Campaign, occasion: Occasion, window: tuple[datetime, datetime]) -> bool:
        """Whether the occasion becomes a run with something in it. Its first customers may live elsewhere."""
        due = occasion.groups[0].due
        if other.content is not None:
            found = self._occasions(other, await self._people.zones(), window)
            due = next((each.groups[0].due for each in found if each.key == occasion.key), due)
        return await self._prospects.goes_out(other, occasion.key, due)

    async def _later_events(
        self,
        other: Campaign,
        trigger: EventTrigger,
        wanted: Sequence[Pair],
        window: tuple[datetime, datetime],
        decider: Decider,
        claims: Claims,
    ) -> None:
        now, until = window
        if not await self._prospects.has_codes(other):
            return
        events = await self._people.events_of(
            trigger.event,
            other.name,
            _first_event(other, trigger, now),
            now,
            [candidate.key for candidate, _row in wanted],
        )
        for event in events:
            due = event_due(event["at"], event["zone"], trigger, self._rules.zone)
            if not other.catch_up.before(now) < due <= until:
                continue
            ext_id = str(event["ext_id"])
            found = list((await self._people.answering(other.audience, [ext_id], now)).values())
            self._add(other, await decider(other, ext_id, found, due), found, claims)

    def _add(
        self, other: Campaign, rows: Sequence[NewDelivery], found: Sequence[Candidate], claims: Claims
    ) -> None:
        known = {each.key: each for each in found}
        for row in rows:
            if row.state == State.QUEUED:
                mine = self._mine(other, known[row.customer_key], row)
                mails = claims.setdefault(row.customer_key, [])
                if mine not in mails:
                    mails.append(mine)

    def _mine(self, campaign: Campaign, candidate: Candidate, row: NewDelivery) -> Claim:
        day = local_day(row.not_before, candidate.zone, self._rules)
        return Claim(day, campaign.priority, row.due_at, campaign.name)

    def _handoff(self, zone: str | None, due: datetime, now: datetime) -> datetime:
        """The latest that what falls due then may be handed over for the first time."""
        earliest = max(due, now)
        place = ZoneInfo(zone) if zone else self._rules.zone
        return held_until(earliest, place, self._rules.quiet) or earliest

    def _end_of_day(self, zone: str | None, handoff: datetime) -> datetime:
        place = ZoneInfo(zone) if zone else self._rules.zone
        tomorrow = local_date(handoff, place) + timedelta(days=1)
        return instant(datetime.combine(tomorrow, time()), place) - timedelta(microseconds=1)


def is_welcome(campaign: Campaign) -> bool:
    """Whether it answers the customer's own opt-in."""
    return isinstance(campaign.trigger, EventTrigger) and campaign.trigger.event == OWN_ACTION_EVENT


def _first_event(campaign: Campaign, trigger: EventTrigger, now: datetime) -> datetime:
    """An event of that instant or earlier is too old to be written to about."""
    return now - trigger.after.elapsed() - campaign.catch_up.elapsed() - timedelta(days=1)


def _together(selections: Iterable[Selection]) -> Iterable[Selection]:
    """A campaign's selections, those that differ only by where people live as one: each is asked of every customer."""
    found: dict[tuple[object, ...], Selection] = {}
    for each in selections:
        key = (each.outside, each.days, each.before_year)
        zones = each.zones
        if key in found:
            others = found[key].zones
            zones = None if zones is None or others is None else zones | others
        found[key] = replace(each, zones=zones)
    return found.values()
