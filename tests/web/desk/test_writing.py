"""How the private pages write numbers, instants and sums in both languages."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from mailer.web.desk.writing import Writing, marked

ZONE = ZoneInfo("Europe/Istanbul")
AT = datetime(2027, 5, 10, 21, 30, tzinfo=UTC)
ENGLISH, TURKISH = Writing("en", ZONE), Writing("tr", ZONE)


@pytest.mark.parametrize(
    ("what", "given", "english", "turkish"),
    [
        ("number", (1234567,), "1,234,567", "1.234.567"),
        ("moment", (AT,), "11 May 2027, 00:30", "11 Mayıs 2027 00:30"),
        ("day", (date(2027, 8, 1),), "1 Aug 2027", "1 Ağustos 2027"),
        ("yearly", (2, 29), "29 February", "29 Şubat"),
        ("time", (AT,), '<time datetime="2027-05-10T21:30:00Z">11 May 2027, 00:30</time>',
         '<time datetime="2027-05-10T21:30:00Z">11 Mayıs 2027 00:30</time>'),
        ("share", (1, 8), "12.5%", "%12,5"),
        ("share", (1, 1), "100.0%", "%100,0"),
        ("share", (0, 0), "", ""),
        ("money", (Decimal("1234.50"), "TRY"), "1,234.50\u00a0TRY", "₺1.234,50"),
        ("money", (Decimal(-3), "XBT"), "-3.00\u00a0XBT", "-3,00\u00a0XBT"),
        ("size", (999,), "999 bytes", "999 bayt"),
        ("size", (9_400,), "9 kB", "9 kB"),
        ("size", (1_250_000,), "1.2 MB", "1,2 MB"),
        ("lasting", (30 * 86_400,), "30 days", "30 gün"),
        ("lasting", (86_400,), "1 day", "1 gün"),
        ("lasting", (90 * 60,), "1.5 hours", "1,5 saat"),
        ("lasting", (0.6,), "0.6 seconds", "0,6 saniye"),
        ("lasting", (0,), "0 seconds", "0 saniye"),
        ("points", (0.0204,), "+2.0", "+2,0"),
        ("points", (-0.005,), "-0.5", "-0,5"),
        ("tongue", ("tr",), "Turkish", "Türkçe"),
        ("tongue", ("en-GB",), "English (United Kingdom)", "İngilizce (Birleşik Krallık)"),
        ("tongue", ("nobody's",), "nobody's", "nobody's"),
    ],
)  # fmt: skip
def test_it_is_written_as_in_the_language(
    what: str, given: tuple[object, ...], english: str, turkish: str
) -> None:
    assert (getattr(ENGLISH, what)(*given), getattr(TURKISH, what)(*given)) == (english, turkish)


def test_a_sentence_holds_its_values_and_no_markup_of_theirs() -> None:
    said = marked("`mailer runs resume {id}` lets {name} go on.", {"id": "8 <b>", "name": "`x` {y} <i>"})
    assert said == "<code>mailer runs resume 8 &lt;b&gt;</code> lets `x` {y} &lt;i&gt; go on."
