"""A row of a service point file → a point: where a customer uses a service. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailer.core.cell import MOST_ID, CellFault, degrees_of, line_of
from mailer.core.importing import Row, RowFault

#: The columns; others are ignored.
FIELDS = ("customer", "id", "service", "postal_code", "lat", "lon", "label")

_FIELD = 200
_LATITUDE, _LONGITUDE = 90, 180


@dataclass(frozen=True, slots=True)
class PointRow:
    """One service point. `facts` holds what the row gives; what is empty is left out."""

    line: int
    customer: str  # the shop's id of the customer
    id: str  # the shop's id of the point, among this customer's
    facts: Mapping[str, Any]


def read_point(row: Row) -> PointRow | RowFault:
    """The point of `row`, or the first value of it that cannot be taken."""
    values = row.values
    name = "customer"
    facts: dict[str, Any] = {}
    try:
        customer = _needed(values.get(name))
        name = "id"
        key = _needed(values.get(name))
        for name in ("service", "postal_code", "label"):
            if text := line_of(values.get(name), _FIELD):
                facts[name] = text
        for name, most in (("lat", _LATITUDE), ("lon", _LONGITUDE)):
            degrees = degrees_of(values.get(name), most)
            if degrees is not None:
                facts[name] = degrees
    except CellFault as error:
        return RowFault(row.line, name, str(error))
    return PointRow(row.line, customer, key, facts)


def _needed(value: Any) -> str:
    text = line_of(value, MOST_ID)
    if not text:
        raise CellFault("This is empty.")
    return text
