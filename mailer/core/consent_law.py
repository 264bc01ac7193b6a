"""Which law consent is kept by, as the settings say it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Registry(BaseModel):
    """The state's registry of consent, reached by files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["file"] = "file"
    folder: Annotated[str, Field(min_length=1)]
    since: date  # consent from before counts as given on this day
    source: Annotated[str, Field(pattern="^HS_[A-Z_0-9]{2,40}$")] = "HS_WEB"
    holidays: tuple[date, ...] = ()  # on top of Saturdays and Sundays


class ConsentLaw(BaseModel):
    """The regime, and its registry where it has one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    regime: Literal["tr", "eu"] | None = None
    registry: Registry | None = None

    @model_validator(mode="after")
    def _of_turkey(self) -> ConsentLaw:
        if self.registry is not None and self.regime != "tr":
            raise ValueError("consent.registry is Turkey's; set consent.regime to tr, or take it out")
        return self

    def under(self, base: str) -> ConsentLaw:
        """The same, with the folder counted from `base`."""
        if self.registry is None or self.registry.folder.startswith("/"):
            return self
        there = self.registry.model_copy(update={"folder": f"{base}/{self.registry.folder}"})
        return self.model_copy(update={"registry": there})
