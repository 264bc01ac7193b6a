"""Who gets it and why not, when it is planned and once more when it would leave."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.campaign import Campaign
from mailer.core.delivery import Hold, Skip, State
from mailer.core.handoff import Drop, Go, HandoffFacts, Reminded, Verdict, Wait
from mailer.core.policy import LOOK_AGAIN, Candidate, Rules, decide, held_out, judge, weighed
from mailer.core.quiet import QuietHours

RULES = Rules(zone=ZoneInfo("Europe/Istanbul"), quiet=QuietHours.parse("21:00-09:00"))
DUE = datetime(2027, 5, 11, 7, 0, tzinfo=UTC)  # ten in the morning in Istanbul
NIGHT = datetime(2027, 5, 11, 20, 40, tzinfo=UTC)
MORNING = datetime(2027, 5, 12, 6, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def campaign(**given: Any) -> Campaign:
    return Campaign.model_validate({"name": "c", "purpose": "commercial", "trigger": "manual", **given})


BIRTHDAY = campaign(
    trigger={"anniversary": "birthday", "set_before": "30d"}, once={"per": "year", "gap": "330d"}
)
SERVICE = campaign(purpose="service")


def someone(**given: Any) -> Candidate:
    facts: dict[str, Any] = {
        "key": 1, "id": "a", "email": "a@x.example", "email_key": "a@x.example", "zone": None, "consent": "yes",
    }  # fmt: skip
    return Candidate(**(facts | given))


@pytest.mark.parametrize(
    ("who", "of", "reason"),
    [
        pytest.param({}, campaign(), None, id="everything in order"),
        pytest.param({"email_key": ""}, SERVICE, Skip.NOT_ELIGIBLE, id="no address"),
        pytest.param({"suppressed": {"all": "bounced"}}, SERVICE, Skip.SUPPRESSED, id="dead, service"),
        pytest.param({"suppressed": {"all": "bounced"}}, campaign(), Skip.SUPPRESSED, id="dead, commercial"),
        pytest.param({"suppressed": {"commercial": "unsubscribed"}}, campaign(), Skip.UNSUBSCRIBED, id="unsubscribed"),
        pytest.param({"suppressed": {"commercial": "complaint"}}, campaign(), Skip.SUPPRESSED, id="complained"),
        pytest.param({"suppressed": {"commercial": "unsubscribed"}}, SERVICE, None, id="unsubscribed, service"),
        pytest.param({"suppressed": {"commercial": "unsubscribed"}, "consent": "no"}, campaign(), Skip.UNSUBSCRIBED,
                     id="unsubscribed before no consent"),
        pytest.param({"consent": "unknown"}, campaign(), Skip.NO_CONSENT, id="consent unknown"),
        pytest.param({"consent": "no"}, campaign(), Skip.NO_CONSENT, id="consent refused"),
        pytest.param({"consent": "no"}, SERVICE, None, id="consent refused, service"),
        pytest.param({"consent_at": DUE}, campaign(), None, id="agreed that instant"),
        pytest.param({"consent_at": DUE + MINUTE}, campaign(), Skip.NO_CONSENT, id="agreed after the cut"),
        pytest.param({"duplicate": True}, campaign(), Skip.DUPLICATE, id="an older record"),
        pytest.param({"duplicate": True}, SERVICE, None, id="an older record, service"),
        pytest.param({"date_placeholder": True}, BIRTHDAY, Skip.UNCONFIRMED_DATE, id="placeholder"),
        pytest.param({"date_set_at": DUE - 29 * DAY}, BIRTHDAY, Skip.TOO_SOON, id="date too young"),
        pytest.param({"date_set_at": DUE - 30 * DAY}, BIRTHDAY, None, id="date old enough"),
        pytest.param({"once_held": True}, BIRTHDAY, Skip.TOO_SOON, id="has it already"),
        pytest.param({"last_sent_at": DUE - 329 * DAY}, BIRTHDAY, Skip.TOO_SOON, id="within the gap"),
        pytest.param({"last_sent_at": DUE - 330 * DAY}, BIRTHDAY, None, id="after the gap"),
        pytest.param({}, campaign(holdout="100%"), Skip.HOLDOUT, id="held out"),
    ],
)  # fmt: skip
def test_the_reason_nobody_is_left_out_without(
    who: dict[str, Any], of: Campaign, reason: Skip | None
) -> None:
    decision = decide(someone(**who), of, RULES, due=DUE, now=DUE)
    assert decision.reason == reason
    assert decision.state == (State.QUEUED if reason is None else State.SKIPPED)


@pytest.mark.parametrize(
    ("who", "own_action", "reason"),
    [
        pytest.param({"consent_at": DUE + timedelta(seconds=1)}, DUE, None, id="confirmed once more"),
        pytest.param({"consent": "no", "consent_at": DUE + MINUTE}, DUE, Skip.NO_CONSENT, id="revoked since"),
        pytest.param({"consent_at": DUE + MINUTE}, None, Skip.NO_CONSENT, id="agreed after the cut"),
    ],
)
def test_a_confirmation_is_itself_the_consent_of_what_answers_it(
    who: dict[str, Any], own_action: datetime | None, reason: Skip | None
) -> None:
    decision = decide(someone(**who), campaign(), RULES, due=DUE, now=DUE + MINUTE, own_action_at=own_action)
    assert decision.reason == reason


@pytest.mark.parametrize(
    ("late", "state"),
    [
        pytest.param(timedelta(), State.QUEUED, id="in time"),
        pytest.param(72 * HOUR - timedelta(microseconds=1), State.QUEUED, id="just within"),
        pytest.param(72 * HOUR, State.SKIPPED, id="just too late"),
    ],
)
def test_what_is_found_later_than_catch_up_is_missed(late: timedelta, state: State) -> None:
    of = campaign(catch_up="72h")
    decision = decide(someone(), of, RULES, due=DUE, now=DUE + late)
    assert decision.state == state
    assert decision.reason == (None if state == State.QUEUED else Skip.MISSED)


@pytest.mark.parametrize(
    ("of", "zone", "now", "own_action", "not_before"),
    [
        pytest.param(campaign(), None, NIGHT, None, MORNING, id="the night holds it"),
        pytest.param(
            campaign(), "America/New_York", NIGHT, None, NIGHT, id="it is afternoon where they live"
        ),
        pytest.param(SERVICE, None, NIGHT, None, NIGHT, id="service mail goes"),
        pytest.param(campaign(), None, NIGHT, NIGHT, NIGHT, id="their own action, just now"),
        pytest.param(campaign(), None, NIGHT, NIGHT - 15 * MINUTE, NIGHT, id="a quarter of an hour ago"),
        pytest.param(campaign(), None, NIGHT, NIGHT - 16 * MINUTE, MORNING, id="longer ago"),
        pytest.param(
            campaign(), None, MORNING - timedelta(seconds=1), None, MORNING, id="one second to nine"
        ),
        pytest.param(campaign(), None, MORNING, None, MORNING, id="nine"),
    ],
)
def test_when_it_leaves_at_the_earliest(
    of: Campaign, zone: str | None, now: datetime, own_action: datetime | None, not_before: datetime
) -> None:
    decision = decide(someone(zone=zone), of, RULES, due=now, now=now, own_action_at=own_action)
    assert (decision.state, decision.not_before) == (State.QUEUED, not_before)


@pytest.mark.parametrize(
    ("of", "state"),
    [
        pytest.param(campaign(ttl="9h"), State.EXPIRED, id="ttl over before the morning"),
        pytest.param(campaign(ttl="10h"), State.QUEUED, id="ttl lasts into the morning"),
        pytest.param(campaign(ends_at="2027-05-12T08:00"), State.EXPIRED, id="case 8: ends in the night"),
        pytest.param(campaign(ends_at="2027-05-12T09:00"), State.EXPIRED, id="ends as the night does"),
        pytest.param(campaign(ends_at="2027-05-12T09:01"), State.QUEUED, id="ends a minute later"),
    ],
)
def test_what_the_night_outlasts_is_expired(of: Campaign, state: State) -> None:
    assert decide(someone(), of, RULES, due=NIGHT, now=NIGHT).state == state


def test_an_end_is_each_customers_own() -> None:
    of = campaign(ends_at="2027-05-12T02:00")
    now = datetime(2027, 5, 11, 14, tzinfo=UTC)
    east = decide(someone(zone="Pacific/Auckland"), of, RULES, due=now, now=now)
    west = decide(someone(zone="America/New_York"), of, RULES, due=now, now=now)
    assert (east.state, west.state) == (State.EXPIRED, State.QUEUED)


# The last look -------------------------------------------------------------------------------------------


def facts(**given: Any) -> HandoffFacts:
    these: dict[str, Any] = {
        "purpose": "commercial", "campaign": "c", "zone": None, "consent": "yes",
        "suppressed": frozenset(), "suppression_reason": None, "run_state": "running", "campaign_paused": False,
        "halted": False, "expires_at": None,
    }  # fmt: skip
    return HandoffFacts(**(these | given))


HELD = Wait(DUE + LOOK_AGAIN, Hold.AFFECTED)
AFFECTED = {"not_before": DUE, "affected_since": DUE - MINUTE}
BARRED = {"suppressed": frozenset({"commercial"}), "suppression_reason": "unsubscribed"}
DEAD = {"suppressed": frozenset({"all", "commercial"}), "suppression_reason": "bounced"}


@pytest.mark.parametrize(
    ("of", "now", "verdict"),
    [
        pytest.param({}, DUE, Go(DUE.date()), id="go"),
        pytest.param({"purpose": "service", "consent": "no"}, NIGHT, Go(), id="service, at night, without consent"),
        pytest.param({"halted": True, "purpose": "service"}, DUE, Wait(None), id="halted"),
        pytest.param({"campaign_paused": True}, DUE, Wait(None), id="campaign paused"),
        pytest.param({"run_state": "paused"}, DUE, Wait(None), id="run paused"),
        pytest.param({"run_state": "planning"}, DUE, Wait(None), id="run growing"),
        pytest.param({"halted": True, "expires_at": DUE}, DUE, Wait(None), id="halted before anything else"),
        pytest.param({"expires_at": DUE}, DUE, Drop(State.EXPIRED, None), id="expired that instant"),
        pytest.param({"expires_at": DUE + MINUTE}, DUE, Go(DUE.date()), id="not yet"),
        pytest.param(BARRED, DUE, Drop(State.SKIPPED, Skip.UNSUBSCRIBED), id="unsubscribed since"),
        pytest.param({**BARRED, "purpose": "service"}, DUE, Go(), id="unsubscribed, service"),
        pytest.param({**DEAD, "purpose": "service"}, DUE, Drop(State.SKIPPED, Skip.SUPPRESSED), id="dead, service"),
        pytest.param(DEAD, DUE, Drop(State.SKIPPED, Skip.SUPPRESSED), id="dead and unsubscribed"),
        pytest.param({"consent": "no"}, DUE, Drop(State.SKIPPED, Skip.NO_CONSENT), id="consent withdrawn"),
        pytest.param({}, NIGHT, Wait(MORNING), id="a night fell while it waited"),
        pytest.param({"own_action_at": NIGHT - 10 * MINUTE}, NIGHT, Go(NIGHT.date()), id="a welcome at night"),
        pytest.param({"own_action_at": NIGHT - HOUR}, NIGHT, Wait(MORNING), id="a welcome that is late"),
        pytest.param({"expires_at": MORNING}, NIGHT, Drop(State.EXPIRED, None), id="the night outlasts it"),
        pytest.param({"zone": "America/New_York"}, NIGHT, Go(NIGHT.date()), id="no night where they live"),
        pytest.param({**AFFECTED}, DUE, HELD, id="an incident affects them"),
        pytest.param({**AFFECTED, "affected_since": DUE}, DUE + HOUR, Go(DUE.date()), id="affected since then"),
        pytest.param({**AFFECTED, "not_before": DUE + HOUR}, DUE + HOUR, Wait(DUE + HOUR + LOOK_AGAIN, Hold.AFFECTED),
                     id="affected before, its turn came after a wait"),
        pytest.param({**AFFECTED, "purpose": "service"}, DUE, Go(), id="affected, service"),
        pytest.param({**AFFECTED, "own_action_at": DUE - 15 * MINUTE}, DUE, Go(DUE.date()),
                     id="affected, a welcome a quarter of an hour after they asked for it"),
        pytest.param({**AFFECTED, "own_action_at": DUE - 16 * MINUTE}, DUE, HELD,
                     id="affected, a welcome that is late"),
        pytest.param({**AFFECTED, "expires_at": DUE + MINUTE}, DUE, Wait(DUE + MINUTE, Hold.AFFECTED),
                     id="affected, and soon too late: it may be over by then"),
        pytest.param({**AFFECTED, "expires_at": DUE + DAY}, DUE, HELD, id="affected, and of use tomorrow"),
        pytest.param({**AFFECTED, "expires_at": DUE}, DUE, Drop(State.EXPIRED, None),
                     id="affected for longer than it is of use"),
        pytest.param({**AFFECTED}, NIGHT, Wait(MORNING), id="affected at night: not before the morning"),
        pytest.param({**AFFECTED, "consent": "no"}, DUE, Drop(State.SKIPPED, Skip.NO_CONSENT),
                     id="affected, consent withdrawn"),
        pytest.param({**AFFECTED, "campaign_paused": True}, DUE, Wait(None), id="affected, campaign paused"),
    ],
)  # fmt: skip
def test_the_last_look(of: dict[str, Any], now: datetime, verdict: Verdict) -> None:
    assert judge(facts(**of), RULES, now) == verdict


@pytest.mark.parametrize(
    ("verdict", "unfit", "then"),
    [
        (Go(), None, Go()),
        (Go(DUE.date()), Skip.NOT_ELIGIBLE, Drop(State.SKIPPED, Skip.NOT_ELIGIBLE)),
        (Go(), Skip.GOAL_MET, Drop(State.SKIPPED, Skip.GOAL_MET)),
        (Drop(State.SKIPPED, Skip.UNSUBSCRIBED), Skip.GOAL_MET, Drop(State.SKIPPED, Skip.UNSUBSCRIBED)),
        (Wait(None), Skip.GOAL_MET, Wait(None)),  # looked at again when it is over
    ],
)
def test_who_no_longer_fits_is_left_out_unless_for_a_weightier_reason(
    verdict: Verdict, unfit: Skip | None, then: Verdict
) -> None:
    assert weighed(verdict, unfit) == then


@pytest.mark.parametrize("now", [DUE, NIGHT])
def test_nothing_is_held_where_the_tenant_does_not_want_it(now: datetime) -> None:
    rules = replace(RULES, hold=None)
    assert judge(facts(**AFFECTED), rules, now) == judge(facts(), rules, now)


# Laws ----------------------------------------------------------------------------------------------------

instants = st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from([None, "Europe/London", "Asia/Kathmandu", "Pacific/Apia", "America/St_Johns"])


@given(instants, zones, st.timedeltas(timedelta(), 3 * DAY))
def test_what_is_queued_leaves_neither_early_nor_at_night_nor_too_late(
    due: datetime, zone: str | None, late: timedelta
) -> None:
    of = campaign(catch_up="96h", ttl="30h")
    decision = decide(someone(zone=zone), of, RULES, due=due, now=due + late)
    if decision.state == State.QUEUED:
        local = decision.not_before.astimezone(ZoneInfo(zone or "Europe/Istanbul"))
        assert decision.not_before >= due + late
        assert 9 <= local.hour < 21
        assert decision.expires_at is not None
        assert decision.not_before < decision.expires_at
        same = facts(zone=zone, expires_at=decision.expires_at)
        assert isinstance(judge(same, RULES, decision.not_before), Go)  # the last look agrees


@given(st.lists(st.text(), min_size=1, unique=True), st.floats(0, 100), st.floats(0, 100))
def test_a_holdout_is_stable_and_grows_by_adding(names: list[str], first: float, second: float) -> None:
    small, large = sorted((first, second))
    for name in names:
        assert held_out("s", "c", name, small) == held_out("s", "c", name, small)
        assert not held_out("s", "c", name, small) or held_out("s", "c", name, large)
        assert not held_out("s", "c", name, 0)
        assert held_out("s", "c", name, 100)


def test_a_holdout_is_about_its_share_and_another_for_each_campaign() -> None:
    names = [f"c{number}" for number in range(5_000)]
    here = {name for name in names if held_out("seed", "one", name, 10)}
    there = {name for name in names if held_out("seed", "two", name, 10)}
    assert 400 < len(here) < 600
    assert len(here & there) < 120


@pytest.mark.parametrize(("ago", "soon"), [(24 * HOUR, False), (24 * HOUR - timedelta(microseconds=1), True)])
def test_a_gap_of_hours_ends_on_the_instant(ago: timedelta, soon: bool) -> None:
    of = campaign(once={"per": "run", "gap": "24h"})
    reason = decide(someone(last_sent_at=DUE - ago), of, RULES, due=DUE, now=DUE).reason
    assert (reason is Skip.TOO_SOON) is soon


@pytest.mark.parametrize(
    ("state", "until", "good"),
    [
        ("issued", date(2027, 5, 10), True),  # on its last day
        ("issued", date(2027, 5, 9), False),
        ("issued", None, True),
        ("redeemed", None, False),
        ("released", date(2027, 5, 10), False),
    ],
)
def test_who_is_reminded_of_what_is_good_today(state: str, until: date | None, good: bool) -> None:
    assert Reminded(state, until).good(date(2027, 5, 10)) is good
