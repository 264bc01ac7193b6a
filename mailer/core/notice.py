"""Who is told what of an incident: the contract kept with every single recipient.

1. Whoever joins gets the first notice, in the current state.
2. Updates and the closure go only to those whose first notice the relay accepted.
3. Who falls out of a narrowed area hears so once, then leaves.
4. First notices still queued when it ends are cancelled.
5. A reopening soon after goes on in the same thread.
6. Who cannot be reached is recorded, never dropped.

One mail goes to one address, whatever number of records share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from mailer.core.delivery import Skip
from mailer.core.incident import Incident
from mailer.core.pace import Hours, only_reminds
from mailer.core.planned import work_of
from mailer.core.standing import HOPELESS, NEW, First, Kind, Standing


class RecipientState(StrEnum):
    """What an incident is to one customer."""

    AFFECTED = "affected"
    LEFT = "left"  # not affected any more
    UNREACHABLE = "unreachable"  # no address, or a dead one: for another channel
    DUPLICATE = "duplicate"  # told under another record that has the same address


class Person(NamedTuple):
    """A customer record that is affected now, or was."""

    customer_key: int  # customer.id: the lowest is the oldest record
    id: str  # the shop's id
    email: str  # as given
    address: str  # normalised; empty: none
    affected: bool
    zone: str | None = None  # IANA; none: the tenant's
    suppressed: bool = False  # mail to this address is pointless for anybody
    points: tuple[Mapping[str, Any], ...] = ()  # affected now; or those last told of
    standing: Standing = NEW
    state: RecipientState | None = None  # as recorded; none: not yet


class Notice(NamedTuple):
    """A delivery to be written: queued, or skipped with its reason."""

    customer_key: int
    kind: Kind
    points: tuple[Mapping[str, Any], ...] = ()
    in_reply_to: str | None = None
    skip: str | None = None  # core.delivery.Skip
    again: bool = False  # the current update left them out before, and the reason is gone or another
    back: bool = False  # the current update told them that they are not affected any more, and now they are


class Step(NamedTuple):
    """What is to be done for those who share one address: all of it, or nothing."""

    notices: tuple[Notice, ...]
    cancel: tuple[int, ...]  # deliveries that must not leave any more; one that has left voids the step
    states: Mapping[int, RecipientState]  # of the records that change, by customer.id

    @property
    def back(self) -> bool:
        """Whether it is for somebody who is affected again before the next update."""
        return any(notice.back for notice in self.notices)


def steps(incident: Incident, people: Iterable[Person], hours: Hours, *, joining: bool = True) -> list[Step]:
    """Decide for everyone affected by an incident, now or before, under its current update.

    People who share an address must come together. Deciding again after a step was done gives nothing. A
    first notice that is with the relay this moment is waited for: decide again later. Without `joining`
    nobody gets a first notice: planned work that is to be announced later.
    """
    scene = _Scene(incident, hours, joining)
    households: dict[str, list[Person]] = {}
    for person in people:
        households.setdefault(person.address or f"\0{person.customer_key}", []).append(person)
    decided = (_step(_household(scene, members)) for members in households.values())
    return [step for step in decided if step.notices or step.cancel or step.states]


def _step(household: _Household) -> Step:
    """Without what the ledger has already."""
    people = {person.customer_key: person for person in household.members}
    notices = []
    for notice in household.notices():
        told = people[notice.customer_key].standing
        if household.wrote_to(told) or (notice.skip is not None and told.skipped in (notice.skip, *HOPELESS)):
            continue  # what failed stays so, unless there is something to send
        notices.append(notice._replace(again=told.skipped is not None, back=told.parted))
    states = {key: state for key, state in household.states().items() if people[key].state is not state}
    return Step(tuple(notices), household.stale, states)


@dataclass(frozen=True, slots=True)
class _Scene:
    """What is the same for everyone."""

    incident: Incident
    hours: Hours
    joining: bool


class _Household(NamedTuple):
    """The records that share one address: one of them is written to."""

    closing: bool
    members: tuple[Person, ...]  # oldest record first
    affected: tuple[Person, ...]
    one: Person  # the addressee
    kind: Kind | None  # what the addressee is to be told now
    obstacle: str | None  # why no mail can reach this address, as a word of the ledger
    stale: tuple[int, ...]  # deliveries of older updates that must not leave

    def notices(self) -> list[Notice]:
        """The addressee's notice, and a line in the ledger for the others affected."""
        written = any(self.wrote_to(person.standing) for person in self.members)
        found: list[Notice] = []
        if self.kind is not None and not written:
            points = tuple(point for person in self.affected for point in person.points) or self.one.points
            thread = self.one.standing.thread
            found.append(Notice(self.one.customer_key, self.kind, points, thread, self.obstacle))
        for other in self.affected:
            if other is not self.one and (found or written or not other.standing.known):
                skip = self.obstacle or Skip.DUPLICATE
                found.append(Notice(other.customer_key, Kind.FIRST, other.points, skip=skip))
        return found

    def wrote_to(self, told: Standing) -> bool:
        """Whether the current update has had its say: once, and once more to those affected again after a farewell."""
        return told.written and not (self.affected and told.parted)

    def states(self) -> dict[int, RecipientState]:
        """What the incident now is to each record."""
        one = self.one.customer_key
        blocked = {one: RecipientState.UNREACHABLE} if self.obstacle else {}
        if self.closing:
            return blocked if self.kind or self.one.standing.first is First.REFUSED else {}
        others = RecipientState.UNREACHABLE if self.obstacle else RecipientState.DUPLICATE
        found = {
            person.customer_key: others if person.affected else RecipientState.LEFT for person in self.members
        }
        if self.affected:
            return found | {one: RecipientState.AFFECTED} | blocked
        # Who is owed a farewell that this update has no room for, since it told them something else, gets it next time.
        owed = self.kind is Kind.UNAFFECTED and self.wrote_to(self.one.standing)
        waiting = owed or self.one.standing.first is First.IN_FLIGHT
        return {key: state for key, state in found.items() if key != one or not waiting}


