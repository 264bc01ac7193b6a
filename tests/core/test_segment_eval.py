from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailer.core.customer import Customer
from mailer.core.event import EventKind
from mailer.core.rfm import Purchases, Scores
from mailer.core.segment import Rule
from mailer.core.segment_eval import evaluate
from mailer.core.segment_facts import (
    CouponFact,
    CustomerFacts,
    DateFact,
    EvalContext,
    EventFact,
    IncidentFact,
    PointFact,
    in_share,
    purchases,
)
from mailer.errors import SegmentFault

ISTANBUL = ZoneInfo("Europe/Istanbul")
NOW = datetime(2027, 5, 10, 7, 0, tzinfo=UTC)
ENGAGED = {"engaged": {"by": ["click", "order"], "in": "180d"}}
ENDING = {"coupon": {"campaign": "b", "state": "issued", "expires_in": "1..3"}}
LONG_AGO = NOW - timedelta(days=400)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def holds(rule: dict[str, Any], facts: CustomerFacts, now: datetime = NOW, **options: Any) -> bool:
    context = EvalContext(**({"now": now, "tenant_zone": ISTANBUL, "currency": "TRY"} | options))
    return evaluate(Rule.model_validate(rule), facts, context).holds


def a_customer(**facts: Any) -> CustomerFacts:
    return CustomerFacts(1, Customer("c1"), **facts)


ON_29_FEB = a_customer(dates={"birthday": DateFact(2, 29, LONG_AGO)}, zone="Europe/Istanbul")
TODAY = {"attr": "birthday", "is": "today"}


@pytest.mark.parametrize(
    ("now", "rule", "wanted"),
    [
        ("2027-02-28T07:00", TODAY, True),  # case 1 of the domain: a common year
        ("2027-03-01T07:00", TODAY, False),
        ("2027-03-01T07:00", TODAY | {"leap": "mar1"}, True),
        ("2027-02-28T07:00", TODAY | {"leap": "mar1"}, False),
        ("2028-02-28T07:00", TODAY, False),
        ("2028-02-29T07:00", TODAY, True),
        ("2028-03-01T07:00", TODAY | {"leap": "mar1"}, False),
        ("2027-02-27T20:59", TODAY, False),
        ("2027-02-27T21:00", TODAY, True),  # midnight in Istanbul
        ("2027-02-26T07:00", {"attr": "birthday", "in_days": "0..2"}, True),
        ("2027-02-25T07:00", {"attr": "birthday", "in_days": "0..2"}, False),
        ("2027-12-31T07:00", {"attr": "birthday", "in_days": "0..60"}, True),  # 2028-02-29, over new year
        ("2027-03-02T07:00", {"attr": "birthday", "in_days": "-2..0"}, True),
        ("2027-02-28T07:00", {"attr": "other", "is": "today"}, False),
    ],
    ids=str,
)
def test_a_date_comes_round(now: str, rule: dict[str, Any], wanted: bool) -> None:
    assert holds({"date": rule}, ON_29_FEB, at(now)) is wanted


@pytest.mark.parametrize(
    ("zone", "now", "tz", "wanted"),
    [
        ("Pacific/Kiritimati", "2027-05-09T20:00", "customer", True),  # case 2 of the domain
        ("Pacific/Kiritimati", "2027-05-09T20:00", "tenant", False),
        ("Pacific/Pago_Pago", "2027-05-10T21:00", "customer", True),
        ("Pacific/Pago_Pago", "2027-05-10T07:00", "customer", False),
        (None, "2027-05-10T07:00", "customer", True),
        ("No/Such_Zone", "2027-05-10T07:00", "customer", True),
    ],
    ids=str,
)
def test_today_is_the_customers(zone: str | None, now: str, tz: str, wanted: bool) -> None:
    facts = a_customer(dates={"birthday": DateFact(5, 10, LONG_AGO)}, zone=zone)
    assert holds({"date": TODAY | {"tz": tz}}, facts, at(now)) is wanted


@pytest.mark.parametrize(
    ("fact", "wanted"),
    [
        (DateFact(5, 10, NOW - timedelta(days=30)), True),
        (DateFact(5, 10, NOW - timedelta(days=29)), False),
        (DateFact(5, 10, LONG_AGO, placeholder=True), False),
    ],
    ids=["old", "young", "placeholder"],
)
def test_a_date_must_be_old_and_real(fact: DateFact, wanted: bool) -> None:
    assert holds({"date": TODAY | {"set_before": "30d"}}, a_customer(dates={"birthday": fact})) is wanted


