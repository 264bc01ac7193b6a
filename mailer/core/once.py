"""How often one customer may get one campaign: the once-key a unique index watches, and the gap beside it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from mailer.core.calendar import aged_before
from mailer.core.duration import DurationField

#: The stretch in which a customer gets a campaign at most once.
Per = Literal["run", "day", "week", "quarter", "year", "ever"]


class Once(BaseModel):
    """At most once `per` period, and not within `gap` of the last. Written as a mapping or a bare word."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per: Per = "run"
    gap: DurationField | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        if not isinstance(value, str | dict | Once):
            raise ValueError(f"{value!r} is no rule; write a word such as year, or a mapping of per and gap")  # noqa: TRY004  # pydantic reports a ValueError only
        return {"per": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Editors offer both ways of writing it."""
        mapping = handler(schema)
        word = handler.resolve_ref_schema(mapping)["properties"]["per"]
        return {"anyOf": [{"enum": word["enum"], "type": "string"}, mapping]}


def period(per: Per, occurrence: str, day: date) -> str:
    """The period a local date lies in: `2027`, `2027-Q2`, `2027-W13` (ISO 8601); empty for ever."""
    match per:
        case "run":
            return occurrence
        case "day":
            return f"{day:%Y-%m-%d}"
        case "week":
            year, week, _ = day.isocalendar()
            return f"{year:04d}-W{week:02d}"
        case "quarter":
            return f"{day.year:04d}-Q{(day.month + 2) // 3}"
        case "year":
            return f"{day.year:04d}"
        case "ever":
            return ""


#: How the customer's id is written in a once-key, in this order. It may be any text: no two share a key.
ESCAPES = (("%", "%25"), (":", "%3A"))


def once_around(campaign: str, per: Per, occurrence: str, day: date) -> tuple[str, str]:
    """What stands before and after the customer's id, as it is written there, in a once-key."""
    if per == "ever":
        return f"{campaign}:", ""
    when = period(per, occurrence, day)
    return (f"{campaign}:{when}:", "") if per == "run" else (f"{campaign}:", f":{when}")


def once_key(campaign: str, customer: str, per: Per, occurrence: str, day: date) -> str:
    """What a delivery holds so that no second one goes out in the same period. `customer` is the shop's id."""
    before, after = once_around(campaign, per, occurrence, day)
    for plain, written in ESCAPES:
        customer = customer.replace(plain, written)
    return f"{before}{customer}{after}"


def too_soon(last: datetime | None, due: datetime, once: Once, zone: ZoneInfo) -> bool:
    """Whether `due` lies within the gap after `last`; days are counted between local dates."""
    return last is not None and once.gap is not None and last >= aged_before(due, once.gap, zone)
