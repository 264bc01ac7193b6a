"""What templates see, the codes coupons carry, and the words for states and reasons."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from mailer.core.campaign import Campaign
from mailer.core.coupon import ALPHABET, last_day, make_code
from mailer.core.customer import Customer
from mailer.core.delivery import Failure, Skip, State
from mailer.core.duration import Duration
from mailer.core.explain import why
from mailer.core.handoff import CouponView
from mailer.core.incident import CLOSED, IncidentState
from mailer.core.samples import CUSTOMERS, reminded, sample_coupon, sample_job, vetting_scenes
from mailer.core.scene import Sender, scene
from mailer.core.standing import Kind

SENDER = Sender("Kardelen", "Kardelen <m@k.example>", "Moda Cad. 12", "TRY", "TR", "tr")
AYSE = CUSTOMERS[0]


def campaign(**given: Any) -> Campaign:
    return Campaign.model_validate({"name": "c", "purpose": "commercial", "trigger": "manual", **given})


def seen(of: Campaign, customer: Customer = AYSE, **job: Any) -> dict[str, Any]:
    return scene(
        replace(sample_job(of, customer), **job), "a description", SENDER, {"unsubscribe": "https://u"}
    )


def test_a_customers_own_fields_win_over_attributes_of_the_same_name() -> None:
    customer = replace(AYSE, attributes={"email": "evil@x.example", "tier": "gold"})
    found = seen(campaign(), customer)["customer"]
    assert (found["email"], found["tier"], found["name"]) == (AYSE.email, "gold", "Ayşe Yılmaz")
    assert found["attributes"]["email"] == "evil@x.example"


def test_what_is_not_there_is_not_in_scope() -> None:
    assert {"coupon", "incident", "order", "event"}.isdisjoint(seen(campaign()))


def test_an_amount_is_in_the_currencys_unit() -> None:
    coupon = seen(campaign(), coupon=CouponView("A-1", None, 1_505_000, "TRY", date(2027, 5, 1)))["coupon"]
    assert coupon["amount"] == Decimal("150.5")


def test_an_orders_properties_are_an_order_and_others_are_not() -> None:
    order = seen(campaign(trigger={"event": "order.delivered"}))
    assert order["order"]["order"] == order["event"]["order"]
    assert "order" not in seen(campaign(trigger={"event": "survey.answered"}))


def test_a_scene_is_a_copy_and_plain() -> None:
    attributes = {"interests": ["coffee"]}
    found = seen(campaign(), replace(AYSE, attributes=attributes))
    found["customer"]["interests2"] = 1
    assert attributes == {"interests": ["coffee"]}
    plain = (str, int, float, bool, type(None), dict, list, date, datetime, Decimal)

    def check(value: Any) -> None:
        assert isinstance(value, plain)
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            check(inner)

    check(found)


def test_a_preview_uses_no_code_and_a_test_shows_that_it_is_one() -> None:
    of = campaign(coupon={"kind": "generated", "prefix": "DG", "percent": 20, "valid": "30d"})
    coupon = seen(of)["coupon"]
    assert coupon["code"].startswith("TEST-")
    assert coupon["valid_until"] is not None


def test_vetting_tries_every_sample_customer_and_every_state_of_an_incident() -> None:
    commercial = vetting_scenes(campaign(), SENDER)
    assert len(commercial) == len(CUSTOMERS)
    assert all(context["links"] for _who, _locale, context in commercial)
    outage = vetting_scenes(campaign(purpose="service", trigger={"incident": "any"}), SENDER)
    told = {(context["incident"]["state"], context["incident"]["kind"]) for _who, _locale, context in outage}
    assert {state for state, _kind in told} == set(IncidentState)
    assert {state for state, kind in told if kind == Kind.CLOSURE} == CLOSED
    assert {kind for _state, kind in told} == set(Kind)
    assert {type(word) for words in told for word in words} == {str}  # what templates are given is plain
    assert not any("unsubscribe" in context["links"] for _who, _locale, context in outage)


# Codes -----------------------------------------------------------------------------------------------------


def test_a_code_has_a_prefix_and_letters_nobody_mistakes() -> None:
    letters = range(10)
    number = sum(letter * len(ALPHABET) ** place for place, letter in enumerate(letters))
    assert make_code("DG", lambda below: number % below) == "DG-ABCDEFGHJK"
    assert {make_code("DG", lambda below, number=n: number % below) for n in (0, -1)} == {  # type: ignore[misc]
        "DG-AAAAAAAAAA", "DG-9999999999"
    }  # fmt: skip
    assert re.fullmatch(r"[A-Z2-9]+", ALPHABET)
    assert not set("ILO01") & set(ALPHABET)


@pytest.mark.parametrize(
    ("valid", "last"),
    [
        (None, None),
        (Duration(days=30), date(2027, 6, 9)),
        (Duration(seconds=24 * 3600), date(2027, 5, 11)),
        (Duration(seconds=36 * 3600), date(2027, 5, 12)),
    ],
)
def test_the_last_day_is_whole(valid: Duration | None, last: date | None) -> None:
    assert last_day(date(2027, 5, 10), valid) == last


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"amount": "0.00001"}, "decimal places"),
        ({"amount": "100000000000000"}, "digits"),
        ({"amount": "NaN"}, "finite"),
        ({"amount": -1}, "greater than 0"),
        ({"percent": 0}, "greater than or equal to 1"),
        ({"percent": 101}, "less than or equal to 100"),
        ({"budget": 0}, "greater than or equal to 1"),
    ],
)
def test_what_no_coupon_is_worth(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        campaign(coupon={"kind": "static", "code": "A", **given})


def test_an_amount_is_kept_to_the_ten_thousandth() -> None:
    of = campaign(coupon={"kind": "static", "code": "A", "amount": 9.99, "currency": "TRY"})
    assert of.coupon is not None
    assert getattr(of.coupon, "amount_e4", None) == 99_900


# Words -----------------------------------------------------------------------------------------------------


def test_every_state_and_every_reason_has_its_sentence() -> None:
    sentences = [why(state, None) for state in State]
    sentences += [why("skipped", skip) for skip in Skip] + [why("failed", failure) for failure in Failure]
    assert len(set(sentences)) == len(State) + len(Skip) + len(Failure)
    assert why("failed", "something new") == why("failed", None)


def test_the_day_in_samples_is_some_day() -> None:
    assert sample_job(campaign(), AYSE).due_at.tzinfo is UTC


def test_a_sample_occurrence_is_of_the_triggers_kind() -> None:
    welcome = campaign(trigger={"event": "consent.confirmed"})
    assert sample_job(welcome, AYSE).occurrence == "event-1001"
    outage = campaign(purpose="service", trigger={"incident": "any"})
    assert sample_job(outage, AYSE).occurrence == "1:1"
    assert sample_job(campaign(), AYSE).occurrence == "2027-03-01"


@pytest.mark.parametrize(
    ("locale", "title", "message"),
    [("tr", "Arıza", ""), ("en-GB", "Outage", "On our way."), ("de", "Arıza", ""), ("", "Arıza", "")],
)
def test_an_incident_is_told_in_the_readers_language(locale: str, title: str, message: str) -> None:
    texts = {"titles": {"en": "Outage"}, "messages": {"en": "On our way."}}
    job = {"content": {"incident": {"title": "Arıza", "message": "", **texts}}, "kind": "first"}
    found = seen(campaign(purpose="service"), replace(AYSE, locale=locale), **job)["incident"]
    assert found == {"title": title, "message": message, "kind": "first"}
    job["content"]["incident"] |= {"titles": {"tr": "Kesinti"}}
    assert (
        seen(campaign(purpose="service"), replace(AYSE, locale=""), **job)["incident"]["title"] == "Kesinti"
    )


def test_a_reminder_is_tried_with_the_worth_of_what_it_reminds_of() -> None:
    gift = campaign(name="gift", coupon={"kind": "generated", "prefix": "GF", "amount": 100, "valid": "30d"})
    reminder = campaign(coupon={"kind": "reminder", "of": "gift"})
    shown = sample_coupon(reminder, of=reminded(reminder, {"gift": gift}))
    assert shown is not None
    assert (shown.code, shown.percent, shown.amount_e4) == ("TEST-GF", None, 1_000_000)
    assert sample_coupon(reminder, of=reminded(reminder, {})) is not None
    static = sample_coupon(campaign(coupon={"kind": "static", "code": "HOSGELDIN", "percent": 5}))
    assert static is not None
    assert static.code == "TEST-HOSGELDIN"
