"""When a notice may leave: not too soon after the last, planned work by day, what is urgent at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mailer.core.area import Area
from mailer.core.incident import CLOCK, Incident, IncidentState, Update
from mailer.core.incident_change import Change, next_update
from mailer.core.pace import Hours, timing
from mailer.core.quiet import QuietHours
from mailer.core.standing import NEW, First, Kind, Standing

HOURS = Hours(ZoneInfo("Europe/Istanbul"), QuietHours.parse("21:00-09:00"))
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
T0 = datetime(2027, 1, 15, 20, tzinfo=UTC)  # 23:00 in Istanbul: an outage has no quiet hours
ETA = T0 + 4 * HOUR


def at(text: str) -> datetime:
    """`02-07 07:00`, in 2027 and UTC."""
    return datetime.fromisoformat(f"2027-{text}+00:00")


def outage(*changes: tuple[int, Change]) -> Incident:
    """An outage with updates so many minutes after its opening."""
    first = Update(1, IncidentState.INVESTIGATING, "Fault", Area.of(postal=["34710"]), T0, "ayse", eta=ETA)
    incident = Incident(7, planned=False, opened_at=T0, updates=(first,), published_at=T0)
    for minutes, change in changes:
        incident = after(incident, change, T0 + minutes * MINUTE)
    return incident


def after(incident: Incident, change: Change, when: datetime, by: str = "ayse") -> Incident:
    return replace(incident, updates=(*incident.updates, next_update(incident, change, when, by)))


SAYS = Change(message="Found it.")
IDENTIFIED = Change(state=IncidentState.IDENTIFIED)


@pytest.mark.parametrize(
    ("told", "changes", "minutes"),
    [
        pytest.param(1, [(3, SAYS)], 15, id="too_soon"),
        pytest.param(1, [(15, SAYS)], 15, id="just_in_time"),
        pytest.param(1, [(40, SAYS)], 40, id="long_ago"),
        pytest.param(1, [(3, SAYS), (6, Change(message="b")), (9, Change(message="c"))], 15, id="coalesced"),
        pytest.param(1, [(3, IDENTIFIED)], 3, id="state_change"),
        pytest.param(1, [(3, IDENTIFIED), (6, SAYS)], 6, id="state_they_do_not_know"),
        pytest.param(2, [(0, IDENTIFIED), (6, SAYS)], 15, id="state_they_know"),
        pytest.param(1, [(3, Change(eta=ETA + 30 * MINUTE))], 15, id="slip_of_30"),
        pytest.param(1, [(3, Change(eta=ETA + 31 * MINUTE))], 3, id="slip_of_31"),
        pytest.param(
            1, [(3, Change(eta=ETA + 20 * MINUTE)), (6, Change(eta=ETA + 40 * MINUTE))], 6, id="slips_add_up"
        ),
        pytest.param(1, [(3, Change(eta=ETA - HOUR))], 15, id="sooner_than_thought"),
        pytest.param(1, [(3, Change(clear=["eta"]))], 3, id="estimate_withdrawn"),
        pytest.param(1, [(3, Change(message="Boil water.", urgent=True))], 3, id="urgent"),
        pytest.param(
            1, [(3, Change(message="Boil water.", urgent=True)), (6, SAYS)], 6, id="urgent_and_not_left"
        ),
        pytest.param(
            2, [(0, Change(message="Boil water.", urgent=True)), (6, SAYS)], 15, id="urgent_and_told"
        ),
        pytest.param(1, [(3, Change(state=IncidentState.RESOLVED))], 3, id="resolved"),
    ],
)
def test_pace(told: int, changes: list[tuple[int, Change]], minutes: int) -> None:
    incident = outage(*changes)
    known = Standing(first=First.ACCEPTED, newest=told, last_at=T0)
    kind = Kind.CLOSURE if incident.current.closes else Kind.UPDATE
    found = timing(incident, kind, known, None, HOURS, incident.current.at)
    assert (found.due_at, found.not_before) == (incident.current.at, T0 + minutes * MINUTE)


@pytest.mark.parametrize("kind", [Kind.FIRST, Kind.UNAFFECTED, Kind.CLOSURE])
def test_only_updates_keep_the_pace(kind: Kind) -> None:
    now = T0 + 3 * MINUTE
    assert timing(outage((3, SAYS)), kind, Standing(newest=1, last_at=T0), None, HOURS, now).not_before == now


def work(lead: str = "48h", created: str = "02-05 08:00", *, urgent: bool = False) -> Incident:
    """Work on 02-10 from 02:00 to 04:00, Istanbul."""
    first = Update(
        number=1, state=IncidentState.SCHEDULED, title="Work", area=Area.of(postal=["34710"]), at=at(created),
        by="ayse", starts_at=at("02-09 23:00"), ends_at=at("02-10 01:00"), lead=lead, urgent=urgent,
    )  # fmt: skip
    return Incident(
        7, planned=True, opened_at=at(created), updates=(first,), published_at=at(created)
    )  # fmt: skip


NEW_YORK = "America/New_York"


@pytest.mark.parametrize(
    ("incident", "zone", "now", "due", "leaves"),
    [
        pytest.param(work(), None, "02-07 07:00", "02-07 07:00", "02-07 07:00", id="case_18"),
        pytest.param(work(), NEW_YORK, "02-07 07:00", "02-07 15:00", "02-07 15:00", id="elsewhere_later"),
        pytest.param(work(), None, "02-07 09:30", "02-07 09:30", "02-07 09:30", id="planned_late"),
        pytest.param(
            work(created="02-08 02:00"), None, "02-08 02:00", "02-08 02:00", "02-08 06:00", id="by_day"
        ),
        pytest.param(
            work(created="02-08 19:00"), None, "02-08 19:00", "02-08 19:00", "02-09 06:00", id="next_morning"
        ),
        pytest.param(
            work(created="02-09 19:00"), None, "02-09 19:00", "02-09 19:00", "02-09 19:00", id="no_day_left"
        ),
        pytest.param(
            work(created="02-08 02:00", urgent=True), None, "02-08 02:00", "02-08 02:00", "02-08 02:00",
            id="urgent",
        ),
    ],
)  # fmt: skip
def test_first_notice_of_planned_work(
    incident: Incident, zone: str | None, now: str, due: str, leaves: str
) -> None:
    found = timing(incident, Kind.FIRST, Standing(), zone, HOURS, at(now))
    assert (found.due_at, found.not_before) == (at(due), at(leaves))


TOLD = Standing(first=First.ACCEPTED, newest=1, last_at=at("02-07 07:00"))


@pytest.mark.parametrize(
    ("change", "by", "zone", "when", "leaves"),
    [
        pytest.param(IncidentState.REMINDED, CLOCK, None, "02-09 07:00", "02-09 07:00", id="reminder"),
        pytest.param(IncidentState.REMINDED, CLOCK, NEW_YORK, "02-09 07:00", "02-09 15:00", id="elsewhere"),
        pytest.param(IncidentState.REMINDED, "ayse", NEW_YORK, "02-08 15:00", "02-08 15:00", id="by_hand"),
        pytest.param(IncidentState.RESCHEDULED, "ayse", None, "02-08 12:00", "02-08 12:00", id="moved"),
        pytest.param(IncidentState.RESCHEDULED, "ayse", None, "02-08 19:00", "02-09 06:00", id="moved_late"),
        pytest.param(
            IncidentState.RESCHEDULED, "ayse", None, "02-09 19:00", "02-09 19:00", id="moved_that_night"
        ),
        pytest.param(IncidentState.CANCELLED, "ayse", None, "02-08 19:00", "02-09 06:00", id="called_off"),
        pytest.param(
            IncidentState.CANCELLED, "ayse", None, "02-09 19:00", "02-09 19:00", id="called_off_that_night"
        ),
    ],
)
def test_more_of_planned_work(
    change: IncidentState, by: str, zone: str | None, when: str, leaves: str
) -> None:
    moved = at("02-12 23:00") if change is IncidentState.RESCHEDULED else None
    incident = after(work(), Change(state=change, starts_at=moved), at(when), by)
    kind = Kind.CLOSURE if incident.current.closes else Kind.UPDATE
    assert timing(incident, kind, TOLD, zone, HOURS, at(when)).not_before == at(leaves)


@pytest.mark.parametrize(
    ("when", "leaves"), [("02-10 00:30", "02-10 06:00"), ("02-10 08:00", "02-10 08:00")], ids=["night", "day"]
)
def test_done_is_told_by_day(when: str, leaves: str) -> None:
    begun = after(work(), Change(state=IncidentState.IN_PROGRESS), at("02-09 23:00"), CLOCK)
    done = after(begun, Change(state=IncidentState.COMPLETED), at(when))
    assert timing(done, Kind.CLOSURE, TOLD, None, HOURS, at(when)).not_before == at(leaves)


def test_work_that_takes_longer_is_told_in_the_night() -> None:
    begun = after(work(), Change(state=IncidentState.IN_PROGRESS), at("02-09 23:00"), CLOCK)
    longer = after(begun, Change(ends_at=at("02-10 03:00")), at("02-10 00:30"))
    assert timing(longer, Kind.UPDATE, TOLD, None, HOURS, at("02-10 00:30")).not_before == at("02-10 00:30")


def test_work_that_begins_as_the_night_ends_is_told_in_the_night() -> None:
    incident = work(created="02-09 20:00")
    first = replace(incident.current, starts_at=at("02-10 06:00"), ends_at=at("02-10 08:00"))
    late = replace(incident, updates=(first,))
    assert timing(late, Kind.FIRST, NEW, None, HOURS, at("02-09 20:00")).not_before == at("02-09 20:00")
