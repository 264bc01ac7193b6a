"""What people took, and what mailer took."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from mailer.core.incident_speed import HandedOver, as_facts
from tests.core.test_incident import T0, an_incident

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("published", "sent", "publish", "notify"),
    [
        pytest.param(T0, HandedOver(T0 + 0.64 * SECOND, T0 + 19.41 * SECOND), 0.0, (0.6, 19.4), id="at once"),
        pytest.param(T0 + 240 * SECOND, HandedOver(T0 + 241 * SECOND, T0 + 250 * SECOND), 240.0, (1.0, 10.0),
                     id="a draft first"),
        pytest.param(T0, HandedOver(), 0.0, (None, None), id="nobody told so far"),
        pytest.param(None, HandedOver(), None, (None, None), id="a draft"),
        pytest.param(T0, HandedOver(T0 - SECOND, T0 - SECOND), 0.0, (0.0, 0.0), id="a clock set back"),
    ],
)  # fmt: skip
def test_both_are_told_apart(
    published: datetime | None, sent: HandedOver, publish: float | None, notify: tuple[Any, Any]
) -> None:
    of = replace(an_incident(), published_at=published)
    assert as_facts(of, sent) == {
        "time_to_publish": publish,
        "time_to_notify": dict(zip(("first", "last"), notify, strict=True)),
    }
