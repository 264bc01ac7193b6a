"""A campaign: when, to whom, what, and under which rules. The same value wherever it was written down."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    field_validator,
)

from mailer.core.content import Content
from mailer.core.coupon import CouponSpec
from mailer.core.duration import Duration, DurationField
from mailer.core.once import Once
from mailer.core.segment import Rule
from mailer.core.trigger import AnniversaryTrigger, IncidentTrigger, Trigger, WallField

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)\s*%")
_WHOLE = 100


def _percent(value: Any) -> float:
    """`10%` → 10.0."""
    if value == 0 and not isinstance(value, bool):
        return 0.0
    found = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or float(found[1]) > _WHOLE:
        raise ValueError(f"{value!r} is not a share; write a percentage such as 10%")
    return float(found[1])


def _written(value: float) -> str | float:
    """10.0 → `10%`: a definition that is kept can be read again. Nothing stays as it always was kept."""
    return f"{value:g}%" if value else value


_PercentText = Annotated[str, Field(pattern=r"^\s*\d{1,3}(\.\d{1,2})?\s*%\s*$")]
Percent = Annotated[
    float,
    BeforeValidator(_percent, json_schema_input_type=_PercentText | Literal[0]),
    PlainSerializer(_written, when_used="json"),
]


def _audience(value: Any) -> Any:
    """A bare name is the segment of that name; left blank, everyone."""
    if value is None:
        return {}
    return {"segment": value} if isinstance(value, str) else value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_NOT_FOR_SERVICE = {
    "coupon": "a service mail may carry no promotion; take the coupon out or make it commercial",
    "topic": "service mail goes to whoever it concerns and is not chosen; take topic out",
    "holdout": "service mail has no holdout; take it out",
}


class Goal(_Part):
    """What the campaign is for; whoever reached it already is left out."""

    event: Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,100}$")]
    within: DurationField


class Campaign(_Part):
    """One campaign, validated. `name` is its file's name; every duration keeps calendar days apart from hours."""

    name: Annotated[str, Field(pattern=rf"^{NAME.pattern}$")]
    description: Annotated[str, Field(max_length=500)] = ""
    purpose: Literal["commercial", "service"]
    topic: Annotated[str, Field(pattern=rf"^{NAME.pattern}$")] | None = None  # by which customers may choose
    trigger: Trigger
    audience: Annotated[Rule, BeforeValidator(_audience, json_schema_input_type=Rule | str)] = (
        Rule()
    )  # everyone
    once: Once = Once()
    priority: Annotated[int, Field(ge=0, le=100)] = 40
    catch_up: DurationField = Duration(seconds=24 * 3600)
    ttl: DurationField | None = None
    ends_at: WallField | None = None  # each customer's own wall time
    coupon: CouponSpec | None = None
    content: Content | None = None
    goal: Goal | None = None
    holdout: Percent = 0.0
    template: Annotated[str, Field(pattern=rf"^{NAME.pattern}$")] | None = None  # none: the campaign's name
    enabled: bool = True

    @field_validator("topic", "trigger", "coupon", "holdout")
    @classmethod
    def _sense(cls, value: Any, about: ValidationInfo) -> Any:
        """What goes with no such purpose is told at its own key, beside whatever else is wrong."""
        purpose = about.data.get("purpose")
        if purpose == "commercial" and isinstance(value, IncidentTrigger):
            raise ValueError("an outage notice is service mail; write purpose: service")
        if purpose == "service" and value and about.field_name in _NOT_FOR_SERVICE:
            raise ValueError(_NOT_FOR_SERVICE[about.field_name])
        return value

    @property
    def template_folder(self) -> str:
        """The folder below templates_dir."""
        return self.template or self.name

    @property
    def commercial(self) -> bool:
        """Whether consent, caps, quiet hours and unsubscribe apply."""
        return self.purpose == "commercial"

    @property
    def keyed(self) -> bool:
        """Whether its deliveries have a once-key. No run has a customer twice: one is for longer, or for a coupon."""
        return self.once.per != "run" or self.coupon is not None

    @property
    def anniversary(self) -> AnniversaryTrigger | None:
        """The trigger, where it is a day of the year."""
        return self.trigger if isinstance(self.trigger, AnniversaryTrigger) else None
