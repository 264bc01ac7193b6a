"""Polygons on the map, read from GeoJSON (RFC 7946): holes are left out, a boundary belongs to its polygon."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mailer.errors import UsageError

Position = tuple[float, float]  # longitude, latitude: the order of GeoJSON
Ring = tuple[Position, ...]  # closed: the last position is the first

#: An area is kept with every update, so there is an end to its detail.
MOST_POSITIONS = 20_000
MOST_NESTING = 8

#: So far from an edge a point still lies on it, in degrees: a tenth of a millimetre.
_ON_EDGE = 1e-9

_MOST = (180.0, 90.0)
_MOST_SAID = 60  # characters of a wrong position
_FEWEST = 4  # positions of a ring: a triangle and its first corner again
_STRIPS = 512


@dataclass(frozen=True, slots=True)
class Polygon:
    """An outer ring, and the rings of its holes."""

    rings: tuple[Ring, ...]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """West, south, east, north; an edge's width larger, so that what lies on it is in it."""
        lons, lats = zip(*self.rings[0], strict=True)
        return min(lons) - _ON_EDGE, min(lats) - _ON_EDGE, max(lons) + _ON_EDGE, max(lats) + _ON_EDGE

    def as_json(self) -> list[list[list[float]]]:
        """As GeoJSON has the coordinates of a polygon."""
        return [[list(position) for position in ring] for ring in self.rings]

    @classmethod
    def from_json(cls, data: Sequence[Sequence[Sequence[float]]]) -> Polygon:
        """What `as_json` wrote."""
        return cls(tuple(tuple((lon, lat) for lon, lat in ring) for ring in data))


class Cover:
    """Says of many points whether one of some polygons holds them."""

    def __init__(self, polygons: Iterable[Polygon]) -> None:
        self._shapes = [
            (polygon.box, [_Fence(ring) for ring in polygon.rings]) for polygon in dict.fromkeys(polygons)
        ]

    def holds(self, lon: float, lat: float) -> bool:
        """Whether the point is inside a polygon and in none of its holes, or on a boundary."""
        for (west, south, east, north), (outer, *holes) in self._shapes:
            if not (west <= lon <= east and south <= lat <= north):
                continue
            where = [fence.place(lon, lat) for fence in (outer, *holes)]
            if None in where or (where[0] and not any(where[1:])):
                return True
        return False


class _Fence:
    """One ring, its edges sorted into strips of latitude, so that a point meets few of them."""

    def __init__(self, ring: Ring) -> None:
        lats = [lat for _lon, lat in ring]
        self._south, north = min(lats) - _ON_EDGE, max(lats) + _ON_EDGE
        self._strips: list[list[tuple[Position, Position]]] = [[] for _ in range(min(_STRIPS, len(ring)))]
        self._height = (north - self._south) / len(self._strips)
        for start, end in pairwise(ring):
            low, high = sorted((start[1], end[1]))
            for strip in range(self._strip(low - _ON_EDGE), self._strip(high + _ON_EDGE) + 1):
                self._strips[strip].append((start, end))

    def _strip(self, lat: float) -> int:
        return min(max(int((lat - self._south) / self._height), 0), len(self._strips) - 1)

    def place(self, lon: float, lat: float) -> bool | None:
        """Whether the point is inside; None: on the ring itself. Counts the edges a ray to the east crosses."""
        inside = False
        for (x1, y1), (x2, y2) in self._strips[self._strip(lat)]:
            if _touches(lon, lat, x1, y1, x2, y2):
                return None
            if (y1 > lat) != (y2 > lat) and lon < x1 + (lat - y1) * (x2 - x1) / (y2 - y1):
                inside = not inside
        return inside


def _touches(lon: float, lat: float, x1: float, y1: float, x2: float, y2: float) -> bool:
    if not (min(x1, x2) - _ON_EDGE <= lon <= max(x1, x2) + _ON_EDGE):
        return False
    if not (min(y1, y2) - _ON_EDGE <= lat <= max(y1, y2) + _ON_EDGE):
        return False
    dx, dy = x2 - x1, y2 - y1
    return abs(dx * (lat - y1) - dy * (lon - x1)) <= _ON_EDGE * max(abs(dx), abs(dy), _ON_EDGE)


def read_geojson(data: Any) -> tuple[Polygon, ...]:
    """The polygons of a GeoJSON object: a geometry, a feature or a collection of them.

    Raises:
        UsageError: something else, a ring that is not one, or more detail than an area may have.
    """
    found = tuple(Polygon(tuple(_ring(ring) for ring in _listed(rings))) for rings in _coordinates(data, 0))
    if not found:
        raise UsageError("the area holds no polygon; draw one and save it as GeoJSON")
    if any(not polygon.rings for polygon in found):
        raise UsageError("a polygon of the area has no ring")
    count = sum(len(ring) for polygon in found for ring in polygon.rings)
    if count > MOST_POSITIONS:
        raise UsageError(f"the area has {count} positions, more than {MOST_POSITIONS}; simplify its outline")
    return found


def _coordinates(data: Any, depth: int) -> Iterator[Any]:
    kind = data.get("type") if isinstance(data, Mapping) else None
    if depth > MOST_NESTING:
        raise UsageError("the area is nested too deeply")
    if kind == "FeatureCollection":
        for feature in _listed(data.get("features")):
            yield from _coordinates(feature, depth + 1)
    elif kind == "Feature":
        if data.get("geometry") is not None:  # RFC 7946 §3.2: a feature may have no place
            yield from _coordinates(data["geometry"], depth + 1)
    elif kind == "GeometryCollection":
        for geometry in _listed(data.get("geometries")):
            yield from _coordinates(geometry, depth + 1)
    elif kind == "MultiPolygon":
        yield from _listed(data.get("coordinates"))
    elif kind == "Polygon":
        yield data.get("coordinates")
    else:
        raise UsageError(
            f"the area is GeoJSON of polygons; {kind!r:.60} is none"
            if isinstance(kind, str)
            else "the area is no GeoJSON object: it has no type"
        )


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise UsageError("the area is no GeoJSON: a list is missing in it")
    return value


def _ring(value: Any) -> Ring:
    ring = tuple(_position(each) for each in _listed(value))
    if len(ring) < _FEWEST or ring[0] != ring[-1]:
        raise UsageError(
            "a ring of the area is not closed: its last position must be its first (RFC 7946 §3.1.6)"
        )
    return ring


def _position(value: Any) -> Position:
    numbers = _listed(value)[:2]
    if len(numbers) != len(_MOST) or not all(
        isinstance(number, int | float) and not isinstance(number, bool) and abs(number) <= most
        for number, most in zip(numbers, _MOST, strict=True)
    ):
        said = (
            repr(value)[:_MOST_SAID]
            if all(isinstance(each, int | float) for each in value)
            else "another list"
        )
        raise UsageError(f"{said} is no position; write [longitude, latitude] in degrees")
    return float(numbers[0]), float(numbers[1])
