from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.attribution import Credit, Order, Touch, Via, credit
from mailer.core.report import Funnel, money, of_reactions, of_states, share, total
from mailer.core.report_rows import COLUMNS, currencies, flat, steps
from mailer.core.uplift import Arm, compare, newcombe, wilson

AT = datetime(2027, 5, 10, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_states_are_folded_to_a_funnel_that_adds_up() -> None:
    funnel = of_states(
        [
            ("sent", None, 70, 70), ("failed", "bounced", 4, 4), ("failed", "refused", 3, 0),
            ("skipped", "capped", 10, 0), ("skipped", "holdout", 5, 0), ("queued", None, 2, 0),
            ("deferred", None, 1, 0), ("in_doubt", None, 2, 0), ("expired", None, 1, 0), ("cancelled", None, 2, 0),
        ]
    )  # fmt: skip
    assert (funnel.audience, funnel.eligible, funnel.sent, funnel.failed) == (100, 85, 70, 7)
    assert (funnel.accepted, funnel.waiting, funnel.in_doubt) == (74, 3, 2)
    assert funnel.skipped == {"capped": 10, "holdout": 5}
    assert funnel.failures == {"bounced": 4, "refused": 3}
    rest = funnel.sent + funnel.failed + funnel.in_doubt + funnel.expired + funnel.cancelled + funnel.waiting
    assert rest == funnel.eligible


def test_reactions_are_folded_by_whom() -> None:
    funnel = of_reactions(
        [
            ("clicked", "human", 5), ("clicked", "machine", 7), ("clicked", None, 1), ("clicked", "unknown", 2),
            ("opened", "machine", 9), ("bounced", None, 2), ("complained", None, 1), ("unsubscribed", None, 3),
            ("redeemed", None, 4), ("deferred", None, 8),
        ]
    )  # fmt: skip
    assert (funnel.clicked_human, funnel.clicked_machine, funnel.clicked_unknown) == (5, 7, 3)
    assert (funnel.opened_human, funnel.opened_machine) == (0, 9)
    assert (funnel.bounced, funnel.complained, funnel.unsubscribed, funnel.redeemed) == (2, 1, 3, 4)


def test_the_contracts_keys_come_first_and_in_its_order() -> None:
    assert list(Funnel().as_json())[:12] == [
        "audience", "eligible", "sent", "failed", "bounced", "opened_human", "opened_machine", "clicked_human",
        "clicked_machine", "unsubscribed", "complained", "skipped",
    ]  # fmt: skip


def test_several_funnels_add_up() -> None:
    one = Funnel(audience=3, skipped={"capped": 1}, revenue_e4={"TRY": 10_000})
    two = Funnel(audience=4, skipped={"capped": 2, "holdout": 1}, revenue_e4={"EUR": 5})
    both = total([one, two])
    assert (both.audience, both.eligible) == (7, 3)
    assert both.revenue_e4 == {"TRY": 10_000, "EUR": 5}
    assert total([]) == Funnel()


@pytest.mark.parametrize(
    ("e4", "text"),
    [(1_299_000, "129.90"), (0, "0.00"), (-50_000, "-5.00"), (1, "0.0001"), (12_340_000_000, "1234000.00")],
)
def test_money_has_two_places_or_all_it_needs(e4: int, text: str) -> None:
    assert str(money(e4)) == text
    assert money(e4) == Decimal(e4) / 10_000


def test_a_share_of_nothing_is_not_said() -> None:
    assert (share(1, 8), share(0, 0)) == ("12.5 %", "")


# Uplift: the intervals are those Newcombe gives in his table II for method 10.


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        (Arm(70, 56), Arm(80, 48), 0.0524, 0.3339),
        (Arm(10, 9), Arm(10, 3), 0.1705, 0.8090),
        (Arm(7, 6), Arm(7, 2), 0.0582, 0.8062),
        (Arm(56, 5), Arm(29, 0), -0.0381, 0.1926),
        (Arm(10, 0), Arm(10, 0), -0.2775, 0.2775),
        (Arm(10, 10), Arm(10, 0), 0.6075, 1.0),
    ],
)
def test_the_interval_is_newcombes(one: Arm, other: Arm, low: float, high: float) -> None:
    assert newcombe(one, other) == pytest.approx((low, high), abs=6e-5)


def test_of_nobody_there_is_no_share() -> None:
    with pytest.raises(ValueError, match="nobody"):
        wilson(Arm())


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.data())
def test_the_difference_lies_in_its_interval(people: int, others: int, data: st.DataObject) -> None:
    one = Arm(people, data.draw(st.integers(0, people)))
    other = Arm(others, data.draw(st.integers(0, others)))
    low, high = newcombe(one, other)
    assert -1 - 1e-9 <= low <= one.rate - other.rate + 1e-9
    assert one.rate - other.rate - 1e-9 <= high <= 1 + 1e-9
    assert newcombe(other, one) == pytest.approx((-high, -low))


