"""A row of a customer file → the facts it brings. Pure; what is empty is left out and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any

from mailer.core.address import read_address
from mailer.core.cell import (
    MOST_ID,
    CellFault,
    attribute_of,
    country_of,
    day_of,
    instant_of,
    iso_of,
    line_of,
    locale_of,
    looks_like_a_day,
    odd_number,
    words_of,
    yes_or_no,
)
from mailer.core.customer import normalise_address
from mailer.core.importing import Row, RowFault
from mailer.core.zones import Zones

_TURKISH_DIGITS = 5  # of a postal code
MOST_FIELD = 200  # characters of a name, a postal code, …

#: Columns with a meaning; any other is an attribute.
FIELDS = (
    "id", "email", "first_name", "last_name", "locale", "timezone", "country", "postal_code", "created_at",
    "services", "consent", "consent_at", "consent_source",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """One customer as a row tells of them."""

    line: int
    id: str
    fields: Mapping[str, Any] = field(default_factory=dict)  # by the name `core.customer.Customer` has for it
    attributes: Mapping[str, Any] = field(default_factory=dict)
    email_key: str = ""  # the address as it is suppressed; empty: the row gives none
    consent: bool | None = None
    consent_at: datetime | None = None
    consent_source: str = ""
    warnings: tuple[RowFault, ...] = ()
    placeholders: int = 0


class CustomerReader:
    """Reads rows as the tenant means them: a wall time without an offset is in the tenant's zone."""

    def __init__(self, zones: Zones, tenant_zone: tzinfo, tenant_country: str = "") -> None:
        self._country = tenant_country
        self._readers: dict[str, Callable[[Any], Any]] = {
            "email": _email,
            "first_name": lambda value: line_of(value, MOST_FIELD),
            "last_name": lambda value: line_of(value, MOST_FIELD),
            "locale": _remembered(locale_of),
            "timezone": _remembered(lambda value: zones.find(text) if (text := line_of(value)) else ""),
            "country": _remembered(country_of),
            "postal_code": lambda value: line_of(value, MOST_FIELD),
            "created_at": lambda value: instant_of(value, tenant_zone),
            "services": _remembered(words_of),
            "consent": _remembered(yes_or_no),
            "consent_at": lambda value: instant_of(value, tenant_zone),
            "consent_source": lambda value: line_of(value, MOST_FIELD),
        }

    def read(self, row: Row) -> CustomerRow | RowFault:
        """The facts of `row`, or the first value of it that cannot be taken."""
        fields: dict[str, Any] = {}
        attributes: dict[str, Any] = {}
        warnings: list[RowFault] = []
        placeholders = 0
        name = "id"
        try:
            key = line_of(row.values.get("id"), MOST_ID)
            if not key:
                return RowFault(row.line, "id", "The id is empty.")
            for name, value in row.values.items():
                reader = self._readers.get(name)
                if reader is not None:
                    taken = reader(value)
                    if taken is None and name in _FALLS_BACK:
                        warnings.append(RowFault(row.line, name, _FALLS_BACK[name]))
                    elif taken not in ("", None, ()):
                        fields[name] = taken
                elif name != "id" and (taken := attribute_of(value)) is not None:
                    taken = iso_of(taken) if isinstance(taken, str) else taken
                    attributes[name] = taken
                    day = day_of(taken)
                    placeholders += day is not None and day.placeholder
                    if day is None and (odd := _odd(taken)):
                        warnings.append(RowFault(row.line, name, odd))
        except CellFault as error:
            return RowFault(row.line, name, str(error))
        warnings += (RowFault(row.line, name, reason) for name, reason in self._doubts(fields))
        return CustomerRow(
            row.line, key,
            consent=fields.pop("consent", None),
            consent_at=fields.pop("consent_at", None),
            consent_source=fields.pop("consent_source", ""),
            email_key=normalise_address(fields["email"]) if "email" in fields else "",
            fields=fields, attributes=attributes, warnings=tuple(warnings), placeholders=placeholders,
        )  # fmt: skip

    def _doubts(self, fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What is taken as it stands and is hardly what was meant, by the field."""
        if not fields.get("email", "").rpartition("@")[0].isascii():
            yield "email", _ODD_LOCAL
        code = fields.get("postal_code", "")
        short = len(code) == _TURKISH_DIGITS - 1 and code.isdecimal()
        if short and fields.get("country", self._country) == "TR":
            yield "postal_code", _SHORT_POSTAL


_FALLS_BACK = {
    "timezone": (
        "This is not an IANA time zone; the customer keeps the one they had, "
        "or else their country's or the tenant's is used."
    ),
    "locale": "This is not a language tag such as tr-TR; the customer keeps the one they had.",
}
_ODD_DAY = (
    "This looks like a date but is kept as text; "
    "for a greeting on the day write 1990-05-10, 10.05.1990 or, without a year, --05-10."
)
_ODD_NUMBER = (
    "This is kept as text, which is neither above nor below any number; write 1250.50 to compare it."
)
_ODD_LOCAL = (
    "There is a letter such as İ or ş before the @, which hardly any mailbox has and many relays cannot carry; "
    "see whether i or s is meant."
)
_SHORT_POSTAL = "A Turkish postal code has five digits; spreadsheets drop a zero in front (6690 for 06690)."


def _remembered(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same, quicker for columns in which few texts return again and again."""
    cached = lru_cache(maxsize=1_000)(read)
    return lambda value: cached(value) if isinstance(value, str) else read(value)


def _odd(value: Any) -> str | None:
    """What is to be said of an attribute's value."""
    if looks_like_a_day(value):
        return _ODD_DAY
    return _ODD_NUMBER if odd_number(value) else None


def _email(value: Any) -> str:
    text = line_of(value)
    if not text:
        return ""
    try:
        return read_address(text)
    except ValueError as error:
        raise CellFault(str(error)) from None
