"""Topics: who refused one gets no mail of it, and all other mail."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from mailer.core.campaign import Campaign
from mailer.core.delivery import Skip
from mailer.core.policy import Candidate, Rules, decide
from mailer.core.quiet import QuietHours

NOW = datetime(2027, 5, 10, 7, tzinfo=UTC)
RULES = Rules(ZoneInfo("Europe/Istanbul"), QuietHours.parse("21:00-09:00"))


def campaign(**values: str) -> Campaign:
    return Campaign.model_validate({"name": "x", "purpose": "commercial", "trigger": "manual", **values})


@pytest.mark.parametrize(
    ("topic", "suppressed", "reason"),
    [
        ("news", {"topic:news": "unsubscribed"}, Skip.UNSUBSCRIBED),
        ("news", {"topic:offers": "unsubscribed"}, None),
        ("news", {"topic:new": "unsubscribed", "tracking": "unsubscribed"}, None),
        (None, {"topic:news": "unsubscribed"}, None),
        ("news", {"topic:news": "unsubscribed", "all": "bounced"}, Skip.SUPPRESSED),
        ("news", {"commercial": "complaint"}, Skip.SUPPRESSED),
    ],
)
def test_a_topic_is_refused_alone(topic: str | None, suppressed: dict[str, str], reason: Skip | None) -> None:
    who = Candidate(1, "c1", "a@b.example", "a@b.example", None, "yes", suppressed=suppressed)
    of = campaign(topic=topic) if topic else campaign()
    assert decide(who, of, RULES, due=NOW, now=NOW).reason == reason


def test_service_mail_has_no_topic() -> None:
    with pytest.raises(ValidationError, match="is not chosen"):
        campaign(purpose="service", topic="news")


@pytest.mark.parametrize("name", ["", "News", "a b", "topic:x", "x" * 64])
def test_a_topic_is_a_plain_name(name: str) -> None:
    with pytest.raises(ValidationError):
        campaign(topic=name)
