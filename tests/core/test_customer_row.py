from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailer.core.consent import Action, Entry, Standing, Via
from mailer.core.customer import PartialDate
from mailer.core.customer_row import CustomerReader, CustomerRow
from mailer.core.event_row import EventReader, EventRow, doubt
from mailer.core.importing import Row, RowFault
from mailer.core.merge import Fate, Merged, Stored, merge
from mailer.files.zones import load_zones

NOW = datetime(2027, 5, 10, 7, 0, tzinfo=UTC)
ISTANBUL = ZoneInfo("Europe/Istanbul")


def read(**values: Any) -> CustomerRow | RowFault:
    return CustomerReader(load_zones(), ISTANBUL).read(Row(7, {"id": "c1", **values}))


def taken(**values: Any) -> CustomerRow:
    row = read(**values)
    assert isinstance(row, CustomerRow)
    return row


def met(stored: Stored | None, *, barred: bool = False, **values: Any) -> Merged:
    return merge(stored, taken(**values), load_zones(), NOW, barred=barred)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("id", "x" * 201),
        ("id", "a\nb"),
        ("id", True),
        ("email", "a@b,c@d"),
        ("email", "a@b.c\r\nRCPT TO:<e>"),
        ("first_name", "Ali\r\nBcc: e@e.com"),
        ("last_name", "a\u2028b"),
        ("first_name", "a\0b"),
        ("country", "Türkiye"),
        ("created_at", "yesterday"),
        ("consent", "perhaps"),
        ("consent_at", "10/05/2027"),
        ("services", {"fibre": 1}),
        ("city", "a\0b"),
        ("postal_code", ["34710"]),
    ],
)
def test_a_row_that_cannot_be_taken_says_where_and_why(field: str, value: Any) -> None:
    fault = read(**{field: value})
    assert isinstance(fault, RowFault)
    assert (fault.line, fault.field) == (7, field)
    assert fault.reason.endswith(".")


def test_every_field_in_its_normal_form() -> None:
    row = taken(
        email=" Ayse@B.co ", first_name="Ayşe", locale="tr_TR", timezone="europe/istanbul", country="tr",
        postal_code=34710, created_at="2026-01-01", services="fibre; tv", consent="evet",
        consent_at="2026-01-02", consent_source="web", city=" İzmir ", score=4,
    )  # fmt: skip
    assert row.fields == {
        "email": "Ayse@B.co",
        "first_name": "Ayşe",
        "locale": "tr-TR",
        "timezone": "Europe/Istanbul",
        "country": "TR",
        "postal_code": "34710",
        "created_at": datetime(2025, 12, 31, 21, tzinfo=UTC),
        "services": ("fibre", "tv"),
    }
    assert row.attributes == {"city": "İzmir", "score": 4}
    assert (row.consent, row.consent_at, row.consent_source) == (
        True,
        datetime(2026, 1, 1, 21, tzinfo=UTC),
        "web",
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timezone", "Mars/Base"),
        ("locale", "Türkçe"),
        ("birthday", "10/05/1990"),
        ("birthday", "31.04.1990"),
        ("total", "1.250,50"),
        ("total", "850,00"),
        ("email", "İSMAİL@posta.example"),
        ("postal_code", "6690"),
        ("birthday", "1990-02-30"),
        ("birthday", "--02-30"),
    ],
)
def test_what_falls_back_never_loses_the_customer(field: str, value: str) -> None:
    row = CustomerReader(load_zones(), ISTANBUL, "TR").read(Row(7, {"id": "c1", field: value}))
    assert isinstance(row, CustomerRow)
    assert [(warning.line, warning.field) for warning in row.warnings] == [(7, field)]
    if field == "timezone":  # nobody loses a zone that was known
        assert "keeps the one they had" in row.warnings[0].reason
    kept = row.fields if field in {"email", "postal_code"} else row.attributes
    assert kept.get(field) == (None if field in {"timezone", "locale"} else value)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("05.10.1990", "1990-10-05"),
        ("6.5.1979 00:00", "1979-05-06"),
        ("29.02.1992", "1992-02-29"),
        ("29.02.1991", "29.02.1991"),
        ("10.05.1990 13:45:10", "1990-05-10T13:45:10"),
        ("10.05", "10.05"),
        ("192.168.1.1", "192.168.1.1"),
    ],
)
def test_a_date_with_dots_is_kept_as_the_standard_has_it(written: str, kept: str) -> None:
    assert taken(birthday=written).attributes == {"birthday": kept}


@pytest.mark.parametrize(
    ("country", "code", "told"),
    [("", "6690", 1), ("DE", "6690", 0), ("TR", "669", 0), ("TR", "06690", 0), ("TR", "669A", 0)],
)
def test_only_turkish_postal_codes_miss_a_zero(country: str, code: str, told: int) -> None:
    row = CustomerReader(load_zones(), ISTANBUL, "TR").read(
        Row(7, {"id": "c1", "country": country, "postal_code": code})
    )
    assert isinstance(row, CustomerRow)
    assert len(row.warnings) == told


