"""A row of an event file → a customer event. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, TypeVar

from mailer.core.cell import (
    MOST_ID,
    CellFault,
    attribute_name,
    attribute_of,
    instant_of,
    line_of,
    money_of,
    once,
    text_of,
)
from mailer.core.coupon import MOST_CODE
from mailer.core.importing import Row, RowFault
from mailer.core.post import PUBLISHED, unfit
from mailer.core.redemption import REDEEMED, net_of
from mailer.core.segment_facts import PLACED

#: Columns with a meaning; any other is a property.
FIELDS = ("id", "customer", "name", "at", "properties")

T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9_.-]{1,100}")
_SCORE = re.compile(r"[0-9]{1,2}(\.0+)?")  # a number of JSON may come as 9.0
_CURRENCY = re.compile(r"[A-Za-z]{3}")

ANSWERED = "survey.answered"  # what a survey page writes down
HIGHEST = 10  # of its `score`, from 0


#: Whose `net` is what an order came to; of a refund it may be written with a minus.
_ORDERS = (PLACED, REDEEMED)
_WORTH_NOTHING = "An order without net counts as 0 in spending, rewards and reports; write what it came to."


@dataclass(frozen=True, slots=True)
class EventRow:
    """Something a customer did, or that happened in the shop."""

    line: int
    id: str
    customer: str  # the shop's id of the customer; empty: about the shop
    name: str
    at: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)
    order_ref: str | None = None
    net_e4: int | None = None  # ten-thousandths of the currency's unit
    currency: str | None = None
    code: str = ""  # of a coupon that was redeemed


def doubt(row: EventRow) -> RowFault | None:
    """What is taken as it stands and does less than was meant, and why."""
    found = unfit(row.properties) if row.name == PUBLISHED else None
    if row.name == PLACED and row.net_e4 is None:
        found = "net", _WORTH_NOTHING
    return RowFault(row.line, f"properties.{found[0]}", found[1]) if found else None


class EventReader:
    """Reads rows; an instant without an offset is wall time in the tenant's zone."""

    def __init__(self, tenant_zone: tzinfo) -> None:
        self._zone = tenant_zone

    def read(self, row: Row) -> EventRow | RowFault:
        """The event of `row`, or the first value of it that cannot be taken."""
        values = row.values
        where = "id"
        try:
            key = _needed(line_of(values.get("id"), MOST_ID), "id")
            where = "customer"
            customer = line_of(values.get("customer"), MOST_ID)
            where = "name"
            name = _name(line_of(values.get("name")))
            where = "at"
            at = _needed(instant_of(values.get("at"), self._zone), "instant")
            where = "properties"
            properties = _properties(values)
            if name == ANSWERED:
                where = "properties.score"
                _check_score(text_of(properties.get("score")))
            if not name.startswith("order.") and name != REDEEMED:
                return EventRow(row.line, key, customer, name, at, properties)
            where = "properties.order"
            order = line_of(properties.get("order"), MOST_ID)
            where = "properties.net"
            net = (net_of if name in _ORDERS else money_of)(properties.get("net"))
            where = "properties.currency"
            currency = _currency(line_of(properties.get("currency")))
            where = "properties.code"
            code = line_of(properties.get("code"), MOST_CODE) if name == REDEEMED else ""
        except CellFault as error:
            return RowFault(row.line, where, str(error))
        return EventRow(
            row.line, key, customer, name, at, properties, order or None, net, currency or None, code
        )  # fmt: skip


def _needed(value: T | None, name: str) -> T:
    if not value:
        raise CellFault(f"The {name} of the event is empty.")
    return value


def _currency(text: str) -> str:
    """In capitals, or nothing. `TL` or a sign would be another currency than TRY in every sum."""
    if text and not _CURRENCY.fullmatch(text):
        raise CellFault("A currency has three letters (ISO 4217), such as TRY.")
    return text.upper()


def _check_score(text: str) -> None:
    if text and (not _SCORE.fullmatch(text) or int(text.partition(".")[0]) > HIGHEST):
        raise CellFault(f"The score of a survey is a whole number from 0 to {HIGHEST}.")


def _name(text: str) -> str:
    if not _NAME.fullmatch(_needed(text, "name")):
        raise CellFault("The name of an event is made of a–z, 0–9, '_', '.' and '-', such as order.placed.")
    return text


def _properties(values: Mapping[str, Any]) -> dict[str, Any]:
    given = values.get("properties")
    if isinstance(given, str):
        try:
            given = json.loads(given, object_pairs_hook=once) if given.strip() else {}
        except CellFault:
            raise
        except (ValueError, RecursionError):
            raise CellFault("The properties are not a JSON object.") from None
    if given is not None and not isinstance(given, dict):
        raise CellFault("The properties are not a JSON object.")
    beside = {name: value for name, value in values.items() if name not in FIELDS}
    plain = {attribute_name(name): attribute_of(value) for name, value in {**beside, **(given or {})}.items()}
    return {name: value for name, value in plain.items() if value is not None}
