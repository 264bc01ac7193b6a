"""How long the link that confirms a consent counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailer.core.token import Keyring, sign
from mailer.flow.answers import Answers, Expired
from mailer.flow.compose import CONFIRM

KEYS = Keyring.single("only-for-tests-and-nothing-besides")
LAST = datetime(2027, 1, 15, 8, tzinfo=UTC)


def answers(now: datetime) -> Answers:
    return Answers(KEYS, None, lambda: now)  # type: ignore[arg-type]  # it asks nobody


def link() -> str:
    return sign(KEYS, CONFIRM, [7, 3, "ayse@x.example", int(LAST.timestamp())])


def test_it_counts_to_its_last_second() -> None:
    assert answers(LAST).confirming(link()).delivery_id == 7


def test_a_second_later_it_is_too_old() -> None:
    with pytest.raises(Expired):
        answers(LAST + timedelta(seconds=1)).confirming(link())
