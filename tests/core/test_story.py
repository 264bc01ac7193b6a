"""What is told of a customer's words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mailer.core.registry import LAPSED
from mailer.core.story import timeline

AT = datetime(2027, 4, 2, 9, tzinfo=UTC)
NOBODY: dict[str, Any] = {
    "stored_at": AT, "deliveries": [], "delivery_events": [], "coupons": [], "incidents": [], "suppressions": [],
    "consent_entries": [], "events": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("purpose", "action", "proof", "told"),
    [
        ("commercial", "granted", None, "They agreed to commercial mail (a page)."),
        ("commercial", "revoked", None, "They wanted no more commercial mail (a page)."),
        ("topic:news", "revoked", {}, "They wanted no more mail on the topic news (a page)."),
        ("topic:news", "granted", {}, "They agreed to mail on the topic news (a page)."),
        ("tracking", "granted", {"counted": "clicks"}, "They agreed that we count their clicks (a page)."),
        (
            "tracking",
            "granted",
            {"counted": "yes"},
            "They agreed that we count what they open and click (a page).",
        ),
        ("tracking", "granted", None, "They agreed that we count what they open and click (a page)."),
        ("tracking", "revoked", {}, "They asked us not to count what they open and click (a page)."),
    ],
)
def test_each_word_is_told_as_what_it_is(
    purpose: str, action: str, proof: dict[str, str] | None, told: str
) -> None:
    entry = {
        "at": AT, "purpose": purpose, "action": action, "via": "link", "source": "a page", "text_version": None,
        "proof": proof,
    }  # fmt: skip
    lines = timeline({**NOBODY, "consent_entries": [entry]})
    assert lines[-1]["sentence"] == told


def test_consent_that_lapsed_is_not_told_as_a_refusal() -> None:
    entry = {
        "at": AT, "purpose": "commercial", "action": "revoked", "via": "registry", "text_version": None, "proof": None,
        "source": LAPSED,
    }  # fmt: skip
    (_stored, line) = timeline({**NOBODY, "consent_entries": [entry]})
    assert line["sentence"] == (
        "They lost their consent to commercial mail (registry: not confirmed in time)."
    )


def test_an_answer_is_part_of_the_story() -> None:
    answer = {"at": AT, "name": "survey.answered", "properties": {"score": 0, "delivery": 7}}
    other = {"at": AT, "name": "order.placed", "properties": None}
    lines = timeline({**NOBODY, "events": [answer, other]})
    assert [line["sentence"] for line in lines[1:]] == ["They answered the survey with 0."]


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("all", "No mail at all goes to this address any more"),
        ("commercial", "No commercial mail goes to this address any more"),
        ("topic:news", "No mail on the topic news goes to this address any more"),
        ("tracking", "What is opened and clicked at this address is not counted"),
    ],
)
def test_each_bar_is_told_as_what_it_is(scope: str, told: str) -> None:
    bar = {"at": AT, "scope": scope, "reason": "unsubscribed", "source": "a page"}
    lines = timeline({**NOBODY, "suppressions": [bar]})
    assert lines[-1]["sentence"] == f"{told}: unsubscribed (a page)."


@pytest.mark.parametrize(
    ("email", "told"),
    [
        ("", "welcome of 1 was not sent: there is no address."),
        ("a@b.example", "welcome of 1 was not sent: has no address, or is no longer in the audience."),
    ],
)
def test_who_has_no_address_is_said_to_have_none(email: str, told: str) -> None:
    mail = {
        "id": 7, "campaign": "welcome", "occurrence": "1", "kind": None, "state": "skipped", "reason": "not_eligible",
        "sent_at": None, "updated_at": AT, "attempts": 0, "reply": None,
    }  # fmt: skip
    lines = timeline({**NOBODY, "email": email, "deliveries": [mail]})
    assert lines[-1]["sentence"] == told


def test_an_incident_that_cannot_be_told_of_is_a_clause_of_its_own() -> None:
    row = {"incident": 1, "title": "Kablo", "state": "unreachable", "joined_at": AT}
    lines = timeline({**NOBODY, "incidents": [row]})
    assert lines[-1]["sentence"] == "Is affected by incident 1, Kablo, and cannot be reached by mail."


def test_an_attempt_put_off_comes_before_the_one_that_was_accepted() -> None:
    mail = {
        "id": 1, "campaign": "offer", "occurrence": "2027-04-02", "kind": "", "state": "sent", "reason": None,
        "sent_at": AT, "attempts": 2, "reply": "250 ok",
    }  # fmt: skip
    put_off = {"delivery_id": 1, "kind": "deferred", "at": AT, "detail": {"detail": "held"}}
    told = timeline({**NOBODY, "deliveries": [mail], "delivery_events": [put_off]})
    assert [line["what"] for line in told] == ["stored", "deferred", "sent"]
    assert "we did not begin it" in told[1]["sentence"]