def test_a_placeholder_date_is_counted() -> None:
    assert taken(birthday="1970-01-01", member_since="2020-05-01").placeholders == 1


def test_a_new_customer_has_days_a_zone_and_the_consent_given() -> None:
    one = met(
        None, email="Ayse@B.co", country="DE", birthday="1990-05-10", consent="yes", consent_at="2027-01-01"
    )
    assert one.fate is Fate.CREATED
    assert (one.after.email_key, one.after.zone) == ("ayse@b.co", "Europe/Berlin")
    assert one.days == {"birthday": PartialDate(5, 10, 1990)}
    at = datetime(2026, 12, 31, 21, tzinfo=UTC)
    assert one.entry == Entry(Action.GRANTED, at, Via.IMPORT)
    assert one.after.standing == Standing("yes", at, Via.IMPORT)
    assert one.source == "import"


STORED = Stored(
    "c1", 1, "a@b.co", "Europe/Istanbul",
    {"email": "a@b.co", "country": "TR", "first_name": "Ayşe", "services": ("fibre",)},
    {"birthday": "1990-05-10", "score": 1},
    Standing("yes", NOW - timedelta(days=9), Via.IMPORT),
    (Entry(Action.GRANTED, NOW - timedelta(days=9), Via.IMPORT),),
)  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"email": "a@b.co", "services": "fibre", "birthday": "1990-05-10", "consent": "yes"},
        {"email": "", "first_name": " ", "services": [], "birthday": None, "consent": ""},
        {"consent": "yes", "consent_at": "2027-01-01"},
    ],
    ids=["nothing", "the same", "empty cells", "an older word"],
)
def test_what_changes_nothing(values: dict[str, Any]) -> None:
    one = met(STORED, **values)
    assert (one.fate, one.changes, one.days, one.entry) == (Fate.UNCHANGED, (), {}, None)
    assert one.after is STORED


def test_what_changed_is_listed_field_by_field() -> None:
    one = met(STORED, email="new@b.co", timezone="Asia/Tokyo", score=1.0, city="İzmir", consent="no")
    assert one.fate is Fate.UPDATED
    assert {change.field: (change.old, change.new) for change in one.changes} == {
        "email": ("a@b.co", "new@b.co"),
        "timezone": (None, "Asia/Tokyo"),
        "score": (1, 1.0),
        "city": (None, "İzmir"),
        "consent": ("yes", "no"),
    }
    assert (one.after.email_key, one.after.zone) == ("new@b.co", "Asia/Tokyo")
    assert one.after.fields["first_name"] == "Ayşe"


@pytest.mark.parametrize(
    ("value", "days"),
    [
        ("1990-05-11", {"birthday": PartialDate(5, 11, 1990)}),
        ("1990-05-10T00:00:00Z", {}),
        ("unknown", {"birthday": None}),
    ],
)
def test_a_day_is_set_anew_only_when_it_is_another(value: str, days: dict[str, PartialDate | None]) -> None:
    assert met(STORED, birthday=value).days == days


def test_no_yes_is_taken_for_a_barred_address_and_none_counts_from_the_future() -> None:
    assert met(None, email="a@b.co", consent="yes", barred=True).after.standing == Standing()
    for said, remarks in (("yes", ["consent_at"]), ("no", [])):
        early = met(None, email="a@b.co", consent=said, consent_at="2099-01-01")
        assert early.after.standing == Standing(said, NOW, Via.IMPORT)
        assert early.entry is not None
        assert early.entry.at == NOW
        assert [each.field for each in early.warnings] == remarks
        again = met(early.after, consent=said, consent_at="2099-01-01")
        assert (again.fate, again.warnings) == (Fate.UNCHANGED, ())


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"id": ""}, "id"),
        ({"name": ""}, "name"),
        ({"name": "Order Placed"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"at": ""}, "at"),
        ({"at": "soon"}, "at"),
        ({"customer": ["c1"]}, "customer"),
        ({"properties": [1]}, "properties"),
        ({"properties": "{"}, "properties"),
        ({"properties": '{"net": 1, "net": 2}'}, "properties"),
        ({"properties": {"a\\b": 1}}, "properties"),
        ({"properties": {"net": "much"}}, "properties.net"),
        *(
            ({"properties": {"currency": each}}, "properties.currency")
            for each in ("TL", "₺", "TRYY", 949, "T L", "İRY")
        ),
        ({"properties": {"order": {"id": 1}}}, "properties.order"),
        ({"name": "coupon.redeemed", "properties": {"net": "-0.01"}}, "properties.net"),
        ({"properties": {"net": -5}}, "properties.net"),
        *(
            ({"name": "survey.answered", "properties": {"score": each}}, "properties.score")
            for each in (11, -1, 9.5, "11", "ten", True, [9], "٩", 1e300)
        ),
        ({"properties": {"currency": "Lira"}}, "properties.currency"),
    ],
)
def test_an_event_that_cannot_be_taken_says_where(values: dict[str, Any], field: str) -> None:
    given = {"id": "e1", "customer": "c1", "name": "order.placed", "at": "2027-05-10", **values}
    fault = EventReader(ISTANBUL).read(Row(3, given))
    assert isinstance(fault, RowFault)
    assert (fault.line, fault.field) == (3, field)


