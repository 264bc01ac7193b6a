from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailer.core.cell import instant_of
from mailer.core.customer import PartialDate
from mailer.core.customer_row import CustomerReader, CustomerRow
from mailer.core.event_row import EventReader, EventRow
from mailer.core.importing import Row
from mailer.core.point_row import PointRow, read_point
from mailer.demo import data
from mailer.files.zones import load_zones

ISTANBUL = ZoneInfo("Europe/Istanbul")
NOON = datetime(2026, 11, 24, 9, tzinfo=UTC)

instants = st.datetimes(datetime(2026, 1, 1), datetime(2033, 1, 1)).map(lambda wall: wall.replace(tzinfo=UTC))  # noqa: DTZ001 (given its zone at once)


def awake(person: dict[str, object], now: datetime) -> bool:
    return 10 <= now.astimezone(ZoneInfo(str(person["timezone"]))).hour < 21


def born_today(now: datetime) -> list[dict[str, object]]:
    chosen = data._roles(data._people(), now).birthday
    return [person for person in data.demo_customers(now) if person["id"] in chosen]


def test_every_customer_can_be_imported() -> None:
    reader = CustomerReader(load_zones(), ISTANBUL)
    read = [reader.read(Row(line, row)) for line, row in enumerate(data.demo_customers(NOON), 2)]
    assert all(isinstance(row, CustomerRow) and not row.warnings for row in read)
    assert len({row.id for row in read if isinstance(row, CustomerRow)}) == len(read) >= 40


def test_every_event_and_point_can_be_imported() -> None:
    reader = EventReader(ISTANBUL)
    events = [*data.demo_events(NOON), *data.demo_posts(NOON)]
    assert all(isinstance(reader.read(Row(1, event)), EventRow) for event in events)
    assert len({event["id"] for event in events}) == len(events)
    assert all(isinstance(read_point(Row(1, point)), PointRow) for point in data.demo_points())
    known = {person["id"] for person in data.demo_customers(NOON)}
    assert {event["customer"] for event in events} - {None} <= known
    assert {point["customer"] for point in data.demo_points()} <= known


def test_nobody_real_can_be_written_to() -> None:
    addresses = [person["email"] for person in data.demo_customers(NOON) if person["email"]]
    assert all(address.rpartition(".")[2] == "example" for address in addresses)


@settings(max_examples=60)
@given(instants)
@example(datetime(2026, 8, 17, 19, tzinfo=UTC))  # somebody's birthday by their own data, too
def test_at_any_hour_somebody_awake_has_their_birthday_in_each_language(now: datetime) -> None:
    # Others may have their birthday on the same day by their own data, and be asleep.
    celebrating = [person for person in born_today(now) if awake(person, now)]
    assert {str(person["locale"])[:2] for person in celebrating} == {"tr", "en"}
    for person in celebrating:
        born = PartialDate.parse(str(person["birthday"]))
        today = now.astimezone(ZoneInfo(str(person["timezone"])))
        assert born is not None
        assert (born.month, born.day) == (today.month, today.day)
        assert not born.placeholder


@settings(max_examples=60)
@given(instants)
def test_at_any_hour_an_order_turns_a_week_old_for_somebody_awake(now: datetime) -> None:
    people = {person["id"]: person for person in data.demo_customers(now)}
    events = data.demo_events(now)
    due = []
    for event in events:
        if event["name"] == "order.delivered":
            local = instant_of(event["at"], UTC).astimezone(ZoneInfo(people[event["customer"]]["timezone"]))  # type: ignore[union-attr] - it was written as an instant
            if (local + timedelta(days=7)).astimezone(UTC) == now:
                due.append(event["customer"])
    assert {people[customer]["locale"][:2] for customer in due} == {"tr", "en"}
    for customer in due:
        assert awake(people[customer], now)
        placed = [
            event for event in events if event["customer"] == customer and event["name"] == "order.placed"
        ]
        assert len(placed) >= 2


@settings(max_examples=30)
@given(instants)
def test_the_demo_has_no_clock_of_its_own(now: datetime) -> None:
    assert data.demo_customers(now) == data.demo_customers(now)
    events = [*data.demo_events(now), *data.demo_posts(now)]
    assert events == [*data.demo_events(now), *data.demo_posts(now)]
    assert all((instant_of(event["at"], UTC) or now) <= now for event in events)


def test_the_outage_reaches_people_with_one_two_and_no_address() -> None:
    codes = tuple(code.rstrip("*") for code in data.demo_incident()["postal"])
    affected = [point["customer"] for point in data.demo_points() if point["postal_code"].startswith(codes)]
    assert len(affected) - len(set(affected)) == 1
    addresses = {person["id"]: person["email"] for person in data.demo_customers(NOON)}
    assert [customer for customer in affected if not addresses[customer]] == ["K1013"]


@pytest.mark.parametrize("year", [2028, 2032])
def test_a_demo_on_29_february_has_birthdays(year: int) -> None:
    for person in born_today(datetime(year, 2, 29, 9, tzinfo=UTC)):
        assert PartialDate.parse(str(person["birthday"])) is not None
