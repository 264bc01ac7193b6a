"""What a program says of an incident, read as strictly as an import reads a row. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any, NamedTuple, TypeVar

from mailer.core.area import Area
from mailer.core.cell import CellFault, attribute_of, instant_of, line_of, text_of
from mailer.core.duration import LONGEST, Duration
from mailer.core.geo import Polygon, read_geojson
from mailer.core.importing import RowFault
from mailer.core.incident import IncidentState
from mailer.core.incident_change import Change
from mailer.core.incident_opening import NewIncident
from mailer.core.incident_texts import Texts, texts_of
from mailer.errors import UsageError

#: Words of a list: services, postal patterns, names of lists.
MOST_WORDS = 1_000

TEXTS = frozenset({"message", "messages"})
CHANGE = TEXTS | {
    "title", "titles", "state", "eta", "next_update", "services", "postal", "add_postal", "remove_postal", "add_lists",
    "add_exclusions", "area", "starts_at", "ends_at", "lead", "urgent",
}  # fmt: skip
OPENING = (CHANGE - {"add_postal", "remove_postal", "add_lists", "add_exclusions"}) | {
    "lists", "exclusions", "draft",
}  # fmt: skip

T = TypeVar("T")


class Opening(NamedTuple):
    """A new incident."""

    new: NewIncident
    publish: bool


class Closing(NamedTuple):
    """What is said at its end."""

    message: str | None
    messages: Texts


def read_opening(values: Mapping[str, Any], zone: tzinfo, now: datetime) -> Opening | RowFault:
    """A new incident; what is missing or null is left open."""

    def read(said: _Said) -> Opening:
        drawn, services = said.polygons() or (), said.words("services") or ()
        lists, exclusions = said.words("lists") or (), said.words("exclusions") or ()
        area = Area.of(services, said.words("postal") or (), lists, exclusions, drawn)
        new = NewIncident(
            title=said.title(),
            area=area,
            state=said.state(),
            message=said.text("message") or "",
            eta=said.instant("eta"),
            next_update=said.instant("next_update"),
            starts_at=said.instant("starts_at"),
            ends_at=said.instant("ends_at"),
            lead=said.lead(),
            urgent=said.flag("urgent"),
            titles=said.texts("titles", line_of),
            messages=said.texts("messages", _lines),
        )
        return Opening(new, not said.flag("draft"))

    return _read(_Said(values, zone, now), OPENING, read)


def read_change(values: Mapping[str, Any], zone: tzinfo, now: datetime) -> Change | RowFault:
    """The next update; what is missing or null stands."""

    def read(said: _Said) -> Change:
        return Change(
            state=said.state(),
            title=said.title(),
            message=said.text("message"),
            eta=said.instant("eta"),
            next_update=said.instant("next_update"),
            services=said.words("services"),
            postal=said.words("postal"),
            add_postal=said.words("add_postal") or (),
            remove_postal=said.words("remove_postal") or (),
            add_lists=said.words("add_lists") or (),
            add_exclusions=said.words("add_exclusions") or (),
            polygons=said.polygons(),
            starts_at=said.instant("starts_at"),
            ends_at=said.instant("ends_at"),
            lead=said.lead(),
            urgent=said.flag("urgent"),
            titles=said.texts("titles", line_of),
            messages=said.texts("messages", _lines),
        )

    return _read(_Said(values, zone, now), CHANGE, read)


def read_closing(values: Mapping[str, Any], zone: tzinfo, now: datetime) -> Closing | RowFault:
    """The last words."""

    def read(said: _Said) -> Closing:
        return Closing(said.text("message"), said.texts("messages", _lines))

    return _read(_Said(values, zone, now), TEXTS, read)


def _read(said: _Said, known: frozenset[str], read: Callable[[_Said], T]) -> T | RowFault:
    strange = next((name for name in said.values if name not in known), None)
    if strange is not None:
        return RowFault(1, strange[:100], "There is no such field here.")
    try:
        return read(said)
    except (CellFault, UsageError) as fault:
        return RowFault(1, said.where, str(fault))


class _Said:
    """The values, one by one; `where` is the one that was read last."""

    def __init__(self, values: Mapping[str, Any], zone: tzinfo, now: datetime) -> None:
        self.values = values
        self.where = ""
        self._zone = zone
        self._now = now

    def _given(self, name: str) -> Any:
        self.where = name
        return self.values.get(name)

    def title(self) -> str | None:
        given = self._given("title")
        return None if given is None else line_of(given)

    def text(self, name: str) -> str | None:
        given = self._given(name)
        return None if given is None else _lines(given)

    def texts(self, name: str, read: Callable[[Any], str]) -> Texts:
        given = self._given(name)
        if given is None:
            return ()
        if not isinstance(given, dict):
            raise CellFault('This must be an object of texts by language, such as {"en": "…"}.')
        return texts_of({tongue: read(text) for tongue, text in given.items()})

    def words(self, name: str) -> tuple[str, ...] | None:
        """None, too, of an empty list: what is empty changes nothing."""
        given = self._given(name)
        if given is None:
            return None
        if not isinstance(given, list):
            raise CellFault("This must be a list.")
        if len(given) > MOST_WORDS:
            raise CellFault(f"There are {len(given)} words, and at most {MOST_WORDS} are taken.")
        return tuple(word for word in map(line_of, given) if word) or None

    def polygons(self) -> tuple[Polygon, ...] | None:
        given = self._given("area")
        return None if given is None else read_geojson(given)

    def state(self) -> IncidentState | None:
        given = self._given("state")
        if given is None:
            return None
        if given not in list(IncidentState):
            raise CellFault(f"This must be one of {', '.join(IncidentState)}.")
        return IncidentState(given)

    def instant(self, name: str) -> datetime | None:
        """An instant, or so long from now (`2h`)."""
        given = self._given(name)
        try:
            return self._now + Duration.parse(line_of(given)).elapsed()
        except CellFault:
            raise
        except ValueError:
            found = instant_of(given, self._zone)
        if (
            found is not None and abs(found - self._now) > LONGEST
        ):  # sums with it must stay within the calendar
            raise CellFault("This is more than a hundred years away.")
        return found

    def lead(self) -> str | None:
        given = self._given("lead")
        if given is None:
            return None
        try:
            return str(Duration.parse(line_of(given)))
        except ValueError as fault:
            raise CellFault(f"{fault}.".replace("..", ".")) from None

    def flag(self, name: str) -> bool:
        given = self._given(name)
        if given is None:
            return False
        if not isinstance(given, bool):
            raise CellFault("This must be true or false.")
        return given


def _lines(value: Any) -> str:
    """Text of several lines."""
    return attribute_of(text_of(value)) or ""
