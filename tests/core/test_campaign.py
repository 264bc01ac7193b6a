"""A definition is kept with the run that was released with it, and read again by whoever sends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.campaign import Campaign

BASE = {"name": "x", "purpose": "commercial", "trigger": "manual"}


def kept(campaign: Campaign) -> Any:
    """As flow/versions.py keeps it."""
    return campaign.model_dump(mode="json", by_alias=True, exclude_none=True)


@given(st.integers(0, 10_000))
def test_a_holdout_is_kept(hundredths: int) -> None:
    campaign = Campaign.model_validate(BASE | {"holdout": f"{hundredths / 100:.2f}%"})
    assert campaign.holdout == hundredths / 100
    assert Campaign.model_validate(kept(campaign)) == campaign


@pytest.mark.parametrize(
    "more",
    [
        {"trigger": {"event": "order.delivered", "after": "7d"}, "once": "quarter"},
        {"trigger": {"cron": "0 10 * * tue", "timezone": "customer"}, "content": {"events": "post.published"}},
        {"trigger": {"at": "2026-12-01T10:00", "timezone": "Europe/Istanbul"}, "ends_at": "2026-12-31T20:00"},
        {"trigger": {"anniversary": "birthday", "at": "10:00", "leap_day": "mar1", "set_before": "30d"}},
        {"trigger": {"segment": "buyers"}, "once": {"per": "year", "gap": "330d"}, "priority": 7, "catch_up": "72h"},
        {"purpose": "service", "trigger": {"incident": "any"}, "ttl": "24h", "template": "y", "enabled": False},
        {"audience": "buyers", "topic": "news", "description": "Ş", "goal": {"event": "a.b", "within": "36h"}},
        {"coupon": {"kind": "generated", "prefix": "DG", "percent": 20, "valid": "30d", "budget": 5}},
        {"coupon": {"kind": "pool", "pool": "p"}},
        {"coupon": {"kind": "static", "code": "YAZ", "amount": "12.50"}},
        {
            "audience": {
                "any": [{"orders": {"count": "2..", "until": "event"}}, {"random": "12.5%"},
                        {"spend": {"net": "1000.."}}],
                "not": [{"date": {"attr": "birthday", "is": "today"}}, {"rfm": {"r": "4.."}}],
            }
        },
    ],
)  # fmt: skip
def test_every_part_is_kept(more: dict[str, Any]) -> None:
    campaign = Campaign.model_validate(BASE | more)
    again = Campaign.model_validate(kept(campaign))
    assert kept(again) == kept(campaign)
    assert again == campaign


@pytest.mark.parametrize(
    ("more", "keyed"),
    [
        ({}, False),
        ({"once": {"per": "run", "gap": "30d"}}, False),
        ({"once": "day"}, True),
        ({"once": "ever"}, True),
        ({"coupon": {"kind": "static", "code": "YAZ", "amount": "12.50"}}, True),
    ],
)
def test_a_once_key_is_for_longer_than_a_run_or_for_a_coupon(more: dict[str, Any], keyed: bool) -> None:
    assert Campaign.model_validate(BASE | more).keyed is keyed
