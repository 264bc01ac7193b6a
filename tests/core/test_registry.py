from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.consent import Action
from mailer.core.importing import Row, RowFault
from mailer.core.registry import ISTANBUL, Answered, Due, deadline, read_answer, record, summary, told_from

#: 23 April 2027 is a Friday, and a holiday.
HOLIDAYS = {date(2027, 4, 23)}


@pytest.mark.parametrize(
    ("given_at", "ends"),
    [
        ("2027-05-10T07:00Z", "2027-05-13T21:00Z"),  # Monday: to the end of Thursday
        ("2027-05-10T20:59Z", "2027-05-13T21:00Z"),  # 23:59 in Istanbul is Monday still
        ("2027-05-10T21:00Z", "2027-05-14T21:00Z"),  # and a minute later Tuesday
        ("2027-05-12T07:00Z", "2027-05-17T21:00Z"),  # over a week-end
        ("2027-05-15T07:00Z", "2027-05-19T21:00Z"),  # on a Saturday
        ("2027-04-21T07:00Z", "2027-04-27T21:00Z"),  # over a holiday and a week-end
    ],
)
def test_three_business_days(given_at: str, ends: str) -> None:
    assert deadline(datetime.fromisoformat(given_at), HOLIDAYS) == datetime.fromisoformat(ends)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 (made UTC below)
    st.frozensets(st.dates(date(2020, 1, 1), date(2040, 1, 1)), max_size=20),
)
def test_a_deadline_is_a_midnight_at_least_three_days_on(at: datetime, holidays: frozenset[date]) -> None:
    at = at.replace(tzinfo=UTC)
    end = deadline(at, holidays)
    local = end.astimezone(ISTANBUL)
    last = local.date() - timedelta(days=1)
    assert (local.hour, local.minute) == (0, 0)
    assert last.weekday() < 5
    assert last not in holidays
    assert end - at >= timedelta(days=3)
    assert deadline(at, frozenset()) <= end
    assert deadline(at + timedelta(days=1), holidays) >= end


def test_consent_from_before_counts_from_the_first_day() -> None:
    since = date(2027, 5, 10)
    assert told_from(datetime(2020, 1, 1, tzinfo=UTC), since) == datetime(2027, 5, 9, 21, tzinfo=UTC)
    assert told_from(datetime(2028, 1, 1, tzinfo=UTC), since) == datetime(2028, 1, 1, tzinfo=UTC)


def test_a_record_and_its_answer() -> None:
    at = datetime(2027, 5, 10, 7, tzinfo=UTC)
    due = Due(1, "ayse@example.com", Action.GRANTED, at, at)
    said = record(due, "HS_WEB")
    assert said == {
        "recipient": "ayse@example.com", "recipientType": "BIREYSEL", "type": "EPOSTA", "status": "ONAY",
        "consentDate": "2027-05-10 10:00:00", "source": "HS_WEB",
    }  # fmt: skip
    assert read_answer(Row(1, said), at) == Answered("ayse@example.com", Action.GRANTED, at)
    end = datetime(2027, 5, 13, 21, tzinfo=UTC)
    for now, overdue in ((at, 0), (end - timedelta(seconds=1), 0), (end, 1)):
        assert summary([due], date(2027, 1, 1), (), now) == {
            "waiting": 1, "overdue": overdue, "next_by": None if overdue else end,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "field"),
    [({"recipient": "ayse", "status": "RET"}, "recipient"), ({"recipient": "a@b.c", "status": "HAYIR"}, "status"),
     ({"recipient": "a@b.c"}, "status"), ({"recipient": "a@b.c\0", "status": "RET"}, "recipient"),
     ({"recipient": "a@b.c", "status": "ret", "consentDate": "10.05.2027"}, "consentDate"),
     ({"recipient": "a@b.c", "status": "ONAY", "consentDate": "2030-01-01 00:00:00"}, "consentDate")],
)  # fmt: skip
def test_an_answer_that_cannot_be_taken(values: dict[str, str], field: str) -> None:
    fault = read_answer(Row(7, values), datetime(2027, 5, 10, 7, tzinfo=UTC))
    assert isinstance(fault, RowFault)
    assert (fault.line, fault.field) == (7, field)