VIEWS = a_customer(
    events=tuple(
        EventFact("viewed", NOW - age, {"sku": sku})
        for age, sku in (
            (timedelta(seconds=-1), "later"),
            (timedelta(0), "a"),
            (timedelta(days=7), "b"),
            (timedelta(days=8), "b"),
        )
    )
)


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ({"count": 3}, True),  # one is later than now
        ({"count": 1, "in": "7d"}, True),  # the window's beginning is not in it
        ({"count": 2, "in": "8d"}, True),
        ({"count": 2, "where": {"sku": "b"}}, True),
        ({"where": {"sku": "later"}}, False),
        ({"never": True, "where": {"sku": "later"}}, True),
        ({"never": True}, False),
        ({"count": "..2"}, False),
    ],
    ids=str,
)
def test_events_are_counted_in_a_window(rule: dict[str, Any], wanted: bool) -> None:
    assert holds({"event": {"name": "viewed"} | rule}, VIEWS) is wanted


@pytest.mark.parametrize(("window", "wanted"), [("1d", True), ("24h", False)])
def test_a_day_of_a_window_is_the_tenants_calendar_day(window: str, wanted: bool) -> None:
    # Berlin, 2027-10-31 has 25 hours: at noon a day ago is 25 hours ago.
    facts = a_customer(events=(EventFact("viewed", at("2027-10-30T10:30")),))
    rule = {"event": {"name": "viewed", "in": window}}
    assert holds(rule, facts, at("2027-10-31T11:00"), tenant_zone=ZoneInfo("Europe/Berlin")) is wanted


def order(
    day: str, ref: str | None, net: int | None, name: str = "placed", currency: str = "TRY"
) -> EventFact:
    e4 = None if net is None else net * 10_000
    return EventFact(f"order.{name}", at(f"{day}T10:00"), {}, ref, e4, currency)


FIRST = [order("2027-09-01", "o1", 600), order("2027-09-02", "o2", 450)]
REFUND = order("2027-09-10", "o2", 450, "refunded")
THIRD = order("2027-09-20", "o3", 500)
REWARD = {"spend": {"net": "1000..", "currency": "TRY", "settled": "14d"}}


@pytest.mark.parametrize(
    ("events", "now", "rule", "wanted"),
    [
        (FIRST, "2027-09-16T10:00", REWARD, True),
        ([*FIRST, REFUND], "2027-09-16T10:00", REWARD, False),  # case 14 of the domain
        ([*FIRST, REFUND, THIRD], "2027-10-04T09:59", REWARD, False),
        ([*FIRST, REFUND, THIRD], "2027-10-04T10:00", REWARD, True),
        ([*FIRST, REFUND, THIRD], "2027-10-04T10:00", {"orders": {"count": 2, "net": 1100}}, True),
        ([*FIRST, REFUND, THIRD], "2027-10-04T10:00", {"orders": {"count": 1, "in": "30d"}}, True),
        (
            [*FIRST, order("2027-09-03", "o2", None, "refunded")],
            "2027-10-01T10:00",
            {"orders": {"count": 1}},
            True,
        ),
        (
            [*FIRST, order("2027-09-03", "o2", -50, "refunded")],
            "2027-10-01T10:00",
            {"orders": {"net": 1000}},
            True,
        ),
        (
            [FIRST[0], order("2027-09-03", "o1", 600)],
            "2027-10-01T10:00",
            {"orders": {"count": 1, "net": 600}},
            True,
        ),
        (
            [order("2027-09-01", None, 5), order("2027-09-01", None, 5)],
            "2027-10-01T10:00",
            {"orders": {"count": 2}},
            True,
        ),
        ([order("2027-09-01", "e", 50, currency="EUR")], "2027-10-01T10:00", {"spend": {"net": 0}}, True),
        (
            [order("2027-09-01", "e", 50, currency="EUR")],
            "2027-10-01T10:00",
            {"spend": {"net": 50, "currency": "EUR"}},
            True,
        ),
        # Whoever bought abroad is a buyer; only a sum is of one currency.
        ([order("2027-09-01", "e", 50, currency="EUR")], "2027-10-01T10:00", {"orders": {"count": 1}}, True),
        (
            [order("2027-09-01", "e", 50, currency="EUR")],
            "2027-10-01T10:00",
            {"orders": {"net": "1.."}},
            False,
        ),
        (
            [order("2027-09-01", "e", 50, currency="EUR")],
            "2027-10-01T10:00",
            {"orders": {"count": 1, "currency": "TRY"}},
            False,
        ),
        ([order("2027-09-01", "o", 0)], "2027-10-01T10:00", {"orders": {}}, True),
        ([], "2027-10-01T10:00", {"orders": {}}, False),
        ([], "2027-10-01T10:00", {"orders": {"count": 0}}, True),
        ([THIRD], "2027-09-01T10:00", {"orders": {}}, False),  # not yet
    ],
    ids=lambda part: str(part)[-40:],
)
def test_orders_are_counted_after_refunds(
    events: list[EventFact], now: str, rule: dict[str, Any], wanted: bool
) -> None:
    assert holds(rule, a_customer(events=tuple(events)), at(now)) is wanted