@pytest.mark.parametrize(
    ("mailed", "held", "says"),
    [
        (Arm(5_000, 400), Arm(99, 3), "not enough data: 99 people were left out for comparison, 100 are needed"),
        (Arm(40, 4), Arm(200, 3), "not enough data: 40 people were to be written to, 100 are needed"),
        (Arm(900, 6), Arm(100, 3), "not enough data: 9 people reached the goal, 10 are needed"),
        (Arm(900, 7), Arm(100, 3), "-2.2 points (95 % interval -7.7 to -0.1)"),
        (Arm(9_000, 720), Arm(1_000, 50), "+3.0 points (95 % interval +1.4 to +4.3)"),
        (Arm(900, 54), Arm(100, 5), "+1.0 points (95 % interval -5.3 to +4.3): no difference can be told from chance"),
    ],
)  # fmt: skip
def test_the_headline_says_what_can_be_said(mailed: Arm, held: Arm, says: str) -> None:
    assert compare(mailed, held).sentence == says


# Attribution


@pytest.mark.parametrize(
    ("codes", "clicks", "expected"),
    [
        pytest.param([], [], None, id="nobody"),
        pytest.param([(1, -1)], [(2, -1)], Credit(1, Via.CODE), id="a code before a click"),
        pytest.param([(1, 5)], [(2, -1)], Credit(1, Via.CODE), id="a code told later"),
        pytest.param([(3, 2), (1, 1)], [], Credit(1, Via.CODE), id="of two codes the first told"),
        pytest.param([], [(1, -50), (2, -3), (3, -20)], Credit(2, Via.CLICK), id="the last click"),
        pytest.param([], [(1, -120)], Credit(1, Via.CLICK), id="five days, to the hour"),
        pytest.param([], [(1, -121)], None, id="longer ago"),
        pytest.param([], [(1, 1)], None, id="after the order"),
        pytest.param([], [(1, 0)], Credit(1, Via.CLICK), id="at the same instant"),
    ],
)
def test_an_order_is_put_down_to(
    codes: list[tuple[int, int]], clicks: list[tuple[int, int]], expected: Credit | None
) -> None:
    def touches(them: list[tuple[int, int]]) -> list[Touch]:
        return [Touch(run_id, AT + hours * HOUR) for run_id, hours in them]

    assert credit(AT, touches(codes), touches(clicks)) == expected


@pytest.mark.parametrize(
    ("order", "left"),
    [
        (Order(AT, 1_000_000), 1_000_000),
        (Order(AT), 0),
        (Order(AT, 1_000_000, refunded_e4=400_000), 600_000),
        (Order(AT, 1_000_000, refunded_e4=1_400_000), 0),
        (Order(AT, 1_000_000, refunded_whole=True), 0),
    ],
)
def test_refunds_come_off(order: Order, left: int) -> None:
    assert order.left_e4 == left


# Lines


def test_a_flat_line_has_every_column_and_one_for_each_currency() -> None:
    line = {
        "campaign": "offer", "run": 1, "occurrence": "2027-05-10", "state": "finished", "due_at": AT,
        **Funnel(audience=2, skipped={"capped": 1}, revenue_e4={"TRY": 5_000}).as_json(),
        "runs": 1, "uplift": compare(Arm(1_000, 50), Arm(1_000, 20)).as_json(),
    }  # fmt: skip
    row = flat(line)
    assert set(COLUMNS) <= set(row)
    assert currencies([line]) == ("revenue_TRY",)
    assert (row["skipped_capped"], row["skipped_holdout"], row["uplift_points"]) == (1, 0, 3.0)
    assert str(row["revenue_TRY"]) == "0.50"


def test_the_steps_of_a_funnel_are_those_that_say_something() -> None:
    funnel = Funnel(
        audience=100, accepted=80, sent=80, expired=2, skipped={"capped": 10}, goal=8, clicked_human=20,
        failures={"bounced": 1, "refused": 3},
    )  # fmt: skip
    said = {
        row["step"].strip(): (row["deliveries"], row["share"])
        for row in steps(funnel, "order.placed within 3d")
    }
    assert said["skipped: capped"] == (10, "10.0 %")
    assert said["eligible"] == (90, "90.0 %")
    assert said["accepted by a relay"] == (80, "88.9 %")
    assert said["goal: order.placed within 3d"] == (8, "10.0 %")
    assert "cancelled" not in said
    assert "codes redeemed" not in said
    assert "failed: bounced" not in said
    assert not any(step.startswith("goal") for step in (row["step"] for row in steps(funnel, None)))