def _household(scene: _Scene, people: list[Person]) -> _Household:
    members = tuple(sorted(people, key=lambda person: person.customer_key))
    closing = scene.incident.current.closes
    affected = () if closing else tuple(person for person in members if person.affected)
    one = _addressee(affected, members)
    # A farewell that waits still holds, unless they are affected again.
    farewells = [person.standing.farewell for person in members if affected and person.standing.farewell]
    return _Household(
        closing,
        members,
        affected,
        one,
        _kind(scene, one, affected=bool(affected)),
        _obstacle(one),
        (*(unsent for person in members for unsent in person.standing.unsent), *farewells),
    )


def _addressee(affected: tuple[Person, ...], members: tuple[Person, ...]) -> Person:
    """Whoever has the thread; else whoever's notice is on its way; else the oldest record affected."""
    for wanted in (First.ACCEPTED, First.IN_FLIGHT):
        for person in members:
            if person.standing.first is wanted:
                return person
    return (affected or members)[0]


def _kind(scene: _Scene, person: Person, *, affected: bool) -> Kind | None:
    """What a person is to be told now; None: nothing."""
    told, closing = person.standing, scene.incident.current.closes
    if closing and scene.incident.current.silent:
        return None
    if told.first is not First.ACCEPTED:
        joins = affected and scene.joining and told.first is not First.IN_FLIGHT
        return Kind.FIRST if joins else None
    if not affected and not closing:
        return Kind.UNAFFECTED if told.farewell is None else None
    if not _concerns(scene, person) or (closing and told.farewell is not None):
        return None
    return Kind.CLOSURE if closing else Kind.UPDATE


def _concerns(scene: _Scene, person: Person) -> bool:
    """Whether there is news for this person; a reminder is none where it would have come before the schedule."""
    news = scene.incident.news_since(person.standing.newest)
    if not only_reminds(news):
        return bool(news)
    work = work_of(scene.incident)
    return work is not None and work.recalled(scene.hours.of(person.zone)) is not None


def _obstacle(person: Person) -> str | None:
    if not person.address:
        return Skip.NOT_ELIGIBLE
    if person.suppressed or person.standing.first is First.REFUSED:
        return Skip.SUPPRESSED
    return None
