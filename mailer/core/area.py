"""Where an incident applies, and whom that covers."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from mailer.core.geo import Polygon
from mailer.core.postal import read_pattern
from mailer.errors import UsageError

_NEAR, _SOME = 3, 10  # services named in a sentence


@dataclass(frozen=True, slots=True)
class Area:
    """Who is affected: (services ∩ (postal ∪ polygons)) ∪ lists − exclusions.

    Lists and exclusions are names of lists.
    """

    services: tuple[str, ...] = ()  # none: any service
    postal: tuple[str, ...] = ()  # patterns
    lists: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    polygons: tuple[Polygon, ...] = ()  # with no pattern either: anywhere the services are used

    @classmethod
    def of(
        cls,
        services: Iterable[str] = (),
        postal: Iterable[str] = (),
        lists: Iterable[str] = (),
        exclusions: Iterable[str] = (),
        polygons: Iterable[Polygon] = (),
    ) -> Area:
        """An area from what people wrote: trimmed, each word once.

        Raises:
            UsageError: a postal pattern that cannot be read, or nothing that says who is affected.
        """
        area = cls(
            _words(services),
            patterns(postal),
            _words(lists),
            _words(exclusions),
            tuple(dict.fromkeys(polygons)),
        )
        if not (area.services or area.bounded or area.lists):
            raise UsageError("Say who is affected: name a service, a postal pattern, an area or a list")
        return area

    @property
    def bounded(self) -> bool:
        """Whether it ends somewhere on the map."""
        return bool(self.postal or self.polygons)

    def checked(self) -> Area:
        """The same area as `of` makes it.

        Raises:
            UsageError: see `of`.
        """
        return self.of(*(getattr(self, each.name) for each in fields(self)))

    def as_json(self) -> dict[str, list[Any]]:
        """Plain data for a column."""
        return {
            "services": list(self.services),
            "postal": list(self.postal),
            "lists": list(self.lists),
            "exclusions": list(self.exclusions),
            "polygons": [polygon.as_json() for polygon in self.polygons],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Area:
        """What `as_json` wrote."""
        return cls(
            services=tuple(data.get("services", ())),
            postal=tuple(data.get("postal", ())),
            lists=tuple(data.get("lists", ())),
            exclusions=tuple(data.get("exclusions", ())),
            polygons=tuple(Polygon.from_json(each) for each in data.get("polygons", ())),
        )


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom an area covers today."""

    count: int  # customers
    samples: tuple[tuple[str, tuple[Mapping[str, Any], ...]], ...]  # the shop's id, the points affected
    unreachable: int  # of them: no address, or a dead one
    unmappable: int  # points of the services of which nobody can say where they are


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Whom an area covers today, and who of them would be told."""

    reach: Reach
    told: int  # customers who would get the first notice
    left_out: Mapping[str, int]  # why others would not, in the words of the ledger, or `audience` → how many
    examples: tuple[tuple[str, str], ...]  # some of them: the shop's id, and why

    def as_facts(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "count": self.reach.count,
            "told": self.told,
            "left_out": dict(self.left_out),
            "unreachable": self.reach.unreachable,
            "unmappable": self.reach.unmappable,
            "samples": [name for name, _points in self.reach.samples],
            "not_told": [{"customer": name, "reason": why} for name, why in self.examples],
        }


def unused_service(name: str, known: Collection[str]) -> str:
    """What is said of a service that no customer and no point has, with names that are near."""
    spelt = {each.casefold(): each for each in sorted(known)}
    near = [spelt[each] for each in difflib.get_close_matches(name.casefold(), spelt, n=_NEAR)]
    said = f"No customer and no point has the service {name!r:.100}"
    if near:
        return f"{said}; did you mean {' or '.join(map(repr, near))}?"
    some = ", ".join(sorted(known)[:_SOME]) + (", …" if len(known) > _SOME else "")
    return f"{said}; there is {some}." if known else f"{said}, nor any other."


def patterns(texts: Iterable[str]) -> tuple[str, ...]:
    """Postal patterns, trimmed, each once.

    Raises:
        UsageError: one that cannot be read.
    """
    try:
        return _words(read_pattern(text) for text in texts)
    except ValueError as fault:
        raise UsageError(str(fault)) from None


def _words(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.strip() for text in texts if text.strip()))
