from __future__ import annotations

from typing import Any

import pytest

from mailer.core.segment_match import passes
from mailer.core.segment_value import ValueTest


@pytest.mark.parametrize(
    ("test", "value", "wanted"),
    [
        ("İzmir", "İzmir", True),
        ("İzmir", "izmir", False),
        ("a", "A", False),
        (5, 5, True),
        (5, "5", True),
        (5, "5.0", True),
        (5, "05", True),
        (5, " 5", False),
        (5, True, False),
        ("5", 5, True),
        ("5", "5.0", False),
        ("5.0", 5, True),
        ("05", 5, True),
        ("1e1", 10, False),
        (True, True, True),
        (True, "true", True),
        (True, 1, False),
        ("true", True, True),
        ("True", True, False),
        ("a", ["a"], False),
        ("a", None, False),
        ({"is_not": "a"}, None, True),
        ({"is_not": "a"}, "a", False),
        ({"is_not": 5}, "5", False),
        ({"in": ["a", 5]}, "5", True),
        ({"in": ["a", 5]}, "b", False),
        ({"has": "a"}, ["b", "a"], True),
        ({"has": "a"}, "b; a", True),
        ({"has": "a"}, "ab;c", False),
        ({"has": 5}, ["5"], True),
        ({"has": 5}, 5, True),
        ({"has": "a"}, {"a": 1}, False),
        ({"contains": "%"}, "50% off", True),
        ({"contains": "_"}, "ab", False),
        ({"contains": "5"}, 350, True),
        ({"starts": "35"}, 35000, True),
        ({"starts": "a"}, "Abc", False),
        ({"starts": "5"}, 5.5, False),
        ({"gt": 5}, "5.5", True),
        ({"gt": 5}, 5, False),
        ({"gte": 5}, "5", True),
        ({"gte": 5}, "abc", False),
        ({"gte": 5}, "12345678901234567", False),
        ({"lt": 0.2}, 0.1, True),
        ({"lte": 5}, None, False),
        ({"gt": "2026-05-10"}, "2026-05-10T23:00", False),
        ({"gte": "2026-05-10"}, "2026-05-10T23:00", True),
        ({"lt": "2026-05-10"}, "--05-09", False),
        ({"lt": "2026-05-10"}, 5, False),
        ({"missing": True}, None, True),
        ({"missing": True}, "", True),
        ({"missing": True}, [], True),
        ({"missing": True}, 0, False),
        ({"missing": False}, False, True),
        ({"gte": 18, "lt": 65}, 64, True),
        ({"gte": 18, "lt": 65}, 65, False),
    ],
    ids=str,
)
def test_a_value_passes(test: Any, value: Any, wanted: bool) -> None:
    assert passes(ValueTest.model_validate(test), value) is wanted