AT_HOME = CustomerFacts(1, Customer("c1", postal_code="35000", services=("fibre",)))
ELSEWHERE = CustomerFacts(1, AT_HOME.customer, points=(PointFact("tv", "34710"),))


@pytest.mark.parametrize(
    ("rule", "facts", "wanted"),
    [
        ({"area": {"postal": ["35*"]}}, AT_HOME, True),
        ({"area": {"postal": ["35*"]}}, ELSEWHERE, False),  # where it is used, not where they live
        ({"area": {"postal": ["34710"]}}, ELSEWHERE, True),
        ({"services": {"has": "fibre"}}, AT_HOME, True),
        ({"services": {"has": "fibre"}}, ELSEWHERE, False),
        ({"services": {"has": "tv"}}, ELSEWHERE, True),
        ({"consent": "commercial"}, a_customer(consent="yes"), True),
        ({"consent": "commercial"}, a_customer(consent="unknown"), False),
        ({"consent": "commercial"}, a_customer(consent="yes", suppressed=frozenset({"all"})), False),
        ({"list": "vip"}, a_customer(lists=frozenset({"vip"})), True),
        (
            {"sent": {"campaign": "offer", "in": "7d"}},
            a_customer(sent=(("offer", NOW - timedelta(days=7)),)),
            False,
        ),
        (
            {"sent": {"campaign": "offer", "in": "8d"}},
            a_customer(sent=(("offer", NOW - timedelta(days=7)),)),
            True,
        ),
        ({"coupon": {"campaign": "b"}}, a_customer(coupons=(CouponFact("b", "reserved"),)), False),
        ({"coupon": {"campaign": "b"}}, a_customer(coupons=(CouponFact("b", "issued"),)), True),
        (ENDING, a_customer(coupons=(CouponFact("b", "issued", date(2027, 5, 13)),)), True),
        (ENDING, a_customer(coupons=(CouponFact("b", "issued", date(2027, 5, 14)),)), False),
        (ENDING, a_customer(coupons=(CouponFact("b", "issued", date(2027, 5, 10)),)), False),
        (ENDING, a_customer(coupons=(CouponFact("b", "redeemed", date(2027, 5, 13)),)), False),
        (ENDING, a_customer(coupons=(CouponFact("b", "issued"),)), False),
        (
            ENDING,
            a_customer(zone="Pacific/Kiritimati", coupons=(CouponFact("b", "issued", date(2027, 5, 11)),)),
            True,
        ),
        (
            ENDING,
            a_customer(zone="Pacific/Pago_Pago", coupons=(CouponFact("b", "issued", date(2027, 5, 10)),)),
            True,
        ),
        ({"rfm": {"r": "4.."}}, a_customer(), False),
        ({"rfm": {"r": "..5"}}, a_customer(), False),
        ({"rfm": {"r": "4..", "f": 2}}, a_customer(scores=Scores(5, 2, 1)), True),
        ({"rfm": {"r": "4..", "f": 3}}, a_customer(scores=Scores(5, 2, 1)), False),
        ({"not": [{"rfm": {"m": "4.."}}]}, a_customer(), True),
        (ENGAGED, a_customer(), False),
        (ENGAGED, a_customer(reactions=((EventKind.CLICKED, NOW),)), True),
        (ENGAGED, a_customer(reactions=((EventKind.CLICKED, NOW + timedelta(seconds=1)),)), False),
        (ENGAGED, a_customer(reactions=((EventKind.CLICKED, NOW - timedelta(days=180)),)), False),
        (ENGAGED, a_customer(reactions=((EventKind.OPENED, NOW),)), False),
        (ENGAGED, a_customer(events=(EventFact("order.placed", NOW),)), True),
        (ENGAGED, a_customer(events=(EventFact("order.refunded", NOW),)), False),
        ({"engaged": {"by": "open"}}, a_customer(reactions=((EventKind.OPENED, LONG_AGO),)), True),
        ({"engaged": {"by": "click"}}, a_customer(events=(EventFact("order.placed", NOW),)), False),
        ({"incident": {"open": True}}, a_customer(incidents=(IncidentFact("identified", "affected"),)), True),
        ({"incident": {"open": True}}, a_customer(incidents=(IncidentFact("resolved", "affected"),)), False),
        ({"incident": {"open": False}}, a_customer(incidents=(IncidentFact("identified", "left"),)), True),
        (
            {"incident": {"open": True}},
            a_customer(incidents=(IncidentFact("identified", "affected", published=False),)),
            False,
        ),
        ({}, a_customer(), True),
        ({"not": []}, a_customer(), True),
        ({"not": [{"list": "x"}, {"consent": "commercial"}]}, a_customer(consent="yes"), False),
    ],
    ids=lambda part: str(part)[:60],
)
def test_the_other_leaves(rule: dict[str, Any], facts: CustomerFacts, wanted: bool) -> None:
    assert holds(rule, facts) is wanted


