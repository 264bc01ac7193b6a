"""Which mails yield: to those that left, to higher ones that wait, and to higher ones that fall due later that day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from mailer.core.agenda import agenda, event_due
from mailer.core.audience import Selection
from mailer.core.calendar import LeapDay, instant, local_date
from mailer.core.campaign import Campaign
from mailer.core.cap import Claim, is_capped
from mailer.core.delivery import State
from mailer.core.policy import OWN_ACTION_EVENT, Candidate, Rules, claim, local_day
from mailer.core.run import NewDelivery
from mailer.core.trigger import EventTrigger
from mailer.flow.plan_ports import Decider, People

Claims = dict[int, list[Claim]]
Pair = tuple[Candidate, NewDelivery]


class Yielding:
    """Caps a chunk of rows that are about to be written."""

    def __init__(
        self, *, campaigns: Mapping[str, Campaign], people: People, rules: Rules, leap_day: LeapDay
    ) -> None:
        self._campaigns = campaigns
        self._people = people
        self._rules = rules
        self._leap_day = leap_day

    async def capped(
        self, campaign: Campaign, pairs: Sequence[Pair], now: datetime, decider: Decider
    ) -> set[int]:
        """The customers whose row finds no place. A welcome takes its place and is never refused one."""
        if not campaign.commercial or is_welcome(campaign):
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
            mine = Claim(self._day(candidate, row.not_before), campaign.priority, row.due_at, campaign.name)
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
        until = max(self._end_of_day(candidate, row.not_before) for candidate, row in wanted)
        claims: Claims = {}
        for other in self._campaigns.values():
            if other.name == campaign.name or not other.enabled or not other.commercial:
                continue
            if other.priority < campaign.priority:
                continue
            if isinstance(other.trigger, EventTrigger):
                await self._later_events(other, other.trigger, wanted, (now, until), decider, claims)
            else:
                await self._later_days(other, wanted, (now, until), decider, claims)
        return claims

    async def _later_days(
        self,
        other: Campaign,
        wanted: Sequence[Pair],
        window: tuple[datetime, datetime],
        decider: Decider,
        claims: Claims,
    ) -> None:
        now, until = window
        zones = {candidate.zone for candidate, _row in wanted}
        just_before = now - timedelta(
            microseconds=1
        )  # what falls due this very instant may not be planned yet
        occasions = agenda(
            other, zones, start=just_before, now=until, tenant=self._rules.zone, leap_day=self._leap_day
        )
        keys = tuple(candidate.key for candidate, _row in wanted)
        for occasion in occasions:
            for group in occasion.groups:
                selection = Selection(
                    rule=other.audience,
                    outside=(other.name, occasion.key),  # of whom is in its run already, the row tells
                    zones=group.zones,
                    attribute=other.anniversary.anniversary if other.anniversary else None,
                    days=group.days,
                    before_year=occasion.local_date.year if group.days else None,
                    keys=keys,
                )
                found = await self._people.chunk(selection, now, 0, len(keys))
                for row in await decider(other, occasion.key, found, group.due):
                    self._add(other, row, found, claims)

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
        reach = trigger.after.elapsed() + other.catch_up.elapsed() + timedelta(days=1)
        events = await self._people.events_of(
            trigger.event, other.name, now - reach, now, [candidate.key for candidate, _row in wanted]
        )
        for event in events:
            due = event_due(event["at"], event["zone"], trigger, self._rules.zone)
            if not other.catch_up.before(now) < due <= until:
                continue
            ext_id = str(event["ext_id"])
            found = list((await self._people.answering(other.audience, [ext_id], now)).values())
            for row in await decider(other, ext_id, found, due):
                self._add(other, row, found, claims)

    def _add(self, other: Campaign, row: NewDelivery, found: Sequence[Candidate], claims: Claims) -> None:
        if row.state != State.QUEUED:
            return
        candidate = next(each for each in found if each.key == row.customer_key)
        mine = Claim(self._day(candidate, row.not_before), other.priority, row.due_at, other.name)
        mails = claims.setdefault(row.customer_key, [])
        if mine not in mails:
            mails.append(mine)

    def _day(self, candidate: Candidate, handoff: datetime) -> date:
        return local_day(handoff, candidate.zone, self._rules)

    def _end_of_day(self, candidate: Candidate, handoff: datetime) -> datetime:
        zone = ZoneInfo(candidate.zone) if candidate.zone else self._rules.zone
        tomorrow = local_date(handoff, zone) + timedelta(days=1)
        return instant(datetime.combine(tomorrow, time()), zone) - timedelta(microseconds=1)


def is_welcome(campaign: Campaign) -> bool:
    """Whether it answers the customer's own opt-in."""
    return isinstance(campaign.trigger, EventTrigger) and campaign.trigger.event == OWN_ACTION_EVENT
