"""Polygons on the map: what they hold, and which files are refused."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.geo import MOST_POSITIONS, Cover, Polygon, read_geojson
from mailer.errors import UsageError

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
HOLE = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]
TRIANGLE = [[20, 0], [30, 3], [25, 9], [20, 0]]


def polygon(*rings: list[list[float]]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


@pytest.mark.parametrize(
    ("lon", "lat", "inside"),
    [
        (1, 1, True),
        (5, 5, False),
        (5, 4.5, False),
        (3.999, 5, True),
        (4, 5, True),
        (6, 6, True),
        (0, 0, True),
        (10, 10, True),
        (10, 5, True),
        (5, 0, True),
        (5, 10, True),
        (10.001, 5, False),
        (-0.001, 5, False),
        (5, 10.001, False),
        (12, 10, False),
        (12, 0, False),
        (25, 1.5, True),
        (25, 4, True),
        (25, 1.4, False),
        (27.5, 6, True),
        (27.6, 6, False),
        (22.5, 4.5, True),
    ],
)  # fmt: skip
def test_holds(lon: float, lat: float, inside: bool) -> None:
    cover = Cover(read_geojson({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {}, "geometry": polygon(SQUARE, HOLE)},
        {"type": "Feature", "properties": {}, "geometry": None},
        {"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": [[TRIANGLE]]}},
    ]}))  # fmt: skip
    assert cover.holds(lon, lat) is inside


def test_a_hole_of_one_polygon_may_lie_in_another() -> None:
    cover = Cover(
        read_geojson({"type": "GeometryCollection", "geometries": [polygon(SQUARE, HOLE), polygon(HOLE)]})
    )
    assert cover.holds(5, 5)


def test_nothing_is_held_by_nothing() -> None:
    assert not Cover(()).holds(0, 0)


ring = st.lists(
    st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=3, max_size=12, unique=True
).map(lambda places: [[float(lon), float(lat)] for lon, lat in (*places, places[0])])


@given(ring, st.integers(-55, 55), st.integers(-55, 55))
def test_agrees_with_counting_every_edge(corners: list[list[float]], lon: int, lat: int) -> None:
    """Strips leave no edge out; whole numbers are exact, so the boundary is too."""
    edges = list(pairwise(corners))
    on_edge = any(
        (x2 - x1) * (lat - y1) == (y2 - y1) * (lon - x1)
        and min(x1, x2) <= lon <= max(x1, x2)
        and min(y1, y2) <= lat <= max(y1, y2)
        for (x1, y1), (x2, y2) in edges
    )
    crossed = sum(
        1
        for (x1, y1), (x2, y2) in edges
        if (y1 > lat) != (y2 > lat)
        and (lon - x1) * abs(y2 - y1) < (lat - y1) * (x2 - x1) * (1 if y2 > y1 else -1)
    )
    assert Cover(read_geojson(polygon(corners))).holds(lon, lat) is (on_edge or crossed % 2 == 1)


def test_kept_as_written() -> None:
    (found,) = read_geojson(polygon(SQUARE, HOLE))
    assert Polygon.from_json(found.as_json()) == found
    assert [round(edge) for edge in found.box] == [0, 0, 10, 10]


def test_heights_are_ignored() -> None:
    (found,) = read_geojson(polygon([[lon, lat, 100] for lon, lat in SQUARE]))
    assert found == read_geojson(polygon(SQUARE))[0]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ([], "no GeoJSON object"),
        ({"type": 7}, "no GeoJSON object"),
        ({"type": "Point", "coordinates": [1, 2]}, "'Point' is none"),
        ({"type": "FeatureCollection"}, "a list is missing"),
        ({"type": "FeatureCollection", "features": []}, "no polygon"),
        ({"type": "Feature", "geometry": None}, "no polygon"),
        (polygon(), "no ring"),
        (polygon([[0, 0], [1, 1], [0, 0]]), "not closed"),
        (polygon([[0, 0], [1, 0], [1, 1], [0, 1]]), "not closed"),
        (polygon([[0, 0], [1, 0], [1, 91], [0, 0]]), "no position"),
        (polygon([[0, 0], [181, 0], [1, 1], [0, 0]]), "no position"),
        (polygon([[0, 0], ["1", 0], [1, 1], [0, 0]]), "no position"),
        (polygon([[0, 0], [True, 0], [1, 1], [0, 0]]), "no position"),
        (polygon([[0, 0], [float("nan"), 0], [1, 1], [0, 0]]), "no position"),
        (polygon([[0], [1], [1], [0]]), "no position"),
        (polygon(7), "a list is missing"),  # type: ignore[arg-type]  # no list is the case
        (polygon([[0, 0]] * (MOST_POSITIONS + 1)), "simplify"),
    ],
)  # fmt: skip
def test_refused(data: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        read_geojson(data)


def test_nested_too_deeply() -> None:
    data: dict[str, Any] = polygon(SQUARE)
    for _ in range(20):
        data = {"type": "GeometryCollection", "geometries": [data]}
    with pytest.raises(UsageError, match="too deeply"):
        read_geojson(data)


def test_an_outline_may_have_so_much_detail() -> None:
    [found] = read_geojson(polygon([[0, 0]] * MOST_POSITIONS))
    assert len(found.rings[0]) == MOST_POSITIONS
