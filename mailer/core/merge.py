"""A row meets what is stored of the customer: what changes, and what does not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from mailer.core.cell import day_of
from mailer.core.consent import Entry, Standing, imported, not_yet
from mailer.core.customer import PartialDate
from mailer.core.customer_row import CustomerRow
from mailer.core.importing import Change, RowFault
from mailer.core.zones import Zones

BIRTHDAY = "birthday"  # the attribute it stands in
_UNBORN = (
    "This birthday is still to come, so that no greeting goes out before the year after it; "
    "see whether the year is right."
)
_AHEAD = "This lies in the future; the consent counts from now on."
_FIRST_ZONE = timedelta(hours=14)  # where a day begins first


class Fate(StrEnum):
    """What became of a row that was taken."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Noted:
    """A row that was taken, though there is something to say about it."""

    fate: Fate
    warning: RowFault


@dataclass(frozen=True, slots=True)
class Stored:
    """A customer as the database has them, or will."""

    id: str
    key: int | None = None  # customer.id; none: not stored yet
    email_key: str = ""
    zone: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)  # those that are not empty
    attributes: Mapping[str, Any] = field(default_factory=dict)
    standing: Standing = field(default_factory=Standing)
    entries: tuple[Entry, ...] = ()  # of the consent ledger, the latest of each kind


@dataclass(frozen=True, slots=True)
class Merged:
    """The outcome of one row."""

    fate: Fate
    after: Stored
    changes: tuple[Change, ...] = ()
    days: Mapping[str, PartialDate | None] = field(default_factory=dict)  # by attribute: new, changed, gone
    same_days: frozenset[str] = frozenset()  # those of them that are celebrated when they were before
    entry: Entry | None = None  # to be added to the ledger
    source: str = ""  # of the entry
    warnings: tuple[RowFault, ...] = ()


def merge(stored: Stored | None, row: CustomerRow, zones: Zones, now: datetime, *, barred: bool) -> Merged:
    """What `row` makes of `stored` (none: a new customer).

    Args:
        stored: as it stands, with its ledger where `row` speaks of consent.
        row: what the file says.
        zones: to place the customer in.
        now: the instant of the import.
        barred: whether the customer's address, as it will be, is under an unsubscribe or a complaint.
    """
    before = stored or Stored(row.id)
    changed = {name: value for name, value in row.fields.items() if before.fields.get(name) != value}
    altered = {
        name: value for name, value in row.attributes.items() if _differs(before.attributes, name, value)
    }
    given = _consent(before, row, now, barred)
    early = given is not None and row.consent is True and not_yet(row.consent_at, now)
    warnings = _doubts(row, now, early=early)
    if stored is not None and not changed and not altered and given is None:
        return Merged(Fate.UNCHANGED, stored, warnings=warnings)
    fields = {**before.fields, **changed}
    after = Stored(
        before.id, before.key,
        row.email_key or before.email_key,
        zones.resolve(fields.get("timezone", ""), fields.get("country", "")) if changed else before.zone,
        fields, {**before.attributes, **altered},
        given[1] if given else before.standing,
        (*before.entries, given[0]) if given else before.entries,
    )  # fmt: skip
    if stored is None:
        changes = [Change(row.id, "id", None, {**row.fields, **row.attributes, "consent": row.consent})]
    else:
        changes = [Change(row.id, name, before.fields.get(name), value) for name, value in changed.items()]
        changes += [
            Change(row.id, name, before.attributes.get(name), value) for name, value in altered.items()
        ]
        if given is not None:
            changes.append(Change(row.id, "consent", before.standing.consent, after.standing.consent))
    days, same_days = _days(before.attributes, altered)
    return Merged(
        Fate.CREATED if stored is None else Fate.UPDATED, after, tuple(changes), days, same_days,
        given[0] if given else None, row.consent_source or "import", warnings,
    )  # fmt: skip


def _doubts(row: CustomerRow, now: datetime, *, early: bool) -> tuple[RowFault, ...]:
    """What only the day it is brings to light."""
    unborn = _to_come(day_of(row.attributes.get(BIRTHDAY)), now)
    said = {"consent_at": _AHEAD} if early else {}
    said |= {BIRTHDAY: _UNBORN} if unborn else {}
    return tuple(RowFault(row.line, *each) for each in said.items())


def _to_come(day: PartialDate | None, now: datetime) -> bool:
    """Whether a day is that nowhere on earth was yet."""
    if day is None or day.year is None:
        return False
    today = (now + _FIRST_ZONE).date()
    return (day.year, day.month, day.day) > (today.year, today.month, today.day)


def _differs(attributes: Mapping[str, Any], name: str, value: Any) -> bool:
    # 1, 1.0 and True are equal in Python and three values in JSON.
    return name not in attributes or attributes[name] != value or type(attributes[name]) is not type(value)


def _consent(before: Stored, row: CustomerRow, now: datetime, barred: bool) -> tuple[Entry, Standing] | None:
    if row.consent is None or before.standing.consent == ("yes" if row.consent else "no"):
        return None
    # A date in the future would outweigh whatever the person says until then.
    return imported(before.entries, row.consent, min(row.consent_at or now, now), barred)


def _days(
    before: Mapping[str, Any], altered: Mapping[str, Any]
) -> tuple[dict[str, PartialDate | None], frozenset[str]]:
    """The days that changed, and of which of them only the year did: that earns nobody a mail, and costs nobody one."""
    days: dict[str, PartialDate | None] = {}
    same: set[str] = set()
    for name, value in altered.items():
        day, was = day_of(value), day_of(before.get(name))
        if day != was:
            days[name] = day
        if day is not None and was is not None and day.celebrated == was.celebrated:
            same.add(name)
    return days, frozenset(same & days.keys())
