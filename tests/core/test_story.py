"""What is told of a customer's words."""

from __future__ import annotations

from datetime import UTC, date, datetime
from string import Formatter
from typing import Any

import pytest

from mailer.core.explain import why
from mailer.core.registry import LAPSED
from mailer.core.story import timeline
from mailer.core.story_words import SAID

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


def test_both_languages_tell_the_same() -> None:
    english, turkish = SAID["en"], SAID["tr"]
    assert not english.keys() - turkish.keys()
    for key, sentence in english.items():
        asked, given = (
            {name for _, name, _, _ in Formatter().parse(each) if name} for each in (sentence, turkish[key])
        )
        assert given == asked, key


def test_a_story_in_turkish() -> None:
    entry = {
        "at": AT, "purpose": "commercial", "action": "granted", "via": "import", "source": "shop.csv",
        "text_version": "v2", "proof": None,
    }  # fmt: skip
    notice = {
        "id": 7, "campaign": "outage", "occurrence": "1:2", "kind": "closure", "state": "skipped",
        "reason": "suppressed", "sent_at": None, "updated_at": AT, "attempts": 0, "reply": None,
    }  # fmt: skip
    opened = {"delivery_id": 7, "kind": "opened", "at": AT, "detail": {"by": "machine"}}
    code = {
        "issued_at": AT,
        "code": "HG-1",
        "valid_until": date(2027, 5, 2),
        "delivery_id": None,
        "campaign": "offer",
    }
    bar = {"at": AT, "scope": "topic:news", "reason": "complaint", "source": "arf"}
    told = timeline(
        {
            **NOBODY, "consent_entries": [entry], "deliveries": [notice], "delivery_events": [opened],
            "coupons": [code], "suppressions": [bar],
        },
        "tr",
    )  # fmt: skip
    assert [line["sentence"] for line in told] == [
        "Mağaza bu müşteriyi bize bildirdi.",
        "Mağazanın bildirdiğine göre müşteri ticari e-posta almayı kabul etti (shop.csv, metin v2).",
        f"outage (1:2, kapanış bildirimi): gönderilmedi; {why('skipped', 'suppressed', 'tr')}.",
        "Bu adrese artık “news” konulu e-posta gönderilmiyor: şikâyet edildi (arf).",
        "Müşteriye HG-1 kodu verildi; son kullanma günü 02.05.2027.",
        "outage (1:2, kapanış bildirimi): bir kişi değil, bir yazılım açtı.",
    ]