def test_an_order_brings_its_reference_and_its_sum() -> None:
    event = EventReader(ISTANBUL).read(
        Row(3, {"id": 17, "customer": 5, "name": "order.placed", "at": "2027-05-10T10:00",
                "properties": {"order": 1001, "net": "129.90", "currency": "try", "note": None}})
    )  # fmt: skip
    assert event == EventRow(
        3, "17", "5", "order.placed", NOW, {"order": 1001, "net": "129.90", "currency": "try"},
        "1001", 1_299_000, "TRY",
    )  # fmt: skip


def test_properties_of_a_csv_are_a_json_cell_or_columns_of_their_own() -> None:
    event = EventReader(ISTANBUL).read(
        Row(
            2,
            {
                "id": "e1",
                "name": "post.published",
                "at": "2027-05-10",
                "title": "A",
                "properties": '{"url": "u"}',
            },
        )
    )
    assert isinstance(event, EventRow)
    assert (event.customer, event.properties) == ("", {"title": "A", "url": "u"})


@pytest.mark.parametrize("net", [True, [1], {"sum": 1}, "true"])
def test_what_is_no_sum_of_money_is_told_what_is(net: object) -> None:
    fault = EventReader(ISTANBUL).read(
        Row(3, {"id": "e1", "name": "order.placed", "at": "2027-05-10", "properties": {"net": net}})
    )
    assert fault == RowFault(
        3, "properties.net", "This is not a sum of money; write a number such as 129.90."
    )


@pytest.mark.parametrize(
    ("name", "properties", "field"),
    [
        ("order.placed", {}, "properties.net"),
        ("order.placed", {"net": 0}, None),
        ("order.refunded", {}, None),
        ("order.refunded", {"net": -5}, None),
        ("coupon.redeemed", {}, None),
        ("post.published", {"url": "https://a.example/"}, "properties.title"),
        ("product.viewed", {}, None),
    ],
)
def test_what_does_less_than_was_meant(name: str, properties: dict[str, Any], field: str | None) -> None:
    event = EventReader(ISTANBUL).read(
        Row(3, {"id": "e1", "name": name, "at": "2027-05-10", "properties": properties})
    )
    assert isinstance(event, EventRow)
    found = doubt(event)
    assert (found and (found.line, found.field)) == (field and (3, field))


@pytest.mark.parametrize(
    ("birthday", "told"),
    [
        ("2030-05-10", 1),
        ("2027-05-11", 1),
        ("2027-05-10", 0),
        ("--12-31", 0),
        ("1990-05-10", 0),
        ("later", 0),
    ],
)
def test_a_birthday_to_come_is_remarked_on(birthday: str, told: int) -> None:
    for stored in (None, met(None, birthday=birthday).after):
        warnings = met(stored, birthday=birthday).warnings
        assert [(each.line, each.field) for each in warnings] == [(7, "birthday")] * told
    assert met(None, member_since=birthday).warnings == ()


@pytest.mark.parametrize("score", [0, 10, "9", 9.0, None, ""])
def test_a_score_is_one_of_the_pages(score: object) -> None:
    given = {"id": "e1", "customer": "c1", "name": "survey.answered", "at": "2027-05-10"}
    event = EventReader(ISTANBUL).read(Row(3, {**given, "properties": {"score": score}}))
    assert isinstance(event, EventRow)
    assert event.properties == ({} if score in (None, "") else {"score": score})


@pytest.mark.parametrize(
    ("value", "same"),
    [("1991-05-10", {"birthday"}), ("--05-10", {"birthday"}), ("1990-06-10", set()), ("no", set())],
)
def test_a_day_whose_year_alone_is_corrected_is_the_day_it_was(value: str, same: set[str]) -> None:
    assert met(STORED, birthday=value).same_days == same


@pytest.mark.parametrize(
    "text", ["0000-05-10", "1990-00-10", "1990-13-01", "1990-02-30", "1990-02-29", "--02-30"]
)
def test_a_day_no_calendar_has_is_none(text: str) -> None:
    assert PartialDate.parse(text) is None
