from __future__ import annotations

from typing import Any

import pytest

from mailer.core.segment_match import passes
from mailer.core.segment_value import ValueTest
from tests.core.segment_cases import CASES


@pytest.mark.parametrize(
    ("test", "value", "wanted"),
    CASES,
    ids=str,
)
def test_a_value_passes(test: Any, value: Any, wanted: bool) -> None:
    assert passes(ValueTest.model_validate(test), value) is wanted