def test_a_share_is_about_as_large_as_it_says_and_shares_nest() -> None:
    tenth = {key for key in range(1, 20_001) if in_share(key, 100_000)}
    fifth = {key for key in range(1, 20_001) if in_share(key, 200_000)}
    assert len(tenth) == pytest.approx(2_000, rel=0.05)
    assert tenth < fifth


def test_an_explanation_says_what_was_found() -> None:
    rule = Rule.model_validate({"attr": {"city": "İzmir"}, "not": [{"segment": "costly"}]})
    facts = CustomerFacts(1, Customer("c1", attributes={"city": "Ankara"}), lists=frozenset({"late"}))
    context = EvalContext(
        now=NOW, tenant_zone=ISTANBUL, segments={"costly": Rule.model_validate({"list": "late"})}
    )
    assert list(evaluate(rule, facts, context).lines()) == [
        "no   all of these",
        "no     none of these",
        "yes      segment costly",
        "yes        on the list late (late)",
        "no     city is İzmir (Ankara)",
    ]


def test_an_explanation_of_scores_and_signs() -> None:
    rule = Rule.model_validate(
        {"rfm": {"r": "4..", "m": "..2"}, "engaged": {"by": ["click", "order"], "in": "180d"}}
    )
    facts = a_customer(scores=Scores(5, 1, 3), events=(EventFact("order.placed", NOW),))
    context = EvalContext(now=NOW, tenant_zone=ISTANBUL)
    assert list(evaluate(rule, facts, context).lines()) == [
        "no   all of these",
        "no     scores r 4.., m ..2 (r 5, f 1, m 3)",
        "yes    engaged by click or order in the last 180d (no click, last order on 2027-05-10)",
    ]


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        pytest.param([], None, id="nothing"),
        pytest.param([("o1", 0, 10, "TRY")], (0, 1, 10), id="one order"),
        pytest.param([("o1", 365, 10, "TRY")], None, id="too long ago"),
        pytest.param([("o1", 364, 10, "TRY"), ("o2", 3, 5, None)], (3, 2, 15), id="the latest counts"),
        pytest.param([("o1", 9, 10, "TRY"), ("o1", 3, 25, "TRY")], (9, 1, 25), id="one reference, one order"),
        pytest.param(
            [("o1", 3, 10, "EUR"), ("o2", 5, 7, "TRY")], (3, 2, 7), id="another currency is no money"
        ),
        pytest.param([("o1", 3, 10, "TRY"), ("o1", 1, -4, "")], (3, 1, 6), id="refunded in part"),
        pytest.param([("o1", 3, 10, "TRY"), ("o1", 1, -10, "")], None, id="refunded in full"),
        pytest.param([("o1", 3, 10, "TRY"), ("o1", 1, None, "")], None, id="refunded without a sum"),
        pytest.param([("o1", -1, 10, "TRY")], None, id="to come"),
    ],
)
def test_what_scores_are_made_of(
    events: list[tuple[str, int, int | None, str | None]], wanted: tuple[int, int, int] | None
) -> None:
    facts = a_customer(
        events=tuple(
            EventFact(
                "order.refunded" if currency == "" else "order.placed", NOW - timedelta(days=days), order_ref=ref,
                net_e4=None if net is None else net * 10_000, currency=currency or None,
            )
            for ref, days, net, currency in events
        )
    )  # fmt: skip
    found = purchases(facts, EvalContext(now=NOW, tenant_zone=ISTANBUL, currency="TRY"))
    days, count, net = wanted or (0, 0, 0)
    assert found == (wanted and Purchases(NOW - timedelta(days=days), count, net * 10_000))


def test_an_unknown_segment_is_a_fault_and_no_answer() -> None:
    with pytest.raises(SegmentFault):
        evaluate(Rule(segment="x"), a_customer(), EvalContext(now=NOW, tenant_zone=ISTANBUL))
