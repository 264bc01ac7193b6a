"""What a rule may ask of one value: of a customer's attribute, or of an event's property."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

#: A single value to compare with. A date is kept as ISO 8601 text.
Scalar = bool | int | float | str

LONGEST_NAME = 100
LONGEST_TEXT = 1_000
MOST_VALUES = 500
_DIGITS = 15  # what a double keeps of a decimal number, so both databases and Python agree
_DATE = re.compile(r"[1-9]\d{3}-\d{2}-\d{2}", re.ASCII)


def refuse(sentence: str) -> PydanticCustomError:
    """An error whose text is exactly `sentence`."""
    return PydanticCustomError("rule", "{sentence}", {"sentence": sentence})


class Strict(BaseModel):
    """A mapping people write: every key known, none empty; written back without what was not said."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _nothing_empty(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                if inner is None:
                    raise refuse(f"'{str(key)[:LONGEST_NAME]}' has no value; give it one or leave it out")
        elif not isinstance(value, cls):
            raise refuse(f"a mapping is needed here, not {value!r:.60}")
        return value

    @model_serializer(mode="wrap")
    def _only_what_was_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        return {key: value for key, value in written.items() if value is not None}


def _scalar(value: Any) -> Scalar:
    if isinstance(value, bool):
        return value
    if isinstance(value, dt.date):
        return value.isoformat()[:10]
    if isinstance(value, (int, float, Decimal)):
        if not math.isfinite(value) or len(Decimal(str(value)).normalize().as_tuple().digits) > _DIGITS:
            raise refuse(
                f"{value!r:.60} has more than {_DIGITS} digits; put it in quotes to compare it as text"
            )
        return int(value) if value == int(value) else float(value)
    if isinstance(value, str):
        if "\0" in value:
            raise refuse("a NUL character cannot be compared with")
        if len(value) > LONGEST_TEXT:
            raise refuse(f"a text to compare with has at most {LONGEST_TEXT} characters")
        if not value:
            raise refuse("an empty text matches nobody; write {missing: true} for those without a value")
        return str(value)
    if isinstance(value, (list, tuple)):
        raise refuse("one value is needed here; write {in: […]} for any of several")
    raise refuse("a text, a number, a date, true or false is needed here")


def _ordered(value: Any) -> int | float | str:
    one = _scalar(value)
    if isinstance(one, bool) or (isinstance(one, str) and not is_date(one)):
        raise refuse(f"{one!r:.60} cannot be ordered; write a number or a date such as 2026-05-10")
    return one


def is_date(text: str) -> bool:
    """Whether `text` is a day as ISO 8601 writes it, such as 2026-05-10."""
    try:
        return _DATE.fullmatch(text) is not None and dt.date.fromisoformat(text).year < dt.MAXYEAR
    except ValueError:
        return False


def _name(value: str) -> str:
    if not value.strip() or len(value) > LONGEST_NAME:
        raise refuse(f"a field's name has 1 to {LONGEST_NAME} characters")
    if any(letter in '"\\' or not letter.isprintable() for letter in value):
        raise refuse(f"the field's name {value!r:.60} holds a quote, a backslash or a control character")
    return value


#: The name of an attribute or a property: looked up as it stands, never part of a query's text.
FieldName = Annotated[str, AfterValidator(_name)]
ScalarField = Annotated[bool | int | float | str, BeforeValidator(_scalar)]
OrderedField = Annotated[int | float | str, BeforeValidator(_ordered)]
TextField = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT, pattern=r"^[^\x00]*$")]


class ValueTest(Strict):
    """Tests beside each other all have to hold. Letters compare as they stand: `İzmir` is not `izmir`.

    A number asked for equals the same number kept as text, as a CSV file brings it. `has` looks into a list,
    or into text separated by `;`. `gt`, `gte`, `lt`, `lte` compare numbers, or days. What is missing (absent,
    empty) passes only `is_not` and `missing`.
    """

    equals: ScalarField | None = Field(None, alias="is")
    is_not: ScalarField | None = None
    one_of: Annotated[tuple[ScalarField, ...], Field(min_length=1, max_length=MOST_VALUES)] | None = Field(
        None, alias="in"
    )
    has: ScalarField | None = None
    contains: TextField | None = None
    starts: TextField | None = None
    gt: OrderedField | None = None
    gte: OrderedField | None = None
    lt: OrderedField | None = None
    lte: OrderedField | None = None
    missing: bool | None = Field(None, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, (Mapping, cls)):
            if isinstance(value, Mapping) and not value:
                raise refuse("say what the value should be, such as {is: İzmir}")
            return value
        if value is None:
            raise refuse("say what the value should be, or write {missing: true}")
        return {"is": value}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Editors take both ways of writing it."""
        return {"anyOf": [{"type": ["string", "number", "boolean"]}, handler(schema)]}


#: Field → what is asked of it; several fields all have to hold.
ValueTests = Annotated[dict[FieldName, ValueTest], Field(min_length=1, max_length=20)]
