from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailer.core import cell
from mailer.core.address import read_address
from mailer.core.customer import PartialDate

ISTANBUL = ZoneInfo("Europe/Istanbul")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2027-05-10", datetime(2027, 5, 9, 21, 0, tzinfo=UTC)),
        ("2027-05-10T09:30", datetime(2027, 5, 10, 6, 30, tzinfo=UTC)),
        ("2027-05-10 09:30:15", datetime(2027, 5, 10, 6, 30, 15, tzinfo=UTC)),
        ("2027-05-10T09:30:15Z", datetime(2027, 5, 10, 9, 30, 15, tzinfo=UTC)),
        ("2027-05-10t09:30:15.5z", datetime(2027, 5, 10, 9, 30, 15, 500_000, tzinfo=UTC)),
        ("10.05.2027", datetime(2027, 5, 9, 21, 0, tzinfo=UTC)),
        ("1.5.2027 9:05", datetime(2027, 5, 1, 6, 5, tzinfo=UTC)),
        ("2027-05-10T09:30+02:00", datetime(2027, 5, 10, 7, 30, tzinfo=UTC)),
        (" 2027-05-10T09:30:00-0300 ", datetime(2027, 5, 10, 12, 30, tzinfo=UTC)),
        ("", None),
    ],
)
def test_an_instant_without_an_offset_is_the_tenants(text: str, expected: datetime | None) -> None:
    assert cell.instant_of(text, ISTANBUL) == expected


@pytest.mark.parametrize(
    "value",
    [
        "32.05.2027",
        "10.05.27",
        "10/05/2027",
        "2027-02-30",
        "2027-05-10T25:00",
        "20270510",
        "2027-W10",
        "soon",
        "0001-01-01T00:00+14:00",
        1_790_000_000,
        True,
        ["2027-05-10"],
        "2027-05-10T09:30:00Z\x00",
    ],
)
def test_what_is_no_instant_is_refused(value: Any) -> None:
    with pytest.raises(cell.CellFault):
        cell.instant_of(value, ISTANBUL)


def test_a_wall_time_in_a_gap_shifts_forward_and_in_a_fold_is_the_first() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert cell.instant_of("2027-03-28T02:30", berlin) == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)
    assert cell.instant_of("2027-10-31T02:30", berlin) == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("yes", True),
        ("EVET", True),
        ("1", True),
        (1, True),
        (True, True),
        ("true", True),
        ("no", False),
        ("Hayır", False),
        ("HAYIR", False),
        ("0", False),
        (False, False),
        ("", None),
        (None, None),
    ],
)
def test_yes_and_no_in_both_languages(value: Any, expected: bool | None) -> None:
    assert cell.yes_or_no(value) is expected


@pytest.mark.parametrize("value", ["maybe", "2", "opt-in", ["yes"]])
def test_what_is_neither_yes_nor_no_is_refused(value: Any) -> None:
    with pytest.raises(cell.CellFault):
        cell.yes_or_no(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tr_TR", "tr-TR"),
        ("TR", "tr"),
        ("en-us", "en-US"),
        ("zh_hant_tw", "zh-Hant-TW"),
        ("tr_TR.UTF-8", "tr-TR"),
        ("de@euro", "de"),
        ("es-419", "es-419"),
        ("", ""),
        ("sr_latn_rs_u_nu_latn", "sr-Latn-RS-u-nu-latn"),
        ("de_CH_1996_x_US", "de-CH-1996-x-us"),
        ("zh-yue-HK", "zh-yue-HK"),
        ("Türkçe", None),
        ("zz_zz_zz", None),
        ("tr-TR-Latn", None),
        ("tr-", None),
        ("tr-TR-u", None),
        ("tr-ABCDEFGHI", None),
        ("turkish", None),
        ("e", None),
    ],
)
def test_locales_take_their_usual_case(text: str, expected: str | None) -> None:
    assert cell.locale_of(text) == expected


@pytest.mark.parametrize("text", ["Türkiye", "T", "TUR", "12", "İT"])
def test_a_country_is_two_letters(text: str) -> None:
    assert cell.country_of("tr") == "TR"
    with pytest.raises(cell.CellFault):
        cell.country_of(text)


def test_words_are_trimmed_and_kept_as_written() -> None:
    assert cell.words_of(" Fibre ; tv;;Fibre") == ("Fibre", "tv")
    assert cell.words_of(["fibre", " tv "]) == ("fibre", "tv")
    assert cell.words_of("") == ()


