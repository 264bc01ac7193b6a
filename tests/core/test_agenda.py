"""What a campaign owes at an instant, over all the zones its customers live in."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.agenda import agenda, by_hand, entry_occasion, event_due, next_at, window_start
from mailer.core.campaign import Campaign
from mailer.core.trigger import EventTrigger
from mailer.errors import UsageError

ISTANBUL = ZoneInfo("Europe/Istanbul")
ZONES = (
    None,
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Europe/London",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def campaign(trigger: Any, **given: Any) -> Campaign:
    return Campaign.model_validate({"name": "c", "purpose": "commercial", "trigger": trigger, **given})


NEWSLETTER = campaign({"cron": "0 10 * * tue", "timezone": "customer"}, catch_up="12h")
FIXED = campaign({"cron": "0 10 * * tue"})
ONCE = campaign({"at": "2027-03-23T10:00", "timezone": "customer"})
BIRTHDAY = campaign({"anniversary": "birthday", "at": "10:00"})
HOURLY = campaign({"cron": "*/30 * * * *", "timezone": "customer"})


def owed(of: Campaign, zones: Iterable[str | None], start: datetime, now: datetime) -> list[tuple[Any, ...]]:
    """(occurrence, due, zone, days celebrated), flat."""
    return sorted(
        (occasion.key, group.due, zone or "", group.days)
        for occasion in agenda(of, zones, start=start, now=now, tenant=ISTANBUL, leap_day="feb28")
        for group in occasion.groups
        for zone in (group.zones if group.zones is not None else ["everywhere"])
    )


def test_customers_are_due_in_their_own_morning_in_one_run() -> None:
    (occasion,) = agenda(
        NEWSLETTER, ["Europe/London", None, "Europe/Istanbul"], start=at("2027-03-22T12:00"),
        now=at("2027-03-23T12:00"), tenant=ISTANBUL, leap_day="feb28",
    )  # fmt: skip
    assert occasion.key == "2027-03-23"
    assert [(group.due, group.zones) for group in occasion.groups] == [
        (at("2027-03-23T07:00"), {None, "Europe/Istanbul"}),
        (at("2027-03-23T10:00"), {"Europe/London"}),
    ]
    assert occasion.closes_at == at("2027-03-23T10:00")


def test_a_fixed_zone_is_one_instant_for_everybody() -> None:
    assert owed(FIXED, ZONES, at("2027-03-22T00:00"), at("2027-03-24T00:00")) == [
        ("2027-03-23", at("2027-03-23T07:00"), "everywhere", ())
    ]


def test_nobody_lives_anywhere_yet_so_the_tenant_does() -> None:
    assert agenda(NEWSLETTER, [], start=at("2027-03-22T00:00"), now=at("2027-03-24T00:00"), tenant=ISTANBUL,
                  leap_day="feb28") == []  # fmt: skip


@pytest.mark.parametrize(
    ("start", "now", "found"),
    [
        pytest.param("2027-03-23T06:59:59", "2027-03-23T07:00", True, id="the end is in it"),
        pytest.param("2027-03-23T07:00", "2027-03-23T08:00", False, id="the start is not"),
        pytest.param("2027-03-23T06:00", "2027-03-23T06:59:59", False, id="before"),
    ],
)
def test_a_window_is_open_at_its_start_and_closed_at_its_end(start: str, now: str, found: bool) -> None:
    assert bool(owed(FIXED, [None], at(start), at(now))) is found


def test_the_last_day_of_february_stands_in_for_a_leap_day() -> None:
    found = owed(BIRTHDAY, [None], at("2027-02-28T00:00"), at("2027-03-01T12:00"))
    assert [(key, days) for key, _due, _zone, days in found] == [
        ("2027-02-28", ((2, 28), (2, 29))),
        ("2027-03-01", ((3, 1),)),
    ]


@pytest.mark.parametrize(
    "trigger", ["manual", {"event": "x"}, {"segment": "s"}, {"incident": "any"}], ids=str
)
def test_what_no_calendar_drives_owes_nothing(trigger: Any) -> None:
    of = campaign(trigger, purpose="service")
    assert owed(of, ZONES, at("2027-01-01T00:00"), at("2027-02-01T00:00")) == []
    assert next_at(of, ZONES, now=at("2027-01-01T00:00"), tenant=ISTANBUL, leap_day="feb28") is None


instants = st.datetimes(datetime(2026, 12, 1), datetime(2028, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001
spans = st.timedeltas(timedelta(), timedelta(days=9))
campaigns = st.sampled_from([NEWSLETTER, FIXED, ONCE, BIRTHDAY, HOURLY])
places = st.lists(st.sampled_from(ZONES), min_size=1, unique=True)


@settings(max_examples=60)
@given(campaigns, places, instants, spans, spans)
def test_splitting_a_window_changes_nothing(
    of: Campaign, zones: list[str | None], start: datetime, first: timedelta, second: timedelta
) -> None:
    middle, end = start + first, start + first + second
    assert sorted(owed(of, zones, start, middle) + owed(of, zones, middle, end)) == owed(
        of, zones, start, end
    )


@settings(max_examples=60)
@given(campaigns, places, instants, spans)
def test_everyone_is_due_once_an_occasion_and_never_before_it_closes(
    of: Campaign, zones: list[str | None], start: datetime, span: timedelta
) -> None:
    for occasion in agenda(of, zones, start=start, now=start + span, tenant=ISTANBUL, leap_day="mar1"):
        dues = [group.due for group in occasion.groups]
        everyone = [zone for group in occasion.groups for zone in group.zones or ()]
        assert dues == sorted(dues)
        assert len(everyone) == len(set(everyone))
        assert all(start < due <= min(start + span, occasion.closes_at) for due in dues)


@settings(max_examples=60)
@given(st.sampled_from([NEWSLETTER, FIXED, HOURLY, BIRTHDAY]), places, instants)
def test_the_next_time_is_the_first_the_agenda_will_hold(
    of: Campaign, zones: list[str | None], now: datetime
) -> None:
    found = next_at(of, zones, now=now, tenant=ISTANBUL, leap_day="feb28")
    assert found is not None
    assert owed(of, zones, now, found)
    assert not owed(of, zones, now, found - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("since", "start"),
    [
        pytest.param(None, "2027-03-22T19:00", id="the first pass"),
        pytest.param("2027-03-23T06:59", "2027-03-22T19:00", id="a minute ago"),
        pytest.param("2027-03-20T00:00", "2027-03-20T00:00", id="three days ago"),
        pytest.param("2026-01-01T00:00", "2027-02-20T07:00", id="long ago"),
        pytest.param("2028-01-01T00:00", "2027-03-22T19:00", id="in the future"),
    ],
)
def test_a_pass_looks_back_to_the_last_one_but_not_for_ever(since: str | None, start: str) -> None:
    looked = window_start(NEWSLETTER, at("2027-03-23T07:00"), ISTANBUL, at(since) if since else None)
    assert looked == at(start)


def test_days_after_an_event_are_the_customers_own() -> None:
    trigger = EventTrigger.model_validate({"event": "x", "after": "7d"})
    happened = at("2027-03-25T09:00")
    assert event_due(happened, "Europe/Berlin", trigger, ISTANBUL) == at("2027-04-01T08:00")
    assert event_due(happened, None, trigger, ISTANBUL) == at("2027-04-01T09:00")


def test_an_entry_belongs_to_the_tenants_day() -> None:
    occasion = entry_occasion(at("2027-03-22T22:30"), ISTANBUL)
    assert (occasion.key, occasion.closes_at) == ("2027-03-23", at("2027-03-22T22:30"))


# By hand -------------------------------------------------------------------------------------------------


def test_by_hand_an_anniversary_means_those_whose_day_it_is_where_they_are() -> None:
    chosen = by_hand(BIRTHDAY, ZONES, now=at("2027-02-28T08:00"), tenant=ISTANBUL, leap_day="feb28")
    assert chosen.days == ((2, 28), (2, 29))
    assert chosen.attribute == "birthday"
    assert chosen.before_year == 2027  # who was born this year has no birthday yet
    assert chosen.zones is not None
    assert "Pacific/Pago_Pago" not in chosen.zones  # still the day before
    assert None in chosen.zones


def test_by_hand_a_segment_campaign_means_its_members() -> None:
    chosen = by_hand(campaign({"segment": "vip"}), ZONES, now=at("2027-02-28T08:00"), tenant=ISTANBUL,
                     leap_day="feb28")  # fmt: skip
    assert chosen.rule.all is not None
    assert chosen.rule.all[0].segment == "vip"


@pytest.mark.parametrize("trigger", [{"event": "x"}, {"incident": "any"}], ids=str)
def test_by_hand_nobody_is_meant_by_an_answer(trigger: Any) -> None:
    with pytest.raises(UsageError, match="cannot be started by hand"):
        by_hand(campaign(trigger, purpose="service"), ZONES, now=at("2027-02-28T08:00"), tenant=ISTANBUL,
                leap_day="feb28")  # fmt: skip
