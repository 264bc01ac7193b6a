"""Which connection goes to which relay."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mailer.core.relays import OneOfSeveral, Relay, dealt, part, stand_in


@pytest.mark.parametrize(
    ("connections", "weights", "order"),
    [
        pytest.param([3], [1], (0, 0, 0), id="one"),
        pytest.param([2, 2], [1, 1], (0, 1, 0, 1), id="equal"),
        pytest.param([6, 6], [3, 1], (0, 0, 1, 0, 0, 0, 1, 0), id="three to one"),
        pytest.param([10, 1], [1, 1], (0, 1), id="as many as the smallest takes"),
        pytest.param([1, 1], [9, 1], (0, 1), id="everybody gets one"),
    ],
)
def test_connections_are_dealt_by_weight(
    connections: list[int], weights: list[int], order: tuple[int, ...]
) -> None:
    assert dealt(connections, weights) == order


relays = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 20)), min_size=1, max_size=5)


@given(relays, st.lists(st.integers(1, 7), min_size=1, max_size=6))
def test_all_parts_together_are_never_more_than_a_relay_takes(
    given_relays: list[tuple[int, int]], cuts: list[int]
) -> None:
    connections, weights = [each[0] for each in given_relays], [each[1] for each in given_relays]
    total = len(dealt(connections, weights))
    parts, first = [], 0
    for cut in [*cuts, total]:
        count = min(cut, total - first)
        if count:
            parts.append(part(connections, weights, first, count))
            first += count
    for index, most in enumerate(connections):
        assert sum(each.most[index] for each in parts) <= most
    homes = Counter(home for each in parts for home in each.homes)
    assert homes == Counter(dealt(connections, weights))
    for each in parts:
        assert all(each.homes.count(index) <= each.most[index] for index in range(len(connections)))


@given(relays)
def test_no_relay_is_further_from_its_share_than_one_connection(given_relays: list[tuple[int, int]]) -> None:
    connections, weights = [each[0] for each in given_relays], [each[1] for each in given_relays]
    order = dealt(connections, weights)
    numbers = Counter(order)
    scale = min(most / weight for most, weight in given_relays)
    for index, weight in enumerate(weights):
        assert 1 <= numbers[index] <= connections[index]
        assert abs(numbers[index] - scale * weight) <= 1
    for end in range(1, len(order) + 1):
        for index, number in numbers.items():
            assert abs(order[:end].count(index) - number * end / len(order)) < len(connections)


@pytest.mark.parametrize(
    ("well", "used", "most", "found"),
    [
        pytest.param([True, True], [0, 0], [5, 5], 0, id="the heavier first"),
        pytest.param([False, True], [0, 4], [5, 5], 1, id="the one that is up"),
        pytest.param([False, True], [0, 5], [5, 5], None, id="no room"),
        pytest.param([False, False], [0, 0], [5, 5], None, id="none is up"),
        pytest.param([True, True], [3, 0], [5, 5], 1, id="the less used for its weight"),
        pytest.param([True, True], [1, 0], [5, 5], 0, id="three to one"),
    ],
)
def test_who_stands_in(well: list[bool], used: list[int], most: list[int], found: int | None) -> None:
    assert stand_in(well, used, most, [3, 1]) == found


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"username": "me"}, "go together"),
        ({"username": "me", "password": "x"}, "needs a host"),
        ({"host": "a", "tls": "none", "ca_file": "x.pem"}, "without TLS"),
        ({"host": "a", "tls": "none", "verify": False}, "without TLS"),
        ({"host": "a", "verify": False, "ca_file": "x.pem"}, "set one of them"),
    ],
)
def test_contradictions_are_refused(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Relay.model_validate(values)


def test_relays_are_told_apart_by_login_and_place() -> None:
    given_relays = [
        OneOfSeveral(host="a", port=25),
        OneOfSeveral(host="a", port=587),
        OneOfSeveral.model_validate({"host": "a", "username": "me", "password": "hunter2"}),
    ]
    assert [each.key for each in given_relays] == ["a:25", "a:587", "me@a:25"]
    assert "hunter2" not in f"{given_relays} {given_relays[2]}"
