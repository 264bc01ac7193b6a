"""Whom a planner asks the store for: a rule, and what narrows it at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

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
