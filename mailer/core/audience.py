"""Whom a planner asks the store for: a rule, what narrows it at this moment, and what sets customers apart."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from mailer.core.policy import Candidate
from mailer.core.segment import Rule


@dataclass(frozen=True, slots=True)
class Selection:
    """Customers that match `rule` and have no delivery in the run yet. Asked for in order of their number."""

    rule: Rule
    run_id: int | None = None  # none: the run is not written down yet
    outside: tuple[str, str] | None = (
        None  # only those without a delivery in the run of this campaign, occurrence
    )
    zones: frozenset[str | None] | None = None  # None in it: those who live in the tenant's zone
    stored_by: datetime | None = None  # known to us by then
    changed_since: datetime | None = None  # only those whose record changed since
    attribute: str | None = None  # anniversaries: the date
    days: tuple[tuple[int, int], ...] = ()  # (month, day) of it
    before_year: int | None = (
        None  # only dates of earlier years, or of none: nobody has a nought-th anniversary
    )
    ids: tuple[str, ...] | None = None  # only these, by the shop's ids
    keys: tuple[int, ...] | None = None  # only these, by our numbers
    events: tuple[str, ...] | None = (
        None  # of these events' customers, each as of its event, by the shop's ids
    )
    entering: str | None = None  # only those not yet noted as members of this campaign's segment
    entered: tuple[str, datetime] | None = (
        None  # only those owed a mail of this campaign since they entered then
    )
    affected: bool = False  # only those whom an incident that holds marketing affects


@dataclass(frozen=True, slots=True)
class KeyRule:
    """How the once-keys of customers in these zones are made: what stands before and after the customer."""

    zones: frozenset[str | None]  # None in it: the tenant's
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Facts by which the customers of one audience differ, for one campaign falling due at one instant."""

    due: datetime
    once: tuple[KeyRule, ...] = ()  # whether their once-key is held; none: nobody's can be
    campaign: str | None = None  # odd: who was sent this campaign, may have been, or will be
    shared: bool = False  # odd: whose address another customer has
    moved: tuple[str, ...] = ()  # odd: whose address is one of these
    capped: bool = False  # the days on which commercial mails left; odd: for whom one waits
    foreseen: tuple[Selection, ...] = ()  # odd: who is in one of these
    events: tuple[tuple[str, datetime, datetime], ...] = ()  # odd: who did this in (start, end]
    names: bool = False  # the shop's ids are wanted


@dataclass(frozen=True, slots=True)
class Alike:
    """Customers about whom the same is known."""

    facts: Candidate  # without a number, an id and an address: true of each
    used: tuple[date, ...]  # local days on which commercial mails left
    customers: Sequence[int]
    names: Sequence[str] = ()  # their ids at the shop, where asked for


@dataclass(frozen=True, slots=True)
class Page:
    """Some customers of an audience, in order of their number."""

    alike: Sequence[Alike]
    odd: Sequence[int]  # those who have to be looked at one by one
    last: int  # the highest number among them
    count: int


#: What gives the next page: of customers whose number is above the first given, at most as many as the second.
Pages = Callable[[int, int], Coroutine[Any, Any, Page | None]]