@pytest.mark.parametrize(
    "text",
    ["a\rb", "a\nb", "a\0b", "a\x0bb", "a\x85b", "a\u2028b", "a\u2029b", "a\x1bb", "a\ud800b", "x" * 1001],
)
def test_a_line_holds_nothing_that_bends_it(text: str) -> None:
    with pytest.raises(cell.CellFault):
        cell.line_of(text)


@pytest.mark.parametrize(
    "text", ["{{7*7}}", "<script>", "'; drop table customer; --", "Ayşe 🌷", "=1+1", "%s"]
)
def test_text_that_only_looks_dangerous_stays_literal(text: str) -> None:
    assert cell.line_of(text) == text
    assert cell.attribute_of(text) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0532 111", "0532 111"),
        ("007", "007"),
        ("42", "42"),
        (42, 42),
        (4.5, 4.5),
        (False, False),
        ("", None),
        ("  ", None),
        (None, None),
        (["a", " b "], ["a", "b"]),
        ({"k": {"n": 1}}, {"k": {"n": 1}}),
        ("two\nlines", "two\nlines"),
    ],
)
def test_attributes_keep_what_they_are(value: Any, expected: Any) -> None:
    assert cell.attribute_of(value) == expected


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [float("inf"), float("nan"), "a\0b", ["\ud800"], {'"': 1}, {"a\\b": 1}, "x" * 20_001, _nested(20)],
    ids=["infinity", "nan", "nul", "surrogate", "quote", "backslash", "long", "deep"],
)
def test_what_no_database_keeps_is_refused(value: Any) -> None:
    with pytest.raises(cell.CellFault):
        cell.attribute_of(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1990-05-10", PartialDate(5, 10, 1990)),
        ("--05-10", PartialDate(5, 10)),
        ("1990-05-10T00:00:00Z", PartialDate(5, 10, 1990)),
        ("1990-05-10 23:59", PartialDate(5, 10, 1990)),
        ("1990-02-30", None),
        ("10.05.1990", None),
        ("1990-05-10abc", None),
        (19900510, None),
        ("", None),
    ],
)
def test_a_day_is_iso_8601_with_or_without_a_time(value: Any, expected: PartialDate | None) -> None:
    assert cell.day_of(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("129.90", 1_299_000), (129.9, 1_299_000), (12, 120_000), ("-5", -50_000), ("0.00005", 0), ("", None)],
)
def test_money_is_exact_to_the_ten_thousandth(value: Any, expected: int | None) -> None:
    assert cell.money_of(value) == expected


@pytest.mark.parametrize("value", ["1e999", "1e1000000", "NaN", "12,5 TL", "1_000", "1" * 30, [1], True])
def test_what_is_no_money_is_refused(value: Any) -> None:
    with pytest.raises(cell.CellFault):
        cell.money_of(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("41,01", 41.01), ("-90", -90.0), (90, 90.0), ("90.01", None), ("4_1", None), ("nan", None)],
)
def test_degrees_are_read_strictly(value: Any, expected: float | None) -> None:
    if expected is None:
        with pytest.raises(cell.CellFault):
            cell.degrees_of(value, 90)
    else:
        assert cell.degrees_of(value, 90) == expected


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a@b.co", "a@b.co"),
        ("Ayse.Y+offer@Shop.EXAMPLE", "Ayse.Y+offer@Shop.EXAMPLE"),
        ("ayşe@örnek.com.tr", "ayşe@örnek.com.tr"),
        ("x@xn--rnek-4qa.com", "x@xn--rnek-4qa.com"),
        ("a@shop.test", "a@shop.test"),
        ("a@office.local", "a@office.local"),
        ("o'neil@b.ie", "o'neil@b.ie"),
        ("x" * 64 + "@e.com", "x" * 64 + "@e.com"),
    ],
)
def test_addresses_are_kept_as_given(given: str, kept: str) -> None:
    assert read_address(given) == kept


@pytest.mark.parametrize(
    "text",
    [
        "a@b.c\r\nRCPT TO:<e>",
        '"evil@e.com x"@internal',
        "a@b,c@d",
        "<>",
        "x" * 65 + "@e.com",
        "a@b",
        "@b.com",
        "a@",
        "a b@c.com",
        "a@b..com",
        ".a@b.com",
        "a.@b.com",
        "a..b@c.com",
        "a@-b.com",
        "a@[127.0.0.1]",
        "Ali <a@b.com>",
        "\u202eabc@e.com",
        "a\u202eb@e.com",
        "a@e\u2066x.com",
        "a@b.com\n",
        "a@" + "b" * 64 + ".com",
        "a\0@b.com",
        "a@b.c0m1.123",
    ],
)
def test_hostile_addresses_are_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+\.$"):
        read_address(text)
