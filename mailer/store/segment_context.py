"""What a rule needs to become SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import ColumnElement, and_

from mailer.core.calendar import local_date, zone_named
from mailer.core.segment_facts import EvalContext
from mailer.store.tables import customer_event

#: The event that sets a mail off, in a statement that asks about customers as of events of theirs.
origin = customer_event.alias("origin")


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentContext(EvalContext):
    """The moment a rule is looked at, and the database it is put to.

    `zones` are the zones customers live in (None among them: the tenant's); left out, every zone there is.
    """

    dialect: str  # sqlite or postgresql
    zones: Collection[str | None] | None = None
    as_of_origin: bool = False  # whether the statement selects from `origin` too

    def not_after(self, at: ColumnElement[datetime], until: str | None) -> ColumnElement[bool]:
        """Whether `at` lies before the end of a rule's window: see `up_to`."""
        if until is None or not self.as_of_origin:
            return at <= self.up_to(until)
        return and_(at <= self.now, at <= origin.c.at)

    @classmethod
    def of(cls, context: EvalContext, dialect: str) -> SegmentContext:
        """The same moment, put to a database of this kind."""
        return cls(
            now=context.now,
            tenant_zone=context.tenant_zone,
            segments=context.segments,
            leap_day=context.leap_day,
            currency=context.currency,
            event_at=context.event_at,
            dialect=dialect,
        )

    def elsewhere(self) -> Mapping[date, list[str]]:
        """Days that are today somewhere, other than the tenant's, and the zones where they are."""
        here = local_date(self.now, self.tenant_zone)
        found: dict[date, list[str]] = {}
        for name in sorted(name for name in (every_zone() if self.zones is None else self.zones) if name):
            zone = every_zone().get(name)
            day = here if zone is None else local_date(self.now, zone)
            if day != here:
                found.setdefault(day, []).append(name)
        return found


@cache
def every_zone() -> Mapping[str, ZoneInfo]:
    """The zones a customer may live in."""
    found = {}
    for name in available_timezones():
        try:
            found[name] = zone_named(name)
        except ValueError:
            continue
    return found
