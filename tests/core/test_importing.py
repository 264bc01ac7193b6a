from __future__ import annotations

import pytest

from mailer.core.cell import CellFault
from mailer.core.customer_row import FIELDS
from mailer.core.importing import MOST_EXAMPLES, Alike, Change, Columns, ImportReport, Row, RowFault
from mailer.core.point_row import read_point
from mailer.core.zones import Zones
from mailer.errors import UsageError
from mailer.files.zones import load_zones


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("id", "id"),
        (" ID ", "id"),
        ("E-mail", "email"),
        ("First Name", "first_name"),
        ("FIRSTNAME", "first_name"),
        ("postal-code", "postal_code"),
        ("Doğum Günü", "Doğum Günü"),
        (" favourite colour ", "favourite colour"),
        ("name; DROP", "name; DROP"),
        ("attrs->>'x')--", "attrs->>'x')--"),
    ],
)
def test_a_column_is_found_whatever_its_case(column: str, field: str) -> None:
    assert Columns(FIELDS).field(column) == field


@pytest.mark.parametrize("column", ['a"b', "a\\b", "a\nb", "a\0b", "x" * 101, " "])
def test_some_names_name_no_attribute(column: str) -> None:
    with pytest.raises(CellFault):
        Columns(FIELDS).field(column)


def test_a_column_can_be_renamed_to_a_field_or_an_attribute() -> None:
    columns = Columns.mapped(FIELDS, ["E-Posta=email", "Müşteri No=id", "Doğum=birthday", "a=b=city"])
    assert columns.field("E-Posta") == "email"
    assert columns.field("e posta") == "email"
    assert columns.field("Müşteri No") == "id"
    assert columns.field("Doğum") == "birthday"
    assert columns.field("a=b") == "city"


@pytest.mark.parametrize("maps", [["email"], ["=email"], ["A="], ["A=email", "A=id"], ['A=x"y']])
def test_a_renaming_that_cannot_be_read_is_wrong_usage(maps: list[str]) -> None:
    with pytest.raises(UsageError):
        Columns.mapped(FIELDS, maps)


def test_the_report_is_the_contracts_and_keeps_only_a_few_examples() -> None:
    report = ImportReport(created=2, rejected=[RowFault(3, "email", "No.")])
    report.show([Change(str(n), "id", None, n) for n in range(MOST_EXAMPLES)])
    assert report.changed == len(report.changes) == MOST_EXAMPLES
    report.show([Change(str(n), "id", None, n) for n in range(980)])
    report.warn(RowFault(n, "timezone", "Unknown.") for n in range(1000))
    assert report.as_json() == {
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "rejected": [{"line": 3, "field": "email", "reason": "No."}],
    }
    assert (len(report.changes), len(report.warnings), report.changed) == (MOST_EXAMPLES, MOST_EXAMPLES, 1000)
    assert report.alike == {("timezone", "Unknown."): Alike(1000, [0, 1, 2, 3, 4])}


@pytest.mark.parametrize(
    ("timezone", "country", "zone"),
    [
        ("Europe/Berlin", "TR", "Europe/Berlin"),
        ("europe/istanbul", "", "Europe/Istanbul"),
        ("America/New York", "", "America/New_York"),
        ("", "TR", "Europe/Istanbul"),
        ("", "DE", "Europe/Berlin"),
        ("", "UK", "Europe/London"),
        ("", "US", None),
        ("", "ES", None),
        ("", "KI", None),
        ("", "ZZ", None),
        ("Mars/Base", "", None),
        ("Mars/Base", "TR", "Europe/Istanbul"),
        ("", "", None),
    ],
)
def test_a_zone_is_the_customers_then_the_countrys_then_nobodys(
    timezone: str, country: str, zone: str | None
) -> None:
    assert load_zones().resolve(timezone, country) == zone


def test_zones_are_found_by_hand_made_names_too() -> None:
    assert Zones.of(["Etc/UTC"], {}).find("ETC/utc") == "Etc/UTC"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"id": "p"}, "customer"),
        ({"customer": "c"}, "id"),
        ({"customer": "c", "id": "p", "lat": "91"}, "lat"),
        ({"customer": "c", "id": "p", "lon": "east"}, "lon"),
        ({"customer": "c", "id": "p", "label": "a\0"}, "label"),
    ],
)
def test_a_point_that_cannot_be_taken_says_where(values: dict[str, str], field: str) -> None:
    fault = read_point(Row(7, values))
    assert isinstance(fault, RowFault)
    assert (fault.line, fault.field) == (7, field)


def test_so_many_kinds_of_warnings_are_told_apart() -> None:
    report = ImportReport()
    report.warn(RowFault(1, f"column{n}", "Odd.") for n in range(MOST_EXAMPLES + 5))
    report.warn([RowFault(2, "column0", "Odd.")])
    assert len(report.alike) == MOST_EXAMPLES
    assert report.alike["column0", "Odd."] == Alike(2, [1, 2])
