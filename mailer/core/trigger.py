"""When a campaign goes out: the triggers of a campaign file, one model each, told apart by their key."""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    GetPydanticSchema,
    StringConstraints,
    Tag,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from mailer.core.calendar import LeapDay, zone_named
from mailer.core.cron import read_cron
from mailer.core.duration import Duration, DurationField

_HOUR_AND_MINUTE = r"([01]\d|2[0-3]):([0-5]\d)"
_DAY_AND_TIME = rf"(\d{{4}}-\d{{2}}-\d{{2}})[T ]{_HOUR_AND_MINUTE}(:[0-5]\d)?"


def read_time(value: Any) -> time:
    """A wall time written `HH:MM`, 00:00 to 23:59.

    Raises:
        ValueError: anything else.
    """
    if isinstance(value, time):
        return value
    found = re.fullmatch(_HOUR_AND_MINUTE, value, re.ASCII) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{value!r} is not a time of day; write hours and minutes, such as "10:00"')
    return time(int(found[1]), int(found[2]))


def read_wall(value: Any) -> datetime:
    """A day and a wall time written `YYYY-MM-DDTHH:MM`, without a zone.

    Raises:
        ValueError: anything else, or a day no calendar has.
    """
    if isinstance(value, datetime) and value.tzinfo is None:
        return datetime.combine(value.date(), value.time())  # the YAML reader has a class of its own
    found = re.fullmatch(_DAY_AND_TIME, value, re.ASCII) if isinstance(value, str) else None
    if found is None:
        raise ValueError(
            f"{str(value)!r} is not a day and a wall time without zone; write it as 2026-12-01T10:00"
        )
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} names a day that no calendar has") from None


def _written(read: Any, write: Any, pattern: str) -> GetPydanticSchema:
    return GetPydanticSchema(
        lambda _source, _handler: core_schema.no_info_plain_validator_function(
            read,
            serialization=core_schema.plain_serializer_function_ser_schema(write),
            json_schema_input_schema=core_schema.str_schema(pattern=f"^{pattern}$"),
        )
    )


def _zone_or_customer(value: str) -> str:
    return value if value == "customer" else zone_named(value).key


def _known_cron(value: str) -> str:
    read_cron(value)
    return value


#: A time of day on the wall, written "10:00".
WallTimeField = Annotated[time, _written(read_time, lambda value: f"{value:%H:%M}", _HOUR_AND_MINUTE)]
#: A day and a time on the wall, written 2026-12-01T10:00.
WallField = Annotated[datetime, _written(read_wall, datetime.isoformat, _DAY_AND_TIME)]
#: An IANA zone, or `customer` for each customer's own.
ZoneField = Annotated[str, AfterValidator(_zone_or_customer)]
CronField = Annotated[str, AfterValidator(_known_cron)]
NameField = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EventTrigger(_Model):
    """Something the customer did, `after` it."""

    event: NameField
    after: Annotated[DurationField, Field(json_schema_extra={"default": "0s"})] = Duration()


class CronTrigger(_Model):
    """Again and again, on wall times; `timezone` none: the tenant's."""

    cron: CronField
    timezone: ZoneField | None = None


class AtTrigger(_Model):
    """Once, at a wall time; `timezone` none: the tenant's."""

    at: WallField
    timezone: ZoneField | None = None


class AnniversaryTrigger(_Model):
    """Each year on a date of the customer's own, customer-local; `leap_day` none: the tenant's policy."""

    anniversary: NameField
    at: Annotated[WallTimeField, Field(json_schema_extra={"default": "10:00"})] = time(10)
    leap_day: LeapDay | None = None
    set_before: DurationField | None = None


class SegmentTrigger(_Model):
    """On entering a segment."""

    segment: NameField


class IncidentTrigger(_Model):
    """On every update of an incident."""

    incident: Literal["any"]


class ManualTrigger(_Model):
    """By hand only; written as the bare word `manual`."""

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {} if value == "manual" else value

    @model_serializer
    def _to_word(self) -> str:
        return "manual"

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Editors offer the word, not an empty mapping."""
        return {"const": "manual", "title": "ManualTrigger", "type": "string", "description": "By hand only."}


#: The key that tells a trigger, looked for in this order: an anniversary has an `at` of its own.
_BY_KEY: dict[str, type[_Model]] = {
    "event": EventTrigger,
    "cron": CronTrigger,
    "anniversary": AnniversaryTrigger,
    "segment": SegmentTrigger,
    "incident": IncidentTrigger,
    "at": AtTrigger,
}


def _kind(value: Any) -> str | None:
    if isinstance(value, _Model):
        return type(value).__name__
    if isinstance(value, dict):
        return next((model.__name__ for key, model in _BY_KEY.items() if key in value), None)
    return ManualTrigger.__name__ if value == "manual" else None


#: Any trigger. The tags are the classes' names, so that no part of an error's path is mistaken for a key.
Trigger = Annotated[
    Annotated[EventTrigger, Tag("EventTrigger")]
    | Annotated[CronTrigger, Tag("CronTrigger")]
    | Annotated[AtTrigger, Tag("AtTrigger")]
    | Annotated[AnniversaryTrigger, Tag("AnniversaryTrigger")]
    | Annotated[SegmentTrigger, Tag("SegmentTrigger")]
    | Annotated[IncidentTrigger, Tag("IncidentTrigger")]
    | Annotated[ManualTrigger, Tag("ManualTrigger")],
    Discriminator(
        _kind,
        custom_error_type="trigger",
        custom_error_message=f"a trigger is `manual`, or has one of the keys {', '.join(_BY_KEY)}",
    ),
]
