"""The leaves of a segment's rule: one class for each thing that can be asked of a customer."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from mailer.core.duration import DurationField
from mailer.core.postal import read_pattern
from mailer.core.ranges import Count, CountField, DaysField, MoneyField, Score, ScoreField
from mailer.core.segment_value import FieldName, Strict, TextField, ValueTests, refuse

#: What shows that a customer is still with us.
Sign = Literal["click", "order", "open"]

_PARTS_PER_PERCENT = 10_000
_ALL = 100  # percent


class DateRule(Strict):
    """The yearly return of a day: today, or so many days from today.

    The year is left aside. Dates that systems write for "unknown" never match. `tz` says whose today is
    meant; `leap` where 29 February goes in other years (default: the settings' `leap_day`); `set_before`
    leaves out dates stored more recently than that.
    """

    attr: FieldName
    when: Literal["today"] | None = Field(None, alias="is")
    in_days: DaysField | None = None
    tz: Literal["customer", "tenant"] = "customer"
    leap: Literal["feb28", "mar1"] | None = None
    set_before: DurationField | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if (self.when is None) == (self.in_days is None):
            raise refuse("a date needs either 'is: today' or 'in_days', such as 0..7")
        return self


class EventRule(Strict):
    """How often something happened in (now - `in`, now], or that it never did. No `count`: at least once.

    `until: event` leaves out what happened after the event that sets the mail off.
    """

    name: TextField
    count: CountField | None = None
    within: DurationField | None = Field(None, alias="in")
    until: Literal["event"] | None = None
    where: ValueTests | None = None
    never: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_answer(self) -> Self:
        if self.never and self.count is not None:
            raise refuse("'never' and 'count' contradict each other; keep one")
        return self

    @property
    def wanted(self) -> Count:
        """The number of events asked for."""
        if self.never:
            return Count(0, 0)
        return self.count or Count(1, None)


class OrdersRule(Strict):
    """How many orders were placed in (now - `in`, now], and what they came to together, after refunds.

    An order refunded in full is no order. Neither `count` nor `net`: at least one order. `until: event` leaves
    out orders placed after the event that sets the mail off; what was given back of the others since then counts.
    """

    count: CountField | None = None
    net: MoneyField | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    within: DurationField | None = Field(None, alias="in")
    until: Literal["event"] | None = None

    def counted_in(self, tenants: str) -> str:
        """The currency of the orders that count; empty: all. Only a sum needs one: an order is one in any."""
        return self.currency or (tenants if self.net else "")


class SpendRule(Strict):
    """What all orders came to after refunds, counting only those placed at least `settled` ago."""

    net: MoneyField
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    settled: DurationField | None = None


class RfmRule(Strict):
    """The customer's scores among all who ordered within a year, 1 to 5; see `core.rfm`.

    Whoever has not ordered in that time has no scores, and no rule of this kind finds them.
    """

    r: ScoreField | None = None
    f: ScoreField | None = None
    m: ScoreField | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.r is None and self.f is None and self.m is None:
            raise refuse("say which scores are meant, such as {r: 4.., f: 4.., m: 4..}")
        return self

    def ranges(self) -> Iterator[tuple[str, Score]]:
        """Those that are asked for, by their letter."""
        for letter, wanted in (("r", self.r), ("f", self.f), ("m", self.m)):
            if wanted is not None:
                yield letter, wanted


def _pattern(value: Any) -> str:
    if isinstance(value, (int, float)):
        raise refuse(f"put the postal code {value} in quotes; a number loses its leading zeros")
    if not isinstance(value, str):
        raise refuse(f"{value!r:.60} is not a postal code")
    return read_pattern(value)


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _signs(value: Any) -> Any:
    if value in ([], ()):
        raise refuse("name at least one of click, order and open")
    return _one_or_many(value)


def _patterns(value: Any) -> Any:
    patterns = _one_or_many(value)
    if isinstance(patterns, (list, tuple)):
        return [_pattern(pattern) for pattern in patterns]
    return patterns


class AreaRule(Strict):
    """Where a service is used: a service point, or for a customer without any their own postal code."""

    postal: Annotated[
        tuple[str, ...],
        Field(min_length=1, max_length=200),
        BeforeValidator(_patterns, json_schema_input_type=str | tuple[str, ...]),
    ]


class ServicesRule(Strict):
    """A service at any service point, or for a customer without any in their own list."""

    has: TextField


class EngagedRule(Strict):
    """Whether the customer did one of these in (now - `in`, now]: clicked a link, placed an order, opened a mail.

    Only what a person did counts. `open` says little: many mail programs load pictures by themselves.
    """

    by: Annotated[
        tuple[Sign, ...],
        BeforeValidator(_signs, json_schema_input_type=Sign | tuple[Sign, ...]),
    ] = ("click", "order")
    within: DurationField | None = Field(None, alias="in")


class SentRule(Strict):
    """A mail of `campaign` that the relay accepted in (now - `in`, now]."""

    campaign: TextField
    within: DurationField | None = Field(None, alias="in")


class CouponRule(Strict):
    """A coupon of `campaign` that stands in `state`; without `state`, one the customer was given.

    `expires_in` asks for one whose last day is so many days from the customer's own today; 0 is today.
    """

    campaign: TextField
    state: Literal["reserved", "issued", "released", "quarantined", "redeemed"] | None = None
    expires_in: DaysField | None = None


class IncidentRule(Strict):
    """Whether an incident that is not over yet affects the customer."""

    open: bool = Field(strict=True)


def _share(value: Any) -> int:
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            percent = Decimal("NaN" if "_" in value else value.strip()[:-1])
        except InvalidOperation:
            percent = Decimal("NaN")
        if percent.is_finite() and 0 <= percent <= _ALL:
            parts = percent * _PARTS_PER_PERCENT
            if parts == int(parts):
                return int(parts)
    raise refuse(f"{value!r:.60} is not a share; write a percentage such as 10%")


def _percent(parts: int) -> str:
    return f"{Decimal(parts) / _PARTS_PER_PERCENT:f}%"


#: A stable share of all customers, in millionths.
ShareField = Annotated[
    int,
    BeforeValidator(_share),
    PlainSerializer(_percent),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?%$"}),
]
