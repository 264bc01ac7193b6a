"""Which deliveries may be tried again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailer.core.retrial import Ended, refusal, too_late_at

NOW = datetime(2027, 5, 10, 7, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Istanbul")


@pytest.mark.parametrize(
    ("of", "why"),
    [
        pytest.param(Ended(7, "failed", erased=False), None, id="failed"),
        pytest.param(Ended(7, "expired", erased=False), None, id="expired"),
        pytest.param(Ended(7, "sent", erased=False), "Delivery 7 is sent; only failed", id="sent"),
        pytest.param(Ended(7, "failed", erased=True), "somebody who is erased", id="erased"),
        pytest.param(Ended(7, "failed", False, 3, 2, 2), None, id="the incident's newest update"),
        pytest.param(Ended(7, "failed", False, 3, 1, 2), "tells of update 1 of incident 3, which is at update 2",
                     id="an overtaken update"),
    ],
)  # fmt: skip
def test_what_may_be_tried_again(of: Ended, why: str | None) -> None:
    said = refusal(of)
    assert said is None if why is None else said is not None and why in said


@pytest.mark.parametrize(
    ("definition", "at"),
    [
        pytest.param({}, None, id="never"),
        pytest.param({"ttl": "2h"}, NOW.replace(hour=9), id="by its ttl, from now on"),
        pytest.param(
            {"ends_at": "2027-05-01T18:00"}, datetime(2027, 5, 1, 15, tzinfo=UTC), id="it has ended"
        ),
    ],
)
def test_until_when_it_is_of_use(definition: dict[str, Any], at: datetime | None) -> None:
    assert too_late_at(definition, NOW, ZONE) == at
