from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailer.core.coupon import CouponState
from mailer.core.redemption import Held, Redemption, refusal, told_before

ISTANBUL = ZoneInfo("Europe/Istanbul")
AT = datetime(2027, 5, 10, 20, 59, tzinfo=UTC)  # 23:59 in Istanbul
SAID = Redemption("SS-1", AT, order="o1")
HELD = Held("SS-1", CouponState.ISSUED, valid_until=date(2027, 5, 10), attempts=1)
USED = {"state": CouponState.REDEEMED, "redeemed_at": AT, "redeemed_order": "o1"}


@pytest.mark.parametrize(
    ("held", "said", "problem"),
    [
        pytest.param({}, {}, None, id="on its last day"),
        pytest.param({}, {"at": AT.replace(hour=21)}, "expired: it was good until 2027-05-10", id="a day late"),
        pytest.param({"zone": "Pacific/Pago_Pago"}, {"at": AT.replace(hour=21)}, None, id="by the holder's day"),
        pytest.param({"zone": "Pacific/Kiritimati"}, {}, "expired", id="over where the holder lives"),
        pytest.param({"valid_until": None}, {"at": AT.replace(year=2040)}, None, id="good for ever"),
        pytest.param({"state": CouponState.QUARANTINED}, {}, None, id="in doubt: somebody may hold it"),
        pytest.param({"state": CouponState.RESERVED}, {}, None, id="quicker than the relay's answer"),
        pytest.param({"state": CouponState.RESERVED, "attempts": 0}, {}, "has not gone out", id="not sent"),
        pytest.param({"state": CouponState.RELEASED}, {}, "taken back", id="released"),
        pytest.param({"state": CouponState.AVAILABLE, "pool": "p"}, {}, "in the pool p", id="in its pool"),
        pytest.param(USED, {"order": "o2"}, "redeemed already on 2027-05-10 for the order o1", id="used twice"),
        pytest.param({"shared": True, **USED}, {"order": "o2"}, None, id="a shared one may be used again"),
        pytest.param({"shared": True, "state": CouponState.RELEASED}, {}, None, id="a shared one is everybody's"),
        pytest.param({"shared": True}, {"at": AT.replace(hour=21)}, "expired", id="a shared one ends as well"),
    ],
)  # fmt: skip
def test_whether_a_redemption_counts(held: dict[str, Any], said: dict[str, Any], problem: str | None) -> None:
    answer = refusal(replace(HELD, **held), replace(SAID, **said), ISTANBUL)
    assert (answer is None) == (problem is None)
    assert problem is None or (answer is not None and problem in answer)


@pytest.mark.parametrize(
    ("held", "order", "known"),
    [
        pytest.param(USED, "o1", True, id="the same order"),
        pytest.param(USED, None, True, id="no order named"),
        pytest.param({**USED, "redeemed_order": None}, "o2", True, id="the order comes later"),
        pytest.param(USED, "o2", False, id="another order"),
        pytest.param({}, "o1", False, id="not used yet"),
        pytest.param({**USED, "shared": True}, "o1", False, id="shared: an event each time"),
    ],
)
def test_whether_a_redemption_is_known(held: dict[str, Any], order: str | None, known: bool) -> None:
    assert told_before(replace(HELD, **held), replace(SAID, order=order)) is known
