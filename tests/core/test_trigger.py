"""Triggers and once-rules as campaign files write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from mailer.core import trigger as triggers
from mailer.core.duration import Duration
from mailer.core.once import Once, Per, once_key, period, too_soon


class File(BaseModel):
    trigger: triggers.Trigger
    once: Once = Once()


WRITTEN = [
    pytest.param("manual", triggers.ManualTrigger(), id="manual"),
    pytest.param({"event": "order.placed"}, triggers.EventTrigger(event="order.placed"), id="event"),
    pytest.param(
        {"event": "order.delivered", "after": "7d"},
        triggers.EventTrigger(event="order.delivered", after=Duration(days=7)),
        id="event, later",
    ),
    pytest.param({"cron": "0 10 * * tue"}, triggers.CronTrigger(cron="0 10 * * tue"), id="cron"),
    pytest.param(
        {"cron": "0 10 * * tue", "timezone": "customer"},
        triggers.CronTrigger(cron="0 10 * * tue", timezone="customer"),
        id="cron, customer-local",
    ),
    pytest.param(
        {"at": "2026-12-01T10:00", "timezone": "Europe/Berlin"},
        triggers.AtTrigger(at=datetime(2026, 12, 1, 10), timezone="Europe/Berlin"),  # noqa: DTZ001  # a wall
        id="at",
    ),
    pytest.param(
        {"anniversary": "birthday", "at": "10:00", "set_before": "30d", "leap_day": "mar1"},
        triggers.AnniversaryTrigger(
            anniversary="birthday", at=time(10), set_before=Duration(days=30), leap_day="mar1"
        ),
        id="anniversary",
    ),
    pytest.param({"segment": "champions"}, triggers.SegmentTrigger(segment="champions"), id="segment"),
    pytest.param({"incident": "any"}, triggers.IncidentTrigger(incident="any"), id="incident"),
]


@pytest.mark.parametrize(("written", "expected"), WRITTEN)
def test_what_is_written_is_read(written: Any, expected: Any) -> None:
    file = File.model_validate({"trigger": written})
    assert file.trigger == expected
    assert File.model_validate(file.model_dump(mode="json")) == file
    assert File.model_validate_json(file.model_dump_json()) == file
    assert hash(file.trigger) == hash(expected)


ANY = "a trigger is `manual`, or has one of the keys event, cron, anniversary, segment, incident, at"


@pytest.mark.parametrize(
    ("written", "path", "sentence"),
    [
        pytest.param("manul", (), ANY, id="another word"),
        pytest.param({}, (), ANY, id="empty"),
        pytest.param(None, (), ANY, id="nothing"),
        pytest.param({"evnt": "order.placed"}, (), ANY, id="typo in the telling key"),
        pytest.param(
            {"event": "a", "aftr": "1d"}, ("EventTrigger", "aftr"), "not permitted", id="typo beside it"
        ),
        pytest.param(
            {"event": "a", "cron": "* * * * *"}, ("EventTrigger", "cron"), "not permitted", id="two kinds"
        ),
        pytest.param({"event": " "}, ("EventTrigger", "event"), "at least 1 character", id="no name"),
        pytest.param(
            {"event": "a", "after": "10"}, ("EventTrigger", "after"), "not a duration", id="no unit"
        ),
        pytest.param({"cron": "0 10 31 2 *"}, ("CronTrigger", "cron"), "never fires", id="impossible cron"),
        pytest.param({"cron": 5}, ("CronTrigger", "cron"), "valid string", id="a number for a cron"),
        pytest.param(
            {"cron": "0 10 * * 1", "timezone": "Berlin"}, ("CronTrigger", "timezone"), "IANA name", id="zone"
        ),
        pytest.param({"at": "2026-02-30T10:00"}, ("AtTrigger", "at"), "no calendar has", id="30 February"),
        pytest.param({"at": "2026-02-01"}, ("AtTrigger", "at"), "write it as 2026-12-01T10:00", id="no time"),
        pytest.param({"at": "2026-12-01T10:00Z"}, ("AtTrigger", "at"), "without zone", id="an instant"),
        pytest.param(
            {"at": datetime(2026, 12, 1, tzinfo=UTC)}, ("AtTrigger", "at"), "without zone", id="aware"
        ),
        pytest.param(
            {"at": date(2026, 12, 1)}, ("AtTrigger", "at"), "'2026-12-01' is not a day and", id="a date"
        ),
        pytest.param(
            {"anniversary": "b", "at": "24:00"}, ("AnniversaryTrigger", "at"), "time of day", id="24:00"
        ),
        pytest.param(
            {"anniversary": "b", "at": "9:00"}, ("AnniversaryTrigger", "at"), "time of day", id="9:00"
        ),
        pytest.param(
            {"anniversary": "b", "at": 600}, ("AnniversaryTrigger", "at"), "time of day", id="YAML 1.1"
        ),
        pytest.param(
            {"anniversary": "b", "leap_day": "x"}, ("AnniversaryTrigger", "leap_day"), "feb28", id="leap"
        ),
        pytest.param({"incident": "all"}, ("IncidentTrigger", "incident"), "'any'", id="incident"),
    ],
)
def test_one_fault_is_one_error_with_its_path(written: Any, path: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ValidationError) as refused:
        File.model_validate({"trigger": written})
    (error,) = refused.value.errors()
    assert error["loc"] == ("trigger", *path)
    assert sentence in error["msg"]


def test_the_tags_in_a_path_are_no_keys() -> None:
    keys = {
        key
        for model in vars(triggers).values()
        if isinstance(model, type) and issubclass(model, BaseModel)
        for key in model.model_fields
    }
    assert all(not key[0].isupper() for key in keys)


def test_a_wall_time_of_a_reader_with_its_own_class_becomes_plain() -> None:
    class Stamp(datetime):
        pass

    read = triggers.AtTrigger(at=Stamp(2026, 12, 1, 10))
    assert type(read.at) is datetime


def test_the_schema_offers_what_may_be_written() -> None:
    schema = TypeAdapter(File).json_schema()
    models = schema["$defs"]
    assert len(schema["properties"]["trigger"]["oneOf"]) == 7
    assert models["ManualTrigger"]["const"] == "manual"
    assert models["AnniversaryTrigger"]["properties"]["at"]["default"] == "10:00"
    assert models["EventTrigger"]["properties"]["after"]["default"] == "0s"
    assert models["Once"]["anyOf"][0]["enum"] == ["run", "day", "week", "quarter", "year", "ever"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("ever", Once(per="ever"), id="word"),
        pytest.param({"per": "year", "gap": "330d"}, Once(per="year", gap=Duration(days=330)), id="mapping"),
        pytest.param({"gap": "30d"}, Once(per="run", gap=Duration(days=30)), id="gap alone"),
    ],
)
def test_once(written: Any, expected: Once) -> None:
    file = File.model_validate({"trigger": "manual", "once": written})
    assert file.once == expected
    assert File.model_validate_json(file.model_dump_json()) == file


@pytest.mark.parametrize(
    ("written", "path", "sentence"),
    [
        pytest.param("yearly", ("per",), "'year' or 'ever'", id="another word"),
        pytest.param({"per": "year", "gp": "1d"}, ("gp",), "not permitted", id="typo"),
        pytest.param(3, (), "3 is no rule", id="number"),
    ],
)
def test_once_refused(written: Any, path: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ValidationError) as refused:
        File.model_validate({"trigger": "manual", "once": written})
    (error,) = refused.value.errors()
    assert error["loc"] == ("once", *path)
    assert sentence in error["msg"]


@pytest.mark.parametrize(
    ("per", "day", "expected"),
    [
        pytest.param("run", "2027-05-10", "E7", id="run"),
        pytest.param("day", "2027-05-10", "2027-05-10", id="day"),
        pytest.param("week", "2027-01-03", "2026-W53", id="ISO week of the year before"),
        pytest.param("quarter", "2027-03-31", "2027-Q1", id="end of a quarter"),
        pytest.param("quarter", "2027-04-01", "2027-Q2", id="start of a quarter"),
        pytest.param("year", "2027-12-31", "2027", id="year"),
        pytest.param("ever", "2027-12-31", "", id="ever"),
    ],
)
def test_periods(per: Per, day: str, expected: str) -> None:
    assert period(per, "E7", date.fromisoformat(day)) == expected


@pytest.mark.parametrize(
    ("campaign", "per", "occurrence", "expected"),
    [
        pytest.param("welcome", "ever", "E7", "welcome:C1", id="welcome"),
        pytest.param("offer", "run", "manual:3", "offer:manual:3:C1", id="offer"),
        pytest.param("referral", "quarter", "E7", "referral:C1:2027-Q2", id="referral"),
        pytest.param("newsletter", "run", "2027-05-11", "newsletter:2027-05-11:C1", id="newsletter"),
        pytest.param("birthday", "year", "2027-05-10", "birthday:C1:2027", id="birthday"),
    ],
)
def test_once_keys_of_the_stock_campaigns(campaign: str, per: Per, occurrence: str, expected: str) -> None:
    assert once_key(campaign, "C1", per, occurrence, date(2027, 5, 10)) == expected


def test_customers_never_share_a_once_key() -> None:
    day = date(2027, 5, 10)
    assert once_key("c", "2:b", "run", "e", day) != once_key("c", "b", "run", "e:2", day)
    assert once_key("c", "a:2027", "ever", "e", day) != once_key("c", "a", "year", "e", day)
    assert once_key("c", "a:b", "ever", "e", day) != once_key("c", "a%3Ab", "ever", "e", day)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        pytest.param(None, False, id="never"),
        pytest.param("2026-06-14T07:00:05+00:00", False, id="330 dates before, some seconds late"),
        pytest.param("2026-06-15T07:00:00+00:00", True, id="329 dates before"),
    ],
)
def test_the_gap(last: str | None, expected: bool) -> None:
    once = Once(per="year", gap=Duration(days=330))
    due = datetime(2027, 5, 10, 7, tzinfo=UTC)
    before = datetime.fromisoformat(last) if last else None
    assert too_soon(before, due, once, ZoneInfo("Europe/Istanbul")) is expected
    assert not too_soon(before, due, Once(per="year"), ZoneInfo("Europe/Istanbul"))
