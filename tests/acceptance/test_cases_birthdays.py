"""Cases 1 to 5: anniversaries in every zone, on days and at hours that are not everywhere. One more is one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.acceptance.conftest import OpenShop
from tests.acceptance.plays import (
    Play,
    Step,
    Told,
    both,
    look,
    people,
    played,
    rehearse,
    sent,
    shop_of,
    skipped,
)

#: At hours that the clocks skip or show twice; service, so that neither night nor cap is in the way.
ODD = {"purpose": "service", "catch_up": "24h"}
MARCH = ODD | {"trigger": {"anniversary": "met", "at": "10:00", "leap_day": "mar1"}}
EARLY = ODD | {"trigger": {"anniversary": "moved_in", "at": "02:15"}}
DAWN = ODD | {"trigger": {"anniversary": "moved_in", "at": "01:45"}}


def birthday(day: str, name: str, at: str) -> Told:
    return sent("birthday", day, name, at)


def days(*windows: tuple[str, str, str]) -> list[Step]:
    """From, until and the instants between at which to look: rehearsed, and then played."""
    steps: list[Step] = []
    for start, until, moments in windows:
        steps += [rehearse(f"{start}Z", f"{until}Z"), *look(*(f"{moment}Z" for moment in moments.split()))]
    return steps


def play(timeline: Sequence[Step], *expected: Told, **more: Any) -> Play:
    return Play(timeline, expected, stock=("birthday",), **more)


PLAYS = {
    "cases 1 and 2": play(
        [people("2027-01-01T00:00:00Z",
                {"id": "leap", "birthday": "1992-02-29"},
                {"id": "march", "met": "1992-02-29"},
                {"id": "first", "birthday": "--05-10", "timezone": "Pacific/Kiritimati"},
                {"id": "last", "birthday": "--05-10", "timezone": "Pacific/Pago_Pago"},
                {"id": "moves", "birthday": "--05-10"},
                {"id": "edits", "birthday": "--05-10"}),
         *days(("2027-02-28T00:00", "2027-03-02T00:00", "2027-02-28T07:00 2027-03-01T07:00"),
               ("2027-05-09T12:00", "2027-05-11T12:00", "2027-05-09T20:00 2027-05-10T07:00")),
         people("2027-05-10T12:00:00Z", {"id": "moves", "timezone": "Pacific/Pago_Pago"},
                {"id": "edits", "birthday": "--06-15"}),
         *look("2027-05-10T21:00:00Z"),
         *days(("2027-06-15T00:00", "2027-06-16T00:00", "2027-06-15T07:00"),
               ("2028-02-28T00:00", "2028-03-02T00:00", "2028-02-29T07:00 2028-03-01T07:00"))],
        birthday("2027-02-28", "leap", "2027-02-28T07:00:00Z"),
        sent("march", "2027-03-01", "march", "2027-03-01T07:00:00Z"),
        birthday("2027-05-10", "first", "2027-05-09T20:00:00Z"),
        birthday("2027-05-10", "last", "2027-05-10T21:00:00Z"),
        birthday("2027-05-10", "moves", "2027-05-10T07:00:00Z"),  # and not again by the clocks of the new place
        birthday("2027-05-10", "edits", "2027-05-10T07:00:00Z"),
        skipped("birthday", "2027-06-15", "edits", "too_soon"),
        birthday("2028-02-29", "leap", "2028-02-29T07:00:00Z"),
        sent("march", "2028-02-29", "march", "2028-02-29T07:00:00Z"),
        own={"march": MARCH},
    ),
    "cases 3 and 4": play(
        [people("2026-11-25T00:00:00Z", {"id": "epoch", "birthday": "1970-01-01"}),
         *days(("2026-12-31T00:00", "2027-01-02T00:00", "2027-01-01T07:00")),
         people("2027-08-01T12:00:00Z", {"id": "late", "birthday": "1985-08-11"}),
         *days(("2027-08-11T00:00", "2027-08-12T00:00", "2027-08-11T07:00"),
               ("2028-08-11T00:00", "2028-08-12T00:00", "2028-08-11T07:00"))],
        skipped("birthday", "2027-01-01", "epoch", "unconfirmed_date"),
        skipped("birthday", "2027-08-11", "late", "too_soon"),
        birthday("2028-08-11", "late", "2028-08-11T07:00:00Z"),
    ),
    "a day that never was": play(  # in Apia, 30 December 2011 was left out
        [people("2011-06-01T00:00:00Z", {"id": "apia", "birthday": "--12-30", "timezone": "Pacific/Apia"}),
         *days(("2011-12-29T00:00", "2012-01-01T00:00", "2011-12-29T20:00 2011-12-30T20:00 2011-12-31T20:00"))],
        birthday("2011-12-30", "apia", "2011-12-30T20:00:00Z"),
    ),
    "hours that are skipped and hours that come twice": play(
        [people("2027-02-01T00:00:00Z",
                {"id": "skipped", "moved_in": "--03-28", "timezone": "Europe/Berlin"},
                {"id": "half", "moved_in": "--04-04", "timezone": "Australia/Lord_Howe"},
                {"id": "ten", "birthday": "--03-28", "timezone": "Europe/Berlin"}),
         *days(("2027-03-28T00:00", "2027-03-28T12:00", "2027-03-28T00:45 2027-03-28T01:15 2027-03-28T08:00"),
               ("2027-04-03T12:00", "2027-04-04T12:00", "2027-04-03T14:45 2027-04-03T15:45")),
         people("2027-09-20T00:00:00Z",
                {"id": "half", "moved_in": "--10-03"}, {"id": "skipped", "moved_in": "--10-31"}),
         *days(("2027-10-02T12:00", "2027-10-03T12:00", "2027-10-02T15:15 2027-10-02T15:45"),
               ("2027-10-30T22:00", "2027-10-31T12:00", "2027-10-30T23:45 2027-10-31T00:15 2027-10-31T01:15"))],
        sent("dawn", "2027-03-28", "skipped", "2027-03-28T00:45:00Z"),
        sent("early", "2027-03-28", "skipped", "2027-03-28T01:15:00Z"),  # 03:15 on their clocks
        birthday("2027-03-28", "ten", "2027-03-28T08:00:00Z"),
        sent("dawn", "2027-04-04", "half", "2027-04-03T14:45:00Z"),  # the first 01:45 of two
        sent("early", "2027-04-04", "half", "2027-04-03T15:45:00Z"),
        sent("dawn", "2027-10-03", "half", "2027-10-02T15:15:00Z"),
        sent("early", "2027-10-03", "half", "2027-10-02T15:45:00Z"),  # 02:45 on their clocks
        sent("dawn", "2027-10-31", "skipped", "2027-10-30T23:45:00Z"),
        sent("early", "2027-10-31", "skipped", "2027-10-31T00:15:00Z"),  # the first 02:15 of two
        own={"early": EARLY, "dawn": DAWN},
    ),
    "case 5": Play(  # down from the 5th to the 11th: a rehearsal cannot be asked about that
        [people("2027-01-01T00:00:00Z",
                *({"id": day, "birthday": f"1990-{day}"} for day in ("05-10", "05-08", "05-06")),
                {"id": "72h", "met": "--05-08", "timezone": "Etc/GMT-4"},
                {"id": "71h59", "called": "--05-08", "timezone": "Etc/GMT-4"}),
         *look("2027-05-05T00:00:00Z", "2027-05-11T06:00:00Z")],
        [],
        stock=("birthday",),
        own={"met": MARCH | {"catch_up": "72h"},
             "called": ODD | {"catch_up": "72h", "trigger": {"anniversary": "called", "at": "10:01"}}},
        unforeseen=[
            birthday("2027-05-10", "05-10", "2027-05-11T06:00:00Z"),
            birthday("2027-05-08", "05-08", "2027-05-11T06:00:00Z"),
            skipped("birthday", "2027-05-06", "05-06", "missed"),
            skipped("met", "2027-05-08", "72h", "missed"),  # to the second
            sent("called", "2027-05-08", "71h59", "2027-05-11T06:00:00Z"),
        ],
    ),
    "case 5, had nobody been down": play(
        [people("2027-01-01T00:00:00Z", *({"id": day, "birthday": f"1990-{day}"} for day in ("05-08", "05-10"))),
         *days(("2027-05-08T00:00", "2027-05-11T06:00", "2027-05-08T07:00 2027-05-10T07:00"))],
        birthday("2027-05-08", "05-08", "2027-05-08T07:00:00Z"),
        birthday("2027-05-10", "05-10", "2027-05-10T07:00:00Z"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAYS)
def test_anniversaries(shop: OpenShop, name: str) -> None:
    assert played(PLAYS[name], shop_of(PLAYS[name], shop)) == both(PLAYS[name])
