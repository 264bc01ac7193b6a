"""The state's registry of consent (in Turkey İYS): by when it must be told, and what its answers mean. Pure.

Regulation on Commercial Communication (Official Gazette 29417, as amended 2020): consent and refusal are told within
three business days; consent the registry does not know is not valid.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from mailer.core.cell import CellFault, line_of
from mailer.core.consent import NOT_YET, Action, not_yet
from mailer.core.customer import normalise_address
from mailer.core.importing import Row, RowFault

BUSINESS_DAYS = 3
ISTANBUL = ZoneInfo("Europe/Istanbul")  # the registry's own time, wherever the tenant is
FIELDS = ("recipient", "status", "consentDate")  # of an answer; others are passed over
LAPSED = "registry: not confirmed in time"  # the source of a refusal that nobody spoke
_SATURDAY = 5
_WRITTEN = "%Y-%m-%d %H:%M:%S"


class Status(StrEnum):
    """What the registry says of an address, in its own words."""

    ONAY = "ONAY"  # may be written to
    RET = "RET"  # may not


_MEANS = {Action.GRANTED: Status.ONAY, Action.REVOKED: Status.RET}


@dataclass(frozen=True, slots=True)
class Due:
    """An entry of the consent ledger that the registry was not told of."""

    entry: int  # consent_entry.id
    email_key: str
    action: Action
    at: datetime
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """What the registry says of one address."""

    email_key: str
    action: Action
    at: datetime | None  # when the person said so; none: it does not tell


def deadline(at: datetime, holidays: Collection[date]) -> datetime:
    """The end of the third business day after the day of `at`, in Turkey."""
    day, left = at.astimezone(ISTANBUL).date(), BUSINESS_DAYS
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < _SATURDAY and day not in holidays
    return datetime.combine(day + timedelta(days=1), time(), ISTANBUL).astimezone(UTC)


def told_from(at: datetime, since: date) -> datetime:
    """From when the three days count: when it was given, or when the registry began to matter here."""
    return max(at, datetime.combine(since, time(), ISTANBUL).astimezone(UTC))


def record(due: Due, source: str) -> dict[str, str]:
    """One record for the registry, under its own names."""
    return {
        "recipient": due.email_key,
        "recipientType": "BIREYSEL",
        "type": "EPOSTA",
        "status": _MEANS[due.action],
        "consentDate": due.at.astimezone(ISTANBUL).strftime(_WRITTEN),
        "source": source,
    }


def read_answer(row: Row, now: datetime) -> Answered | RowFault:
    """A record of the registry, read at `now`, or the first value of it that cannot be taken."""
    where = "recipient"
    try:
        address = line_of(row.values.get("recipient"))
        if "@" not in address:
            return RowFault(row.line, where, "This is no address.")
        where = "status"
        status = line_of(row.values.get("status")).upper()
        if status not in set(Status):
            return RowFault(row.line, where, "This must be ONAY or RET.")
        where = "consentDate"
        at = _moment(line_of(row.values.get("consentDate")))
    except CellFault as fault:
        return RowFault(row.line, where, str(fault))
    action = Action.GRANTED if status == Status.ONAY else Action.REVOKED
    if action is Action.GRANTED and not_yet(at, now):
        return RowFault(row.line, where, NOT_YET)
    return Answered(normalise_address(address), action, at)


def summary(
    due: Collection[Due], since: date, holidays: Collection[date], now: datetime
) -> Mapping[str, Any]:
    """How many wait to be told, how many of them too long, and by when the next has to be."""
    ends = sorted(deadline(told_from(each.at, since), holidays) for each in due)
    late = sum(end <= now for end in ends)
    return {"waiting": len(ends), "overdue": late, "next_by": next((end for end in ends if end > now), None)}


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, _WRITTEN).replace(tzinfo=ISTANBUL).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CellFault("This is not a time of the registry, such as 2027-05-10 09:30:00.") from None
