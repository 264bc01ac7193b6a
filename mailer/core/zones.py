"""A customer's time zone: the one they gave, else their country's, else nothing, which means the tenant's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: Codes people write for a country whose ISO 3166-1 code is another.
_WRITTEN = {"UK": "GB", "EL": "GR"}


@dataclass(frozen=True, slots=True)
class Zones:
    """The zones of the IANA database, and those of each country."""

    names: Mapping[str, str]  # folded → as IANA writes it
    countries: Mapping[str, str]  # ISO 3166-1 alpha-2 → the zone all its clocks agree with

    @classmethod
    def of(cls, names: Iterable[str], countries: Mapping[str, str]) -> Zones:
        """From zone names as IANA writes them."""
        return cls({_fold(name): name for name in names}, countries)

    def find(self, text: str) -> str | None:
        """The zone `text` names, in whatever case, `_` or a space between words; None for an unknown one."""
        return self.names.get(_fold(text))

    def resolve(self, timezone: str, country: str) -> str | None:
        """The zone to keep for a customer; None: the tenant's, because theirs is unknown or ambiguous."""
        found = self.find(timezone) if timezone else None
        return found or self.countries.get(_WRITTEN.get(country, country))


def _fold(name: str) -> str:
    return name.strip().casefold().replace(" ", "_")
