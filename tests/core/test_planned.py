"""Planned work: when it is announced, recalled, and where the calendar takes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.area import Area
from mailer.core.calendar import wall_time
from mailer.core.duration import Duration
from mailer.core.incident import CLOCK, Incident, IncidentState, Update
from mailer.core.incident_change import Change, next_update
from mailer.core.planned import Work, announcing, milestones, next_by_clock, work_of
from mailer.errors import UsageError

ISTANBUL, BERLIN, NEW_YORK, KIRITIMATI = map(
    ZoneInfo, ("Europe/Istanbul", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati")
)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def at(text: str) -> datetime:
    """`02-07 07:00`, in 2027 and UTC."""
    return datetime.fromisoformat(f"2027-{text}+00:00")


CREATED = at("02-05 08:00")
STARTS, ENDS = at("02-09 23:00"), at("02-10 01:00")  # 02-10 02:00 to 04:00 in Istanbul


def planned(**changes: object) -> Incident:
    first = Update(
        number=1, state=IncidentState.SCHEDULED, title="Work", area=Area.of(postal=["34710"]), at=CREATED,
        by="ayse", starts_at=STARTS, ends_at=ENDS, lead="48h",
    )  # fmt: skip
    published = changes.pop("published_at", CREATED)
    return Incident(
        7, planned=True, opened_at=CREATED, updates=(replace(first, **changes),),
        published_at=published,  # type: ignore[arg-type]
    )  # fmt: skip


def after(incident: Incident, change: Change, when: datetime, by: str = "ayse") -> Incident:
    return replace(incident, updates=(*incident.updates, next_update(incident, change, when, by)))


def clock(incident: Incident, when: datetime, *zones: ZoneInfo) -> Incident:
    """The incident where the calendar takes it."""
    while (state := next_by_clock(incident, zones or (ISTANBUL,), when)) is not None:
        incident = after(incident, Change(state=state), when, CLOCK)
    return incident


@pytest.mark.parametrize(
    ("starts", "lead", "zone", "created", "announced", "recalled"),
    [
        ("02-09 23:00", "48h", ISTANBUL, "02-05 08:00", "02-07 07:00", "02-09 07:00"),  # case 18
        ("02-09 23:00", "2d", ISTANBUL, "02-05 08:00", "02-07 07:00", "02-09 07:00"),
        ("02-09 23:00", "48h", NEW_YORK, "02-05 08:00", "02-07 15:00", "02-09 15:00"),
        ("02-09 23:00", "48h", KIRITIMATI, "02-05 08:00", "02-07 20:00", "02-09 20:00"),
        ("02-09 07:00", "48h", ISTANBUL, "02-05 08:00", "02-07 07:00", "02-08 07:00"),  # begins at 10:00
        ("02-09 06:59", "48h", ISTANBUL, "02-05 08:00", "02-06 07:00", "02-08 07:00"),
        ("02-09 07:01", "48h", ISTANBUL, "02-05 08:00", "02-07 07:00", "02-09 07:00"),
        ("02-09 23:00", "12h", ISTANBUL, "02-05 08:00", "02-09 07:00", "02-09 07:00"),  # one mail
        ("02-09 23:00", "7d", ISTANBUL, "02-05 08:00", "02-05 08:00", "02-09 07:00"),  # at once
        ("02-09 23:00", "48h", ISTANBUL, "02-08 12:00", "02-08 12:00", "02-09 07:00"),
        ("02-09 23:00", "48h", ISTANBUL, "02-09 07:00", "02-09 07:00", None),  # the recall would be at once
        ("02-09 23:00", "48h", ISTANBUL, "02-09 20:00", "02-09 20:00", None),
        ("03-29 00:00", "48h", BERLIN, "03-20 08:00", "03-26 09:00", "03-28 08:00"),  # clocks change on 03-28
    ],
)  # fmt: skip
def test_schedule(
    starts: str, lead: str, zone: ZoneInfo, created: str, announced: str, recalled: str | None
) -> None:
    work = Work(at(starts), None, Duration.parse(lead), at(created))
    assert work.announced(zone) == at(announced)
    assert work.recalled(zone) == (at(recalled) if recalled else None)


@given(
    st.integers(0, 2 * 365 * 24 * 60).map(
        lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + minutes * MINUTE
    ),
    st.integers(0, 200),
    st.integers(0, 400),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe", "UTC"]),
)
def test_laws(starts: datetime, lead: int, before: int, name: str) -> None:
    """At ten, in time, at the last such moment; nobody hears before it is published or after it began."""
    zone = ZoneInfo(name)
    work = Work(starts, None, Duration(seconds=lead * 3600), starts - before * HOUR)
    announced, recalled = work.announced(zone), work.recalled(zone)
    if announced != work.since:
        assert wall_time(announced, zone).hour == 10
        assert announced <= starts - lead * HOUR < announced + 26 * HOUR
        assert work.may_be_announced(announced)
    assert announced <= starts
    if recalled is not None:
        assert wall_time(recalled, zone).hour == 10
        assert work.since < recalled < starts <= recalled + 26 * HOUR
        assert work.may_be_recalled(recalled)


def test_since_is_when_this_schedule_was_published() -> None:
    incident = planned()
    assert work_of(planned(published_at=None)) is None
    assert work_of(planned(published_at=CREATED + HOUR)).since == CREATED + HOUR  # type: ignore[union-attr]
    moved = after(incident, Change(starts_at=STARTS + DAY), at("02-08 12:00"))
    talked = after(moved, Change(message="Bring a torch."), at("02-08 15:00"))
    work = work_of(talked)
    assert work == Work(STARTS + DAY, ENDS + DAY, Duration(seconds=48 * 3600), at("02-08 12:00"))


@pytest.mark.parametrize(
    ("when", "zones", "expected"),
    [
        ("02-07 06:59", [ISTANBUL], False),
        ("02-07 07:00", [ISTANBUL], True),
        ("02-07 07:00", [NEW_YORK], False),
        ("02-07 07:00", [NEW_YORK, ISTANBUL], True),
        ("02-07 07:00", [], False),  # nobody is affected
        ("02-01 07:00", [ISTANBUL], False),
    ],
)
def test_announcing(when: str, zones: list[ZoneInfo], expected: bool) -> None:
    assert announcing(planned(), zones, at(when)) is expected


def test_work_that_has_begun_is_told_at_once() -> None:
    assert announcing(clock(planned(), STARTS), [], STARTS)
    assert announcing(Incident(1, planned=False, opened_at=CREATED, updates=planned().updates), [], CREATED)


@pytest.mark.parametrize(
    ("when", "zones", "expected"),
    [
        ("02-07 07:00", [ISTANBUL], ["scheduled"]),
        ("02-09 06:59", [ISTANBUL], ["scheduled"]),
        ("02-09 07:00", [ISTANBUL], ["scheduled", "reminded"]),
        ("02-09 07:00", [NEW_YORK], ["scheduled"]),
        ("02-09 07:00", [NEW_YORK, ISTANBUL], ["scheduled", "reminded"]),
        ("02-09 22:59", [ISTANBUL], ["scheduled", "reminded"]),
        ("02-09 23:00", [ISTANBUL], ["scheduled", "in_progress"]),
        ("02-10 00:59", [ISTANBUL], ["scheduled", "in_progress"]),
    ],
)
def test_the_calendar_moves_it(when: str, zones: list[ZoneInfo], expected: list[str]) -> None:
    assert [update.state for update in clock(planned(), at(when), *zones).updates] == expected


def test_from_start_to_end() -> None:
    incident = planned()
    for when in ("02-07 07:00", "02-09 07:00", "02-09 12:00", "02-09 23:00", "02-10 01:00", "02-12 01:00"):
        incident = clock(incident, at(when))
    states = [(update.state.value, update.silent) for update in incident.updates]
    assert states == [("scheduled", False), ("reminded", False), ("in_progress", True), ("completed", True)]
    assert incident.news == 1  # a reminder of what is over is none
    done = after(incident, Change(state=IncidentState.COMPLETED), at("02-12 02:00"))
    assert done.news == 5  # a person says that it is done
    with pytest.raises(UsageError, match="open a new one"):
        after(done, Change(message="More."), at("02-12 03:00"))


def test_who_writes_after_the_end_knows_that_it_goes_on() -> None:
    incident = clock(clock(planned(), STARTS), ENDS)
    assert incident.current.state is IncidentState.COMPLETED
    late = after(incident, Change(message="It takes longer."), ENDS + HOUR)
    assert (late.current.state, late.news) == ("in_progress", 4)
    assert clock(late, ENDS + 2 * HOUR) == late
    longer = after(late, Change(ends_at=ENDS + 4 * HOUR), ENDS + 2 * HOUR)
    assert clock(longer, ENDS + 4 * HOUR).current.state is IncidentState.COMPLETED


def test_no_end_no_completion() -> None:
    incident = clock(planned(ends_at=None), ENDS + 9 * DAY)
    assert incident.current.state is IncidentState.IN_PROGRESS


@pytest.mark.parametrize(
    ("change", "state", "starts", "ends"),
    [
        (Change(starts_at=STARTS + DAY), "rescheduled", STARTS + DAY, ENDS + DAY),
        (Change(starts_at=STARTS + DAY, ends_at=ENDS + 2 * DAY), "rescheduled", STARTS + DAY, ENDS + 2 * DAY),
        (Change(ends_at=ENDS + HOUR), "scheduled", STARTS, ENDS + HOUR),
        (Change(state=IncidentState.RESCHEDULED, ends_at=ENDS + HOUR), "rescheduled", STARTS, ENDS + HOUR),
        (Change(message="x"), "scheduled", STARTS, ENDS),
    ],
)
def test_moved(change: Change, state: str, starts: datetime, ends: datetime) -> None:
    new = after(planned(), change, at("02-08 12:00")).current
    assert (new.state, new.starts_at, new.ends_at) == (state, starts, ends)


def test_a_draft_that_moves_was_announced_to_nobody() -> None:
    draft = after(planned(published_at=None), Change(starts_at=STARTS + DAY), at("02-08 12:00"))
    assert draft.current.state is IncidentState.SCHEDULED


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (Change(state=IncidentState.RESCHEDULED), "Say to when the work moves"),
        (Change(state=IncidentState.RESCHEDULED, starts_at=STARTS), "Say to when the work moves"),
        (Change(starts_at=STARTS), "stands so already"),
        (Change(starts_at=at("02-08 12:00")), "start of the work, 2027-02-08T12:00:00Z, is already over"),
        (Change(ends_at=at("02-08 12:00")), "end of the work, 2027-02-08T12:00:00Z, is already over"),
        (Change(starts_at=STARTS + DAY, ends_at=ENDS), "before its start"),
        (Change(lead="soon", message="x"), "--lead: 'soon' is not a duration"),
        (Change(state=IncidentState.RESOLVED), "cannot become resolved"),
    ],
)
def test_move_refused(change: Change, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        after(planned(), change, at("02-08 12:00"))


def test_an_outage_has_no_schedule() -> None:
    outage = replace(planned(state=IncidentState.INVESTIGATING, starts_at=None, ends_at=None), planned=False)
    with pytest.raises(UsageError, match="is no planned work"):
        after(outage, Change(starts_at=STARTS), at("02-08 12:00"))


def test_milestones() -> None:
    assert sorted(milestones(planned(), [ISTANBUL, NEW_YORK])) == [
        at("02-07 07:00"), at("02-07 15:00"), at("02-09 07:00"), at("02-09 15:00"), STARTS, ENDS,
    ]  # fmt: skip
    assert milestones(after(planned(), Change(state=IncidentState.CANCELLED), at("02-08 12:00")), []) == set()
